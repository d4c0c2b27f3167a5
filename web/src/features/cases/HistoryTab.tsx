import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ApiError } from '../../api/client';
import { useSession } from '../../app/session';
import { Card, Empty, LinkButton, Table } from '../../ui';
import type { Schema } from '../../api/types';
import { actionLabel } from '../admin/api';
import { caseKeys, type CaseDetail } from './api';
import { dateTime } from './dates';
import { Pager, QueryState } from './parts';
import { sheetBase, sheetName } from './sheets';
import { sectionLabel } from './vocabulary';

/** 「履歴」: ways to the history of each sheet; who opened and changed this case. */
export function HistoryTab({ detail }: { detail: CaseDetail }) {
  const open = detail.sections.flatMap((section) =>
    section.sheets
      .filter(({ level }) => level === 'read' || level === 'edit')
      .map((sheet) => ({ section: section.section, sheet })),
  );
  return (
    <>
      {open.length > 0 && (
        <Card title="記録に書かれたことの履歴" icon="pencil">
          <div className="stack">
            <p className="soft">
              だれが・いつ・何を書いたかを見て、前の版とくらべたり戻したりできます。
            </p>
            <div className="row">
              {open.map(({ section, sheet: { document_id: id, number } }) => (
                <LinkButton key={id} href={`${sheetBase(detail, section, id)}/history`} size="s">
                  {sheetName(section, number)}の履歴
                </LinkButton>
              ))}
            </div>
          </div>
        </Card>
      )}
      <AccessLog detail={detail} />
    </>
  );
}

/** 閲覧履歴: every reading and change of the case, newest first. */
export function AccessLog({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const [trail, setTrail] = useState<readonly string[]>([]);
  const cursor = trail.at(-1);
  const query = useQuery({
    queryKey: [...caseKeys.part(detail.id, 'access-log'), cursor],
    queryFn: ({ signal }) =>
      api.get<Schema<'AuditPage'>>(`cases/${detail.id}/access-log`, { cursor, limit: 50 }, signal),
    placeholderData: keepPreviousData,
  });
  // Who opened what is for those who answer for the case.
  if (query.error instanceof ApiError && query.error.status === 403)
    return (
      <Card title="閲覧と変更の履歴" icon="clock">
        <p className="soft">
          だれがこの事案を開いたかは、担当する多機関協働事業者と市町村所管課だけが見られます。必要なときは主担当にお尋ねください。
        </p>
      </Card>
    );
  return (
    <Card title="閲覧と変更の履歴" icon="clock" flush>
      {!query.data && (
        <div className="card__body">
          <QueryState query={query} what="履歴" />
        </div>
      )}
      {query.data?.items.length === 0 && <Empty icon="clock" title="履歴はまだありません" />}
      {query.data && query.data.items.length > 0 && (
        <Table
          caption="閲覧と変更の履歴の表"
          captionHidden
          dense
          rows={query.data.items}
          rowKey={(event) => String(event.seq)}
          columns={[
            {
              key: 'at',
              head: '日時',
              header: true,
              cell: (event) => (
                <span className="nowrap number">
                  {dateTime(event.at, session.municipality.zone)}
                </span>
              ),
            },
            { key: 'who', head: '利用者', cell: (event) => event.account?.name ?? '—' },
            { key: 'agency', head: '機関', cell: (event) => event.agency?.name ?? '—' },
            { key: 'action', head: 'したこと', cell: (event) => actionLabel(event.action) },
            {
              key: 'section',
              head: '記録',
              cell: (event) => (event.section ? sectionLabel(event.section) : '—'),
            },
          ]}
        />
      )}
      {query.data && (
        <Pager
          trail={trail}
          next={query.data.next_cursor ?? null}
          busy={query.isFetching}
          onTrail={setTrail}
        />
      )}
    </Card>
  );
}
