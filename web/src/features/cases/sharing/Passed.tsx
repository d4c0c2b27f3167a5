import { useQuery } from '@tanstack/react-query';
import { api } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { useSession } from '../../../app/session';
import { Card } from '../../../ui';
import { caseKeys, personName, type CaseDetail } from '../api';
import { dateTime } from '../dates';
import { QueryState } from '../parts';
import { sectionLabel } from '../vocabulary';
import { PassedOn } from './PassedOn';

/** 「渡った範囲」: what went to whom, and what was shared without consent on which ground. */
export function Passed({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, 'consents'),
    queryFn: ({ signal }) =>
      api.get<Schema<'ConsentList'>>(`cases/${detail.id}/consents`, undefined, signal),
  });
  const agency = (id: string): string =>
    detail.members.find((member) => member.agency.id === id)?.agency.name ??
    'いまは支援機関でない機関';
  const person = (id: string): string => {
    const known = detail.persons.find(
      (entry) => entry.person_id === id || entry.former_ids.includes(id),
    );
    return known ? personName(known) : '事案にいない方';
  };
  const overrides = query.data?.overrides ?? [];
  return (
    <div className="stack">
      <Card title="機関ごとの、渡った範囲" icon="link">
        <PassedOn caseId={detail.id} />
      </Card>
      <Card title="同意のない共有の記録" icon="warning">
        {!query.data && <QueryState query={query} what="同意のない共有の記録" />}
        {query.data && overrides.length === 0 && (
          <p className="soft">同意のないまま共有した記録はありません。</p>
        )}
        <ul className="event-list">
          {overrides.map((entry) => (
            <li key={entry.id}>
              <strong>{entry.basis_name ?? entry.basis}</strong>
              <span>{dateTime(entry.at, session.municipality.zone)}</span>
              <span>
                {entry.persons.map(person).join('、')}さんについて、
                {entry.agencies.map(agency).join('、')}に
                {entry.sections.map(sectionLabel).join('、')}
              </span>
              <span className="soft">理由：{entry.reason}</span>
            </li>
          ))}
        </ul>
      </Card>
    </div>
  );
}
