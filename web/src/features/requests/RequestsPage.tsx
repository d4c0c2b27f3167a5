import { useState } from 'react';
import { Card, Count, Empty, PageHead, Tabs } from '../../ui';
import { QueryState } from '../cases/parts';
import { useRequests, type CaseRequest } from './api';
import { RequestCard } from './RequestCard';
import { reminders } from './words';
import './requests.css';

/** 「届いた依頼」 and 「出した依頼」 of the own agency. */
export default function RequestsPage() {
  const query = useRequests();
  const [tab, setTab] = useState('received');
  const items = query.data?.items ?? [];
  const due = reminders(items);
  const received = items.filter((one) => one.received);
  const sent = items.filter((one) => one.sent);
  return (
    <>
      <PageHead title="依頼" lead="つなぐ・割当・引継ぎ・支援決定の依頼と、その返事です。" />
      {!query.data ? (
        <QueryState query={query} what="依頼" />
      ) : (
        <Tabs
          label="依頼の向き"
          selected={tab}
          onSelect={setTab}
          items={[
            {
              id: 'received',
              label: (
                <>
                  届いた依頼{' '}
                  <Count value={due.waiting.length} tone={due.waiting.length ? 'red' : 'grey'} />
                </>
              ),
              content: (
                <List
                  items={received}
                  empty="届いた依頼はありません"
                  hint="ほかの機関や同僚から依頼が届くと、ここに並びます。"
                />
              ),
            },
            {
              id: 'sent',
              label: (
                <>
                  出した依頼{' '}
                  <Count value={due.answered.length} tone={due.answered.length ? 'red' : 'grey'} />
                </>
              ),
              content: (
                <List
                  items={sent}
                  empty="出した依頼はありません"
                  hint="事案の「依頼」から、つなぐ・割当・引継ぎを依頼できます。"
                />
              ),
            },
          ]}
        />
      )}
    </>
  );
}

function List({
  items,
  empty,
  hint,
}: {
  items: readonly CaseRequest[];
  empty: string;
  hint: string;
}) {
  const open = items.filter((one) => one.state === 'requested' || one.acts.length > 0);
  const over = items.filter((one) => !open.includes(one));
  if (items.length === 0)
    return (
      <Empty icon="link" title={empty}>
        {hint}
      </Empty>
    );
  return (
    <div className="stack">
      {open.length > 0 && (
        <Card title={`進行中（${open.length}件）`} icon="clock">
          {open.map((request) => (
            <RequestCard key={request.id} request={request} />
          ))}
        </Card>
      )}
      {over.length > 0 && (
        <Card title={`終わった依頼（${over.length}件）`} icon="check">
          {over.map((request) => (
            <RequestCard key={request.id} request={request} />
          ))}
        </Card>
      )}
    </div>
  );
}
