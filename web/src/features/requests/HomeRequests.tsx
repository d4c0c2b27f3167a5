import { Link } from 'wouter';
import { Card, Count, Tag } from '../../ui';
import { monthDay } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { useRequests, type CaseRequest } from './api';
import { reminders, stateLabel } from './words';

/** Lines per kind on the home screen. */
const SHOWN = 4;

/** Reminders of requests: without an answer, overdue, answered. */
export function HomeRequests({ today }: { today: string }) {
  const query = useRequests();
  const { waiting, answered, overdue } = reminders(query.data?.items ?? []);
  const total = waiting.length + answered.length + overdue.length;
  return (
    <Card
      title={<>依頼 {query.isSuccess && <Count value={total} tone={total ? 'red' : 'grey'} />}</>}
      icon="link"
      aside={<Link href="/requests">すべて見る</Link>}
    >
      {!query.data && <QueryState query={query} what="依頼" />}
      {query.isSuccess && total === 0 && (
        <p className="soft">返事を待つ依頼、新しい返事はありません。</p>
      )}
      <ul className="plain-list">
        {waiting.slice(0, SHOWN).map((one) => (
          <Line key={one.id} request={one} today={today} what={`${one.from_agency.name}から`}>
            {one.overdue ? (
              <Tag tone="red" icon="warning" small>
                期限超過
              </Tag>
            ) : (
              <Tag tone="yellow" icon="clock" small>
                未回答
              </Tag>
            )}
          </Line>
        ))}
        {answered.slice(0, SHOWN).map((one) => (
          <Line
            key={one.id}
            request={one}
            today={today}
            what={`${one.to?.name ?? one.to_agency?.name ?? ''}の返事`}
          >
            <Tag tone="blue" icon="bell" small>
              {stateLabel(one)}
            </Tag>
          </Line>
        ))}
        {overdue.slice(0, SHOWN).map((one) => (
          <Line
            key={one.id}
            request={one}
            today={today}
            what={`${one.to?.name ?? one.to_agency?.name ?? ''}へ`}
          >
            <Tag tone="red" icon="warning" small>
              返事なし・期限超過
            </Tag>
          </Line>
        ))}
      </ul>
    </Card>
  );
}

function Line({
  request,
  today,
  what,
  children,
}: {
  request: CaseRequest;
  today: string;
  what: string;
  children: React.ReactNode;
}) {
  return (
    <li>
      <span>
        <Link href={request.case ? `/cases/${request.case.id}/requests` : '/requests'}>
          {request.kind_label}
        </Link>{' '}
        <span className="soft">
          {what}
          {request.due_on && `・期限 ${monthDay(request.due_on, today)}`}
          {request.case && <span className="number">・{request.case.case_no}</span>}
        </span>
      </span>
      {children}
    </li>
  );
}
