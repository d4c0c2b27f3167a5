import { useState } from 'react';
import { Link } from 'wouter';
import { useSession } from '../../../app/session';
import { Button, Card, Empty, Icon, LinkButton, Notice, Tag } from '../../../ui';
import { NewRequestDialog } from '../../requests/NewRequestDialog';
import type { CaseDetail } from '../api';
import { dateTime, localDate, wareki } from '../dates';
import { QueryState, writerWords } from '../parts';
import { StageDialog } from '../StageDialog';
import { REPEATED, sectionLabel, stageLabel } from '../vocabulary';
import { useCourse, useProcess, type Course, type Process, type Requirement } from './api';
import {
  byLikelihood,
  newestFirst,
  open,
  placeLabel,
  placeOf,
  positions,
  stagesInOrder,
} from './course';
import { ProcessPicture } from './ProcessPicture';
import './course.css';

const DATES: Readonly<Record<string, string>> = {
  received_on: '受付日',
  screened_on: 'スクリーニング',
  planned_on: 'プラン作成',
  meeting_on: '重層的支援会議',
  decided_on: '支援決定',
  evaluated_on: '評価',
};

/** 「支援の流れ」: where the case stands, what the next step needs, how it came here. */
export function FlowTab({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  const course = useCourse(detail.id);
  const process = useProcess();
  const today = localDate(new Date(), session.municipality.zone);
  if (!course.data) return <QueryState query={course} what="支援の流れ" />;
  return (
    <div className="stack">
      <Next detail={detail} course={course.data} />
      <Decisions detail={detail} course={course.data} />
      {process.data ? (
        <Way process={process.data} course={course.data} today={today} />
      ) : (
        <QueryState query={process} what="支援の流れの図" />
      )}
      <History course={course.data} zone={session.municipality.zone} />
    </div>
  );
}

/** One requirement: whether it is met, in a word and a mark, and the way to where it is done. */
export function RequirementLine({
  caseId,
  requirement,
}: {
  caseId: string;
  requirement: Requirement;
}) {
  const state = requirement.met ? '済み' : requirement.hard ? '必須' : '確認';
  return (
    <li className="need">
      <Tag
        small
        tone={requirement.met ? 'green' : requirement.hard ? 'red' : 'yellow'}
        icon={requirement.met ? 'check' : 'warning'}
      >
        {state}
      </Tag>
      <span className="need__label">{requirement.label}</span>
      {!requirement.met && (
        <Link href={`/cases/${caseId}/${placeOf(requirement)}`}>
          「{placeLabel(requirement)}」を開く
        </Link>
      )}
    </li>
  );
}

function Next({ detail, course }: { detail: CaseDetail; course: Course }) {
  const [to, setTo] = useState<string | null>(null);
  const next = byLikelihood(course.next);
  const on = positions(course).get(course.stage)?.on;
  return (
    <Card
      title={`いまの段階：${stageLabel(course.stage)}`}
      icon="pin"
      aside={
        course.may_change && (
          <Button size="s" icon="pencil" onClick={() => setTo(course.stage)}>
            段階・緊急性を変える
          </Button>
        )
      }
    >
      <p>{on ? `${wareki(on)}から` : 'この段階になった日は記録されていません。'}</p>
      {course.dates.length > 0 && (
        <dl className="facts flow-dates">
          {course.dates.map((date) => (
            <div key={date.name}>
              <dt>{DATES[date.name] ?? date.name}</dt>
              <dd>{wareki(date.on)}</dd>
            </div>
          ))}
        </dl>
      )}
      {next.length > 0 && (
        <>
          <h3>次に進める段階と、必要なこと</h3>
          <p className="soft">
            「必須」が残る段階へは進めません。「確認」は、理由を書けば進めます（理由は履歴に残ります）。
          </p>
          <ul className="flow-next">
            {next.map((step) => {
              const { stops, warns } = open(step.requirements);
              return (
                <li key={step.stage} className="flow-next__step">
                  <div className="flow-next__head">
                    <strong>{step.stage_label}</strong>
                    <Tag
                      small
                      tone={stops.length ? 'red' : warns.length ? 'yellow' : 'green'}
                      icon={stops.length ? 'lock' : warns.length ? 'warning' : 'check'}
                    >
                      {stops.length
                        ? `必須が残り${stops.length}件`
                        : warns.length
                          ? `確認が${warns.length}件`
                          : '進めます'}
                    </Tag>
                    {course.may_change && stops.length === 0 && (
                      <Button
                        size="xs"
                        aria-label={`${step.stage_label}に進める`}
                        onClick={() => setTo(step.stage)}
                      >
                        進める
                      </Button>
                    )}
                  </div>
                  {step.requirements.length > 0 && (
                    <ul className="needs" aria-label={`${step.stage_label}に必要なこと`}>
                      {step.requirements.map((one) => (
                        <RequirementLine key={one.code} caseId={detail.id} requirement={one} />
                      ))}
                    </ul>
                  )}
                </li>
              );
            })}
          </ul>
        </>
      )}
      {to !== null && <StageDialog detail={detail} initial={to} onClose={() => setTo(null)} />}
    </Card>
  );
}

function Decisions({ detail, course }: { detail: CaseDetail; course: Course }) {
  const [asking, setAsking] = useState(false);
  const mayAsk = course.may_ask.includes('decision') && course.stage === 'meeting';
  if (course.decisions.length === 0 && !mayAsk) return null;
  const missing = course.before_decision.filter((one) => !one.met);
  return (
    <Card title="支援決定" icon="shield">
      {course.decisions.length === 0 && <p className="soft">まだ支援決定はありません。</p>}
      <DecisionList detail={detail} decisions={course.decisions} />
      {mayAsk && missing.length > 0 && (
        <Notice tone="warning" title="支援決定を依頼する前に必要なこと">
          <ul className="needs">
            {missing.map((one) => (
              <RequirementLine key={one.code} caseId={detail.id} requirement={one} />
            ))}
          </ul>
        </Notice>
      )}
      {mayAsk && (
        <p>
          <Button
            icon="upload"
            variant={missing.length ? 'secondary' : 'primary'}
            reason={missing.length ? '上の「必須」を済ませると依頼できます' : undefined}
            onClick={() => setAsking(true)}
          >
            支援決定を依頼する
          </Button>
        </p>
      )}
      {asking && (
        <NewRequestDialog detail={detail} kind="decision" onClose={() => setAsking(false)} />
      )}
    </Card>
  );
}

/** 支援決定 as they stand in overview, course and print. */
export function DecisionList({
  detail,
  decisions,
}: {
  detail: CaseDetail;
  decisions: Course['decisions'];
}) {
  return decisions.map((decision) => (
    <dl key={decision.plan_document_id + decision.document_no} className="facts">
      <div>
        <dt>プラン</dt>
        <dd>
          <Link href={`/cases/${detail.id}/plan/${decision.plan_document_id}`}>
            {REPEATED.has('plan') ? `${sectionLabel('plan')} 第${decision.plan_number}回` : ''}
          </Link>
        </dd>
      </div>
      <div>
        <dt>支援決定日</dt>
        <dd>{wareki(decision.decided_on)}</dd>
      </div>
      <div>
        <dt>文書番号</dt>
        <dd>{decision.document_no}</dd>
      </div>
      <div>
        <dt>決裁者</dt>
        <dd>{decision.approver}</dd>
      </div>
    </dl>
  ));
}

/** The way: drawn, and as a list that says the same. */
function Way({ process, course, today }: { process: Process; course: Course; today: string }) {
  const at = positions(course);
  return (
    <Card title="支援の流れ" icon="list">
      <ProcessPicture process={process} course={course} today={today} />
      <p className="soft flow-legend">
        <span>
          <b aria-hidden="true">●</b> 「現在地」の札といちばん太い枠：いまの段階
        </span>
        <span>
          <b aria-hidden="true">✓</b> 太めの枠と日付：通った段階
        </span>
        <span>破線の枠：段階ではない手続</span>
      </p>
      <h3>流れの一覧</h3>
      <ol className="flow-list">
        {stagesInOrder(process).map((node) => {
          const position = at.get(node.stage ?? '');
          const lane = process.lanes.find((one) => one.id === node.lane)?.name;
          return (
            <li
              key={node.id}
              className={`flow-list__stage is-${position?.where ?? 'ahead'}`}
              aria-current={position?.where === 'now' ? 'step' : undefined}
            >
              <span className="flow-list__mark" aria-hidden="true">
                {position?.where === 'now' ? '●' : position?.where === 'passed' ? '✓' : '○'}
              </span>
              <span>
                <strong>{stageLabel(node.stage)}</strong> <span className="soft">{lane}</span>
              </span>
              <span className="flow-list__state">
                {position?.where === 'now' ? 'いまここ' : position ? '通った' : 'まだ'}
                {position?.on && `（${wareki(position.on)}）`}
              </span>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

function History({ course, zone }: { course: Course; zone: string }) {
  return (
    <Card title="段階の履歴" icon="clock">
      {course.steps.length === 0 ? (
        <Empty icon="clock" title="段階の変更はまだ記録されていません">
          この版より前に進んだ段階は、日付が残っていません。これからの変更はここに並びます。
        </Empty>
      ) : (
        <ol className="flow-history">
          {newestFirst(course.steps).map((step) => (
            <li key={step.id}>
              <p>
                <strong>
                  {step.from ? `${stageLabel(step.from)} → ` : ''}
                  {stageLabel(step.to)}
                </strong>{' '}
                <span>{wareki(step.entered_on)}</span>
              </p>
              <p className="soft">
                {writerWords(step.agency, step.by)}
                {`・記録 ${dateTime(step.at, zone)}`}
              </p>
              {step.missing.length > 0 && (
                <p className="flow-history__missing">
                  <Icon name="warning" size="s" /> 済んでいなかったこと：{step.missing.join('、')}
                </p>
              )}
              {step.reason && <p className="record__text">理由：{step.reason}</p>}
            </li>
          ))}
        </ol>
      )}
      <p className="soft">依頼（つなぐ・引継ぎ）の経過は「依頼」にあります。</p>
    </Card>
  );
}

/** A short card for the overview: what is missing for the usual next step. */
export function NextNeeds({ detail }: { detail: CaseDetail }) {
  const course = useCourse(detail.id);
  if (!course.data) return null;
  const step = byLikelihood(course.data.next)[0];
  const missing = step ? step.requirements.filter((one) => !one.met) : [];
  return (
    <>
      {course.data.decisions.length > 0 && (
        <Card title="支援決定" icon="shield">
          <DecisionList detail={detail} decisions={course.data.decisions} />
        </Card>
      )}
      {step && missing.length > 0 && (
        <Card
          title={`次の段階「${step.stage_label}」までに`}
          icon="list"
          aside={
            <LinkButton href={`/cases/${detail.id}/flow`} size="s" variant="quiet">
              支援の流れを見る
            </LinkButton>
          }
        >
          <ul className="needs">
            {missing.map((one) => (
              <RequirementLine key={one.code} caseId={detail.id} requirement={one} />
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}
