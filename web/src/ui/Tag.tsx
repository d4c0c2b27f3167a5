import type { ReactNode } from 'react';
import { Icon, type IconName } from './Icon';
import './tag.css';

/** Tone of a tag. Colour never stands alone: give words, and an icon for what matters. */
export type Tone =
  'plain' | 'red' | 'red-filled' | 'orange' | 'yellow' | 'green' | 'blue' | 'purple' | 'grey';

/** A small label. */
export function Tag({
  tone = 'plain',
  icon,
  small = false,
  title,
  children,
}: {
  tone?: Tone;
  icon?: IconName;
  small?: boolean;
  title?: string;
  children: ReactNode;
}) {
  return (
    <span className={`tag tag--${tone}${small ? ' tag--small' : ''}`} title={title}>
      {icon && <Icon name={icon} size="s" />}
      {children}
    </span>
  );
}

/** A number in a pill; `of` is read out after it (件, 人). */
export function Count({
  value,
  tone = 'grey',
  of = '件',
}: {
  value: number;
  tone?: 'red' | 'blue' | 'grey';
  of?: string;
}) {
  return (
    <span className={`count count--${tone}`}>
      {value}
      <span className="visually-hidden">{of}</span>
    </span>
  );
}

/** 未検証: the item was not checked against the ministry's own file. */
export function Unverified({ title }: { title?: string }) {
  return (
    <span
      className="unverified"
      title={title ?? '国の様式の実物と照合していない項目です。内容が変わることがあります。'}
    >
      未検証
    </span>
  );
}

const LEVELS: Record<string, { label: string; tone: Tone; icon: IconName }> = {
  edit: { label: '編集', tone: 'blue', icon: 'pencil' },
  comment: { label: '閲覧（コメント可）', tone: 'plain', icon: 'chat' },
  read: { label: '閲覧', tone: 'plain', icon: 'eye' },
  masked: { label: 'マスク済み', tone: 'purple', icon: 'mask' },
  none: { label: '非開示', tone: 'grey', icon: 'eyeOff' },
};

/** Disclosure level of an agency for a document. */
export function LevelTag({ level }: { level: string }) {
  const known = LEVELS[level] ?? { label: level, tone: 'plain' as const, icon: 'info' as const };
  return (
    <Tag tone={known.tone} icon={known.icon} small>
      {known.label}
    </Tag>
  );
}

const CONSENT: Record<string, { label: string; tone: Tone; icon: IconName }> = {
  unconfirmed: { label: '未確認', tone: 'orange', icon: 'warning' },
  full: { label: 'あり', tone: 'green', icon: 'check' },
  limited: { label: 'あり（限定）', tone: 'green', icon: 'check' },
  verbal: { label: '口頭', tone: 'green', icon: 'check' },
  refused: { label: '不同意', tone: 'red', icon: 'close' },
  withdrawn: { label: '撤回', tone: 'red', icon: 'close' },
  incapable: { label: '意思確認困難', tone: 'orange', icon: 'warning' },
  expired: { label: '期限切れ', tone: 'orange', icon: 'clock' },
};

/** Consent of one person. */
export function ConsentTag({ status }: { status: string }) {
  const known = CONSENT[status] ?? {
    label: status,
    tone: 'plain' as const,
    icon: 'info' as const,
  };
  return (
    <Tag tone={known.tone} icon={known.icon} small>
      同意 {known.label}
    </Tag>
  );
}

const URGENCY: Record<string, { label: string; tone: Tone; icon?: IconName }> = {
  s: { label: '最優先', tone: 'red-filled', icon: 'warning' },
  a: { label: '高', tone: 'orange', icon: 'warning' },
  b: { label: '中', tone: 'grey' },
  c: { label: '低', tone: 'grey' },
};

/** Urgency of a case by the codes of the option list `urgency`. */
export function UrgencyTag({ urgency, long = false }: { urgency: string; long?: boolean }) {
  const known = URGENCY[urgency];
  if (!known) return <Tag small>未設定</Tag>;
  return (
    <Tag tone={known.tone} {...(known.icon ? { icon: known.icon } : {})} small={!long}>
      {long ? `緊急性 ${known.label}` : known.label}
    </Tag>
  );
}
