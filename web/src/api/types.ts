/** Shapes of the HTTP answers the app's foundation itself reads. */
import type { components } from './schema';

/** A shape of the contract by its name in openapi.json. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

/** GET /session. Without a usable membership nobody becomes `ready`. */
export type Session = Schema<'SessionAnswer'> & {
  stage: 'totp' | 'enrolment' | 'password' | 'ready';
  membership: Membership;
};

/** Account × agency × role. */
export type Membership = Schema<'SessionMembership'>;

/** Disclosure level of an agency for a document. */
export type Level = 'none' | 'masked' | 'read' | 'edit';

/** GET /documents/{id} */
export type DocumentInfo = Schema<'DocumentAnswer'> & { level: Level; state: 'draft' | 'final' };

/** GET /documents/{id}/projection: what a masked reader sees. */
export type Projection = Omit<Schema<'ProjectionAnswer'>, 'fields'> & {
  fields: Record<string, ProjectedField>;
};

/** One field of a projection. `withheld`: newer text exists and is still being checked. */
export interface ProjectedField {
  text?: string;
  value?: unknown;
  rows?: { id: string; cells: Record<string, ProjectedField> }[];
  withheld?: boolean;
}

/** Who can see a section, beside the thing being written. */
export type SeenBy = Schema<'SeenBy'>;
