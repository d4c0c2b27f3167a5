import { useMutation } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { Button, Icon, Tag } from '../../ui';
import { dateTime, localDate, wareki } from '../cases/dates';
import { daysText } from '../cases/sharing/rights';
import { LEVEL_LABELS, levelOf, sectionLabel } from '../cases/vocabulary';
import { MaskedText } from '../sheet';
import { AnswerDialog } from './AnswerDialog';
import { useRequestsChanged, type CaseRequest } from './api';
import { actLabel, actsInOrder, KINDS, STATE_ICONS, stateLabel, stateTone } from './words';

/** One request with its words, its answer, and what can be done with it now. */
export function RequestCard({
  request,
  showCase = true,
}: {
  request: CaseRequest;
  showCase?: boolean;
}) {
  const { session } = useSession();
  const [act, setAct] = useState<string | null>(null);
  const changed = useRequestsChanged();
  const seen = useMutation({
    mutationFn: () => api.post(`requests/${request.id}/seen`),
    onSuccess: () => changed(),
  });
  const heading = useId();
  const zone = session.municipality.zone;
  const today = localDate(new Date(), zone);
  const { decision } = request;
  const other = request.to?.name ?? request.to_agency?.name ?? '（機関の表示なし）';
  return (
    <article className="request" aria-labelledby={heading}>
      <div className="request__head">
        <h3 id={heading}>
          <Icon name={KINDS[request.kind]?.icon ?? 'link'} size="s" />
          {request.kind_label}
          <span className="visually-hidden">
            {request.received ? `、${request.from_agency.name}から` : `、${other}へ`}
          </span>
        </h3>
        <Tag tone={stateTone(request)} icon={STATE_ICONS[request.state] ?? 'info'}>
          {stateLabel(request)}
          {request.overdue && '（期限超過）'}
        </Tag>
        {request.sent && request.answered_at && !request.seen && (
          <Tag tone="blue" icon="bell" small>
            返事あり
          </Tag>
        )}
      </div>
      <dl className="facts">
        <div>
          <dt>依頼した人</dt>
          <dd>
            {request.from_agency.name} {request.from.name}
          </dd>
        </div>
        <div>
          <dt>相手</dt>
          <dd>{other}</dd>
        </div>
        <div>
          <dt>依頼した日時</dt>
          <dd>{dateTime(request.requested_at, zone)}</dd>
        </div>
        <div>
          <dt>返事の期限</dt>
          <dd className={request.overdue ? 'late' : undefined}>
            {request.due_on ? wareki(request.due_on) : '指定なし'}
          </dd>
        </div>
        {showCase && (
          <div>
            <dt>事案</dt>
            <dd>
              {request.case ? (
                <Link href={`/cases/${request.case.id}/overview`}>{request.case.case_no}</Link>
              ) : (
                '受諾すると表示されます'
              )}
            </dd>
          </div>
        )}
        {request.decision && (
          <div>
            <dt>プラン</dt>
            <dd>
              {request.case ? (
                <Link href={`/cases/${request.case.id}/plan/${request.decision.plan_document_id}`}>
                  第{request.decision.plan_number}回
                </Link>
              ) : (
                `第${request.decision.plan_number}回`
              )}
            </dd>
          </div>
        )}
      </dl>
      {request.words ? (
        <p className="request__words">
          {request.masked ? <MaskedText text={request.words} /> : request.words}
        </p>
      ) : (
        <p className="soft">
          {request.state === 'requested'
            ? '依頼の内容は、伏せることばの確認ができないため表示していません。依頼した人にお尋ねください。'
            : '依頼の内容は表示しません。'}
        </p>
      )}
      {request.masked && request.words && (
        <p className="soft">
          マスク済み（個人情報として取扱い）。同意のある範囲が広がると、伏せた部分も見えます。
        </p>
      )}
      {request.rights.length > 0 && (
        <p className="soft">
          受諾されたあとに見える範囲：
          {request.rights
            .map((right) => {
              const days = daysText(right, today);
              return `${sectionLabel(right.section)}＝${LEVEL_LABELS[levelOf(right.level)]}${days && `（${days}）`}`;
            })
            .join('、')}
        </p>
      )}
      {request.answered_at && (
        <div className="request__answer">
          <p>
            <strong>{stateLabel(request)}</strong>{' '}
            <span className="soft">
              {request.answered_by?.name} {dateTime(request.answered_at, zone)}
            </span>
          </p>
          {decision?.decided_on && (
            <p>
              支援決定日 {wareki(decision.decided_on)}・文書番号 {decision.document_no}・決裁者{' '}
              {decision.approver}
            </p>
          )}
          {request.answer && <p className="request__words">{request.answer}</p>}
        </div>
      )}
      <div className="row">
        {actsInOrder(request.acts).map((code, index) => (
          <Button
            key={code}
            size="s"
            variant={
              index === 0 && code !== 'withdraw' && code !== 'decline' ? 'primary' : 'secondary'
            }
            onClick={() => setAct(code)}
          >
            {actLabel(request, code)}
          </Button>
        ))}
        {request.sent && request.answered_at && !request.seen && (
          <Button size="s" icon="check" busy={seen.isPending} onClick={() => seen.mutate()}>
            返事を確認した
          </Button>
        )}
      </div>
      {act && <AnswerDialog request={request} act={act} onClose={() => setAct(null)} />}
    </article>
  );
}
