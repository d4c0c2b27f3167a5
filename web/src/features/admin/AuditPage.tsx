import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { DateInput, Empty, PageHead, Table, Tag } from '../../ui';
import { dateTime } from '../cases/dates';
import { Pager, QueryState } from '../cases/parts';
import { actionLabel, objectId, objectLabel } from './api';
import { AdminTabs } from './AdminTabs';
import './admin.css';

/** 「監査ログ」: who did what and when. Ids only; the log holds no names of clients and no text. */
export default function AuditPage() {
  const { session } = useSession();
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const [trail, setTrail] = useState<readonly string[]>([]);
  const cursor = trail.at(-1);
  const query = useQuery({
    queryKey: ['audit', from, to, cursor],
    queryFn: ({ signal }) =>
      api.get<Schema<'AuditPage'>>('audit', { from, to, cursor, limit: 50 }, signal),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <PageHead
        title="監査ログ"
        lead="だれが・いつ・何をしたかの記録です。相談の内容と対象者の氏名は含みません。"
      />
      <AdminTabs current="audit" />
      <div className="card">
        <div className="filters">
          <DateInput
            label="いつから"
            support="空欄なら、はじめから"
            value={from}
            onChange={(value) => {
              setFrom(value);
              setTrail([]);
            }}
          />
          <DateInput
            label="いつまで"
            support="空欄なら、いままで"
            value={to}
            onChange={(value) => {
              setTo(value);
              setTrail([]);
            }}
          />
        </div>
        {!query.data && (
          <div className="card__body">
            <QueryState query={query} what="監査ログ" />
          </div>
        )}
        {query.data && (
          <>
            <Table
              caption="監査ログ"
              captionHidden
              dense
              rows={query.data.items}
              rowKey={(event) => String(event.seq)}
              empty={
                <Empty icon="list" title="この期間の記録はありません">
                  期間を広げてください。
                </Empty>
              }
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
                { key: 'agency', head: '所属', cell: (event) => event.agency?.name ?? '—' },
                { key: 'action', head: '操作', cell: (event) => actionLabel(event.action) },
                {
                  key: 'target',
                  head: '対象',
                  cell: (event) =>
                    event.object_id ? (
                      <>
                        {objectLabel(event.object_kind)}{' '}
                        <code className="soft">{objectId(event.object_id)}</code>
                      </>
                    ) : (
                      '—'
                    ),
                },
                {
                  key: 'outcome',
                  head: '結果',
                  cell: (event) =>
                    !event.outcome || event.outcome === 'ok' || event.outcome === 'done' ? (
                      <span className="nowrap">完了</span>
                    ) : (
                      <Tag tone="orange" icon="warning" small>
                        {event.outcome === 'refused' || event.outcome === 'denied'
                          ? '拒否'
                          : event.outcome}
                      </Tag>
                    ),
                },
              ]}
            />
            <Pager
              trail={trail}
              next={query.data.next_cursor ?? null}
              busy={query.isFetching}
              onTrail={setTrail}
            />
          </>
        )}
      </div>
    </>
  );
}
