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
  more = false,
  tone = 'grey',
  of = '件',
}: {
  value: number;
  /** There are more than that. */
  more?: boolean;
  tone?: 'red' | 'blue' | 'grey';
  of?: string;
}) {
  return (
    <span className={`count count--${tone}`}>
      {value}
      {more && '+'}
      <span className="visually-hidden">{more ? `${of}より多い` : of}</span>
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
