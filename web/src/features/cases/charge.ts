/** Who can be put in charge of a case, from what the caller knows. */
import type { Schema, Session } from '../../api/types';
import type { Choice } from '../../ui';

type Detail = Pick<Schema<'CaseDetail'>, 'owner' | 'owner_agency' | 'lead_agency' | 'members'>;

/**
 * The present owner, oneself and the colleagues, each once. Nobody is taken from another agency: a case
 * belongs to one.
 */
export function owners(
  detail: Detail,
  session: Pick<Session, 'account' | 'membership'>,
  colleagues: readonly Schema<'NamedAnswer'>[],
): Choice[] {
  const found = new Map<string, string>();
  if (detail.owner) found.set(detail.owner.id, detail.owner.name);
  if (session.membership.agency.id === detail.owner_agency.id) {
    found.set(session.account.id, `${session.account.name}（あなた）`);
    for (const { id, name } of colleagues) if (!found.has(id)) found.set(id, name);
  }
  return [...found].map(([code, label]) => ({ code, label }));
}

/** The agencies that are in the case now, and the present lead whatever became of it. */
export function leads(detail: Detail): Choice[] {
  const found = new Map<string, string>([[detail.owner_agency.id, detail.owner_agency.name]]);
  if (detail.lead_agency) found.set(detail.lead_agency.id, detail.lead_agency.name);
  for (const member of detail.members)
    if (member.active) found.set(member.agency.id, member.agency.name);
  return [...found].map(([code, label]) => ({ code, label }));
}
