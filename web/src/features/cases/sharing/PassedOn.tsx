import { useQuery } from '@tanstack/react-query';
import { api } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { useSession } from '../../../app/session';
import { actionLabel } from '../../admin/api';
import { caseKeys } from '../api';
import { dateTime, wareki } from '../dates';
import { QueryState } from '../parts';
import { LEVEL_LABELS, levelOf, sectionLabel } from '../vocabulary';

/** すでに渡った範囲: per agency what it was given since when, and what its staff opened. */
export function PassedOn({ caseId }: { caseId: string }) {
  const { session } = useSession();
  const { zone } = session.municipality;
  const query = useQuery({
    queryKey: caseKeys.part(caseId, 'passed-on'),
    queryFn: ({ signal }) =>
      api.get<Schema<'PassedOnList'>>(`cases/${caseId}/passed-on`, undefined, signal),
    staleTime: 0,
  });
  if (!query.data) return <QueryState query={query} what="すでに渡った範囲" />;
  if (query.data.items.length === 0)
    return <p className="soft">ほかの機関に渡ったものはありません。</p>;
  return (
    <div className="stack passed-on">
      {query.data.items.map((item) => (
        <section key={item.agency_id} aria-label={item.name}>
          <h3>{item.name}</h3>
          <ul>
            {item.rights.map((right) => (
              <li key={right.section}>
                {sectionLabel(right.section)}：{LEVEL_LABELS[levelOf(right.level)]}
                <span className="soft">
                  （{dateTime(right.from, zone)}から
                  {right.until
                    ? `${dateTime(right.until, zone)}まで`
                    : right.last_day
                      ? `${wareki(right.last_day)}まで`
                      : 'いまも'}
                  ）
                </span>
              </li>
            ))}
          </ul>
          {item.opened.length === 0 ? (
            <p className="soft">この機関の職員が開いた記録はありません。</p>
          ) : (
            <details>
              <summary>この機関の職員が開いたもの（{item.opened.length}種類）</summary>
              <ul>
                {item.opened.map((opened) => (
                  <li key={`${opened.action} ${opened.section ?? ''}`}>
                    {opened.section && `${sectionLabel(opened.section)}：`}
                    {actionLabel(opened.action)} {opened.times}回
                    <span className="soft">
                      （{dateTime(opened.first, zone)}
                      {opened.times > 1 && `〜${dateTime(opened.last, zone)}`}）
                    </span>
                  </li>
                ))}
              </ul>
            </details>
          )}
        </section>
      ))}
    </div>
  );
}
