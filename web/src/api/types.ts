/** Shapes of the HTTP answers the app's foundation itself reads. */

/** GET /session */
export interface Session {
  stage: 'totp' | 'enrolment' | 'password' | 'ready';
  account: { id: string; login_id: string; name: string };
  membership: Membership;
  memberships: Membership[];
  municipality: { id: string; name: string; zone: string; demo: boolean };
  /** Functions switched on for the municipality. */
  capabilities: string[];
  /** What the active membership may do; the server enforces it, the screens only follow. */
  permissions: string[];
  expires_at: string;
}

/** Account × agency × role. */
export interface Membership {
  id: string;
  agency: { id: string; name: string; class: string };
  role: string;
}

/** Disclosure level of an agency for a document. */
export type Level = 'none' | 'masked' | 'read' | 'edit';

/** GET /documents/{id} */
export interface DocumentInfo {
  id: string;
  kind: string;
  case_id: string | null;
  section: string | null;
  form: string | null;
  level: Level;
  comment?: boolean;
  state: 'draft' | 'final';
  epoch: number;
  masks_document_id?: string | null;
}

/** GET /documents/{id}/projection: what a masked reader sees. */
export interface Projection {
  document_id: string;
  level: Level;
  seq: number;
  generated_at: string;
  fields: Record<string, ProjectedField>;
  notice?: string | null;
}

/** One field of a projection. `withheld`: newer text exists and is still being checked. */
export interface ProjectedField {
  text?: string;
  value?: unknown;
  rows?: { id: string; cells: Record<string, ProjectedField> }[];
  withheld?: boolean;
}

/** Who can see a section, beside the thing being written. */
export interface SeenBy {
  agency_id: string;
  name: string;
  level: Level;
}
