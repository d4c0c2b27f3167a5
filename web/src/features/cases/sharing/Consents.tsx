import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { useSession } from '../../../app/session';
import { Button, Card, LinkButton } from '../../../ui';
import { caseKeys, personName, type CaseDetail } from '../api';
import { localDate, monthDay, wareki } from '../dates';
import { ConsentChip, QueryState } from '../parts';
import { consent, CONSENT_METHODS, sectionLabel } from '../vocabulary';
import { ConsentEditor } from './ConsentEditor';

/** 「本人の同意」: what each person agreed to, and writing it down. */
export function Consents({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const query = useQuery({
    queryKey: caseKeys.part(detail.id, 'consents'),
    queryFn: ({ signal }) =>
      api.get<Schema<'ConsentList'>>(`cases/${detail.id}/consents`, undefined, signal),
  });
  const [editing, setEditing] = useState<{ person: string; withdraw: boolean } | null>(null);
  const writable = detail.permissions.includes('manage_consent');
  const today = localDate(new Date(), session.municipality.zone);
  const all = query.data?.items ?? [];
  return (
    <div className="stack">
      {!query.data && <QueryState query={query} what="同意" />}
      {query.data &&
        detail.persons.map((person) => {
          const own = all.filter((entry) => entry.person_id === person.person_id);
          const status =
            detail.consent.find((entry) => entry.person_id === person.person_id)?.status ??
            own[0]?.status ??
            'unconfirmed';
          const given = ['full', 'limited', 'verbal'].includes(status);
          return (
            <Card
              key={person.person_id}
              level={2}
              icon="person"
              title={
                <>
                  {personName(person)} <ConsentChip status={status} />
                </>
              }
              aside={
                writable && (
                  <span className="row">
                    {given && (
                      <Button
                        size="s"
                        variant="danger"
                        onClick={() => setEditing({ person: person.person_id, withdraw: true })}
                      >
                        撤回を記録する
                      </Button>
                    )}
                    <LinkButton
                      size="s"
                      icon="print"
                      href={`/print/cases/${detail.id}/consent/${person.person_id}`}
                    >
                      同意書
                    </LinkButton>
                    <Button
                      size="s"
                      icon="plus"
                      onClick={() => setEditing({ person: person.person_id, withdraw: false })}
                    >
                      同意を記録する
                    </Button>
                  </span>
                )
              }
            >
              {own.length === 0 ? (
                <p className="soft">
                  まだ確認していません。確認するまで、ほかの機関への共有には根拠と理由が要ります。
                </p>
              ) : (
                <ul className="event-list">
                  {own.map((entry) => (
                    <li key={entry.id}>
                      <strong>{consent(entry.status).long}</strong>
                      <span>
                        {entry.withdrawn_on
                          ? `${wareki(entry.withdrawn_on)} 撤回`
                          : entry.obtained_on
                            ? wareki(entry.obtained_on)
                            : '日付なし'}
                      </span>
                      {entry.method && <span>{CONSENT_METHODS[entry.method] ?? entry.method}</span>}
                      {entry.obtained_by && <span className="soft">{entry.obtained_by.name}</span>}
                      {entry.expires_on && (
                        <span className={entry.expires_on < today ? 'late' : 'soft'}>
                          再確認 {monthDay(entry.expires_on, today)}
                        </span>
                      )}
                      {entry.allowed_agencies && (
                        <span className="soft">
                          機関：
                          {entry.allowed_agencies
                            .map(
                              (id) =>
                                detail.members.find((member) => member.agency.id === id)?.agency
                                  .name ?? id,
                            )
                            .join('、') || 'なし'}
                        </span>
                      )}
                      {entry.policy_version && (
                        <span className="soft">説明：{entry.policy_version}</span>
                      )}
                      {entry.purpose && <span className="soft">目的：{entry.purpose}</span>}
                      {entry.proxy && <span className="soft">代理・立会い：{entry.proxy}</span>}
                      {entry.note && <span className="soft">{entry.note}</span>}
                      {entry.allowed_sections && (
                        <span className="soft">
                          記録：{entry.allowed_sections.map(sectionLabel).join('、') || 'なし'}
                        </span>
                      )}
                    </li>
                  ))}
                </ul>
              )}
            </Card>
          );
        })}
      {editing && (
        <ConsentEditor
          detail={detail}
          person={editing.person}
          withdraw={editing.withdraw}
          today={today}
          onClose={() => setEditing(null)}
        />
      )}
    </div>
  );
}
