import { useState } from 'react';
import { Button, Card, Empty } from '../../ui';
import type { CaseDetail } from '../cases/api';
import { useCourse } from '../cases/course/api';
import { QueryState } from '../cases/parts';
import { useCaseRequests } from './api';
import { NewRequestDialog } from './NewRequestDialog';
import { RequestCard } from './RequestCard';
import { KINDS } from './words';
import './requests.css';

/** 「依頼」: つなぐ, 割当, 引継ぎ of one case. */
export function RequestsTab({ detail }: { detail: CaseDetail }) {
  const query = useCaseRequests(detail.id);
  const course = useCourse(detail.id);
  const [kind, setKind] = useState<string | null>(null);
  // The 支援決定 is asked for where its requirements stand.
  const kinds = (course.data?.may_ask ?? []).filter((code) => code !== 'decision' && KINDS[code]);
  return (
    <div className="stack">
      {kinds.length > 0 && (
        <Card title="依頼する" icon="plus">
          <ul className="request-kinds">
            {kinds.map((code) => (
              <li key={code}>
                <Button icon={KINDS[code]?.icon ?? 'link'} onClick={() => setKind(code)}>
                  {KINDS[code]?.label}
                </Button>
                <span className="soft">{KINDS[code]?.support}</span>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title="この事案の依頼" icon="link">
        {!query.data && <QueryState query={query} what="依頼" />}
        {query.data?.items.length === 0 && (
          <Empty icon="link" title="依頼はまだありません">
            ほかの機関につなぐ、担当を割り当てる、引き継ぐときに使います。
          </Empty>
        )}
        {query.data?.items.map((request) => (
          <RequestCard key={request.id} request={request} showCase={false} />
        ))}
      </Card>
      {kind && <NewRequestDialog detail={detail} kind={kind} onClose={() => setKind(null)} />}
    </div>
  );
}
