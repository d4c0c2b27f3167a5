/** Small pieces that several case screens share. */
import { Fragment } from 'react';
import { Link } from 'wouter';
import { Icon, Notice, Button, Progress, Tag } from '../../ui';
import { problemText } from '../../i18n/problems';
import type { CaseSummary } from './api';
import {
  consent,
  flag,
  isEnded,
  stageLabel,
  STEPS,
  stepIndex,
  stepStates,
  urgency,
} from './vocabulary';
import './cases.css';

/** Loading, error with a way to try again, or nothing. */
export function QueryState({
  query,
  what,
}: {
  query: { isPending: boolean; isError: boolean; error: unknown; refetch: () => unknown };
  what: string;
}) {
  if (query.isPending) return <Progress label={`${what}を読み込んでいます`} />;
  if (query.isError)
    return (
      <Notice
        tone="error"
        live
        title={`${what}を読み込めませんでした`}
        actions={
          <Button size="s" icon="refresh" onClick={() => void query.refetch()}>
            もう一度読み込む
          </Button>
        }
      >
        {problemText(query.error)}
      </Notice>
    );
  return null;
}

/** Leafs through a log, newest first: `trail` holds the cursors of the pages gone through. */
export function Pager({
  trail,
  next,
  busy,
  onTrail,
}: {
  trail: readonly string[];
  next: string | null;
  busy: boolean;
  onTrail: (trail: readonly string[]) => void;
}) {
  return (
    <div className="list-foot">
      <span className="soft">新しい順</span>
      <span className="row">
        {trail.length > 0 && (
          <Button size="s" icon="left" onClick={() => onTrail(trail.slice(0, -1))}>
            新しい方へ
          </Button>
        )}
        {next && (
          <Button size="s" iconAfter="right" busy={busy} onClick={() => onTrail([...trail, next])}>
            古い方へ
          </Button>
        )}
      </span>
    </div>
  );
}

export function UrgencyChip({
  code,
  long = false,
}: {
  code: string | null | undefined;
  long?: boolean;
}) {
  const known = urgency(code);
  const strong = code === 's' || code === 'a';
  return (
    <Tag tone={known.tone} {...(strong ? { icon: 'warning' as const } : {})} small={!long}>
      {long ? (code ? `緊急性 ${known.long}` : known.long) : known.label}
    </Tag>
  );
}

export function ConsentChip({ status, small = true }: { status: string; small?: boolean }) {
  const known = consent(status);
  const open = known.tone === 'orange' || known.tone === 'red';
  return (
    <Tag tone={known.tone} icon={open ? 'warning' : 'check'} small={small}>
      {known.long}
    </Tag>
  );
}

export function FlagChip({ code, small = false }: { code: string; small?: boolean }) {
  const known = flag(code);
  return (
    <Tag tone={known.tone} icon={code === 'dv_address' ? 'homeOff' : 'warning'} small={small}>
      {known.label}
    </Tag>
  );
}

/** Ten small boxes and the stage in words: where a case stands, at a glance. */
export function StageMeter({ stage }: { stage: string }) {
  const at = stepIndex(stage);
  return (
    <span className="meter">
      <span className="meter__word">{stageLabel(stage)}</span>
      <span className="meter__boxes" aria-hidden="true">
        {STEPS.map((step, index) => (
          <i
            key={step.label}
            className={
              isEnded(stage) || index < at ? 'is-done' : index === at ? 'is-now' : undefined
            }
          />
        ))}
      </span>
    </span>
  );
}

/** The way of a case, as a list that is also read out in words. */
export function StageSteps({
  stage,
  consents,
}: {
  stage: string;
  consents: readonly { status: string }[];
}) {
  const states = stepStates(stage, consents);
  const words = { done: '済み', now: 'いまここ', part: '未了あり', todo: 'これから' } as const;
  return (
    <ol className="steps" aria-label="支援の段階">
      {STEPS.map((step, index) => {
        const state = states[index] ?? 'todo';
        return (
          <li
            key={step.label}
            className={`steps__step is-${state}`}
            aria-current={state === 'now' ? 'step' : undefined}
          >
            <span className="steps__mark" aria-hidden="true">
              {state === 'done' ? '✓' : state === 'part' ? '!' : index + 1}
            </span>
            <span className="steps__label">{step.label}</span>
            <span className="visually-hidden">（{words[state]}）</span>
          </li>
        );
      })}
    </ol>
  );
}

/** 「甲さん・乙さん」; a line breaks between people, never within a name that fits on it. */
export function ClientNames({ clients }: { clients: readonly { display: string }[] }) {
  if (clients.length === 0) return '（対象者の表示なし）';
  return clients.map((client, index) => (
    <Fragment key={index}>
      {index > 0 && <wbr />}
      <span className="name">
        {client.display}さん{index < clients.length - 1 && '・'}
      </span>
    </Fragment>
  ));
}

/** 「機関・氏名」 of whoever wrote it; of an agency that must not be known here the server tells neither. */
export function writerWords(
  agency: { name: string } | null | undefined,
  person: { name: string } | null | undefined,
  between = '・',
): string {
  return [agency?.name, person?.name].filter(Boolean).join(between) || '記録者の表示なし';
}

/** Name of a case in lists: its clients, with the link. */
export function CaseLink({ item }: { item: CaseSummary }) {
  const masked = item.level === 'masked';
  return (
    <span className="case-link">
      <Link href={`/cases/${item.id}/overview`}>
        <ClientNames clients={item.clients} />
      </Link>
      <span className="soft">
        <span className="number">{item.case_no}</span>
        {item.title && <>　{item.title}</>}
        {masked && (
          <>
            {' '}
            <Tag tone="purple" icon="mask" small>
              マスク済み
            </Tag>
          </>
        )}
      </span>
    </span>
  );
}

/** Chips of the people whose consent still has to be asked. */
export function ConsentChips({ item }: { item: CaseSummary }) {
  if (item.consent.length === 0) return <span className="soft">記録なし</span>;
  const several = item.consent.length > 1;
  return (
    <span className="chips">
      {item.consent.map((entry, index) => (
        <span key={entry.person_id} className="chips__one">
          {several && (
            <span className="soft chips__who">
              {item.clients.find((client) => client.person_id === entry.person_id)?.display ??
                `${index + 1}人目`}
            </span>
          )}
          <ConsentChip status={entry.status} />
        </span>
      ))}
    </span>
  );
}

export function FlagChips({ flags, small = true }: { flags: readonly string[]; small?: boolean }) {
  if (flags.length === 0) return null;
  return (
    <span className="chips">
      {flags.map((code) => (
        <FlagChip key={code} code={code} small={small} />
      ))}
    </span>
  );
}

export function MaskedWords() {
  return (
    <span className="masked-words">
      <Icon name="mask" size="s" />
      マスク済み（個人情報として取扱い）
    </span>
  );
}
