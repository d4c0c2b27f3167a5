import { useMemo } from 'react';
import { LiveNetwork, type Candidate } from '../network';
import { personName, type CaseDetail, type SectionInfo } from './api';

/** 「世帯・関係」: the ecomap, with the people and agencies of the case offered for it. */
export function NetworkSection({
  detail,
  section,
  documentId,
  history,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  documentId: string;
  /** Address of the map's history, for readers of the original. */
  history: string | undefined;
}) {
  const candidates = useMemo<Candidate[]>(
    () => [
      ...detail.persons.map((person): Candidate => ({
        kind: 'person',
        id: person.person_id,
        former: person.former_ids,
        label: personName(person),
        ...(person.gender ? { sex: person.gender } : {}),
        ...(person.birth_date ? { birth_date: person.birth_date } : {}),
        ...(detail.clients.some((client) => client.person_id === person.person_id)
          ? { index: true }
          : {}),
        ...(person.deceased ? { deceased: true } : {}),
        ...(person.role === 'household' ? { household: true } : {}),
      })),
      ...detail.members.map((member): Candidate => ({
        kind: 'agency',
        id: member.agency.id,
        label: member.agency.name,
      })),
    ],
    [detail],
  );
  return (
    <LiveNetwork
      caseId={detail.id}
      documentId={documentId}
      seenBy={section.seen_by}
      {...(history ? { history } : {})}
      candidates={candidates}
    />
  );
}
