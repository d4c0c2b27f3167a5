/** Shapes of the mask review answers. */

/** One document with suggestions, as in GET /mask-reviews. */
export interface MaskReview {
  document_id: string;
  case_id: string;
  case_no: string;
  case_title?: string | null;
  kind: string;
  section?: string | null;
  pending: number;
  total?: number | null;
  updated_at?: string | null;
}
