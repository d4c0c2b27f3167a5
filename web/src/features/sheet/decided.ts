/** A plan's own words about its 支援決定, beside the decision that was recorded for it. */
import type { Projection, Schema } from '../../api/types';

type Cells = Projection['fields'];
type Decision = Schema<'SupportDecision'>;

/** States of a plan (`plan_status`) that a 支援決定 goes past. */
const BEFORE: readonly unknown[] = [undefined, null, '', 'draft', 'submitted', 'agreed'];

/** What the decision says in the words of the plan; nothing of what the reader may not see of it. */
function told(decision: Decision): [id: string, value: string][] {
  const all = [
    ['decided_on', decision.decided_on],
    ['decided_by', decision.approver],
    ['decision_no', decision.document_no],
  ] as const;
  return all.flatMap(([id, value]): [string, string][] => (value ? [[id, value]] : []));
}

/** Whether somebody wrote something in the box, or something there is kept from the reader. */
function filled(cell: Cells[string] | undefined): boolean {
  return Boolean(cell?.withheld || cell?.text || (cell?.value ?? '') !== '');
}

/**
 * The plan as it is read: it is decided on after it became final, and nobody writes in it then. Its
 * state follows the decision, and what it left empty about the decision is told from it; what somebody
 * wrote stays.
 */
export function decided(fields: Cells, decision: Decision | undefined): Cells {
  if (!decision) return fields;
  const out = { ...fields };
  if (fields['status']?.text === undefined && BEFORE.includes(fields['status']?.value))
    out['status'] = { value: 'decided' };
  for (const [id, value] of told(decision)) if (!filled(fields[id])) out[id] = { value };
  return out;
}

/** Whether a plan, read so, says all of the decision itself. */
export function saysAll(fields: Cells, decision: Decision): boolean {
  return told(decision).every(([id, value]) => fields[id]?.value === value);
}
