/** Editing the disclosure matrix: agency × section × level, and what a change lets out. */
import { LEVELS, levelOf, widens, type Level } from './vocabulary';

export interface Entry {
  agency_id: string;
  section: string;
  level: string;
  comment?: boolean;
}

export interface Cell {
  level: Level;
  comment: boolean;
}

export interface Change {
  agency_id: string;
  section: string;
  from: Level;
  to: Level;
  comment: boolean;
}

export type Matrix = ReadonlyMap<string, Cell>;

export function cellKey(agency: string, section: string): string {
  return `${agency}\u0000${section}`;
}

export function matrix(entries: readonly Entry[]): Map<string, Cell> {
  return new Map(
    entries.map((entry) => [
      cellKey(entry.agency_id, entry.section),
      { level: levelOf(entry.level), comment: entry.comment ?? false },
    ]),
  );
}

export function cell(of: Matrix, agency: string, section: string): Cell {
  return of.get(cellKey(agency, section)) ?? { level: 'none', comment: false };
}

/** The comment right makes no sense without sight and with editing it is implied. */
export function withLevel(
  of: Matrix,
  agency: string,
  section: string,
  level: Level,
): Map<string, Cell> {
  const next = new Map(of);
  const old = cell(of, agency, section);
  next.set(cellKey(agency, section), { level, comment: level === 'none' ? false : old.comment });
  return next;
}

export function changes(before: Matrix, after: Matrix): Change[] {
  const result: Change[] = [];
  for (const [key, to] of after) {
    const [agency_id = '', section = ''] = key.split('\u0000');
    const from = before.get(key) ?? { level: 'none' as const, comment: false };
    if (from.level !== to.level || from.comment !== to.comment)
      result.push({ agency_id, section, from: from.level, to: to.level, comment: to.comment });
  }
  return result;
}

/** The matrix with some cells put over it. */
export function overlay(of: Matrix, edits: Matrix): Map<string, Cell> {
  return new Map([...of, ...edits]);
}

export interface Summary {
  wider: number;
  narrower: number;
}

export function summary(list: readonly Change[]): Summary {
  return {
    wider: list.filter((change) => widens(change.from, change.to)).length,
    narrower: list.filter((change) => widens(change.to, change.from)).length,
  };
}

/** Ready-made settings for one agency; the matrix stays editable afterwards. */
export const PRESETS: readonly {
  code: string;
  label: string;
  levels: Readonly<Record<string, Level>>;
}[] = [
  {
    code: 'partner',
    label: '一緒に支援する',
    levels: { intake: 'read', assessment: 'edit', network: 'edit', progress: 'edit' },
  },
  {
    code: 'advise',
    label: '助言をもらう',
    levels: { intake: 'masked', assessment: 'masked', network: 'masked', progress: 'masked' },
  },
  {
    code: 'watch',
    label: '見守り（支援経過だけ）',
    levels: { intake: 'none', assessment: 'none', network: 'none', progress: 'masked' },
  },
  {
    code: 'none',
    label: 'すべて非開示',
    levels: { intake: 'none', assessment: 'none', network: 'none', progress: 'none' },
  },
];

export function withPreset(
  of: Matrix,
  agency: string,
  sections: readonly string[],
  preset: string,
): Map<string, Cell> {
  const levels = PRESETS.find((entry) => entry.code === preset)?.levels;
  let next = new Map(of);
  if (!levels) return next;
  for (const section of sections) {
    const level = levels[section];
    if (level && LEVELS.includes(level)) next = withLevel(next, agency, section, level);
  }
  return next;
}

/** A base on which information may be shared although consent is open. */
export interface Base {
  code: string;
  label: string;
  note?: string;
  verified?: boolean;
  /** Covers the members of one meeting only: the meeting and its last day must be named. */
  meetingBound?: boolean;
}

/** Fallback wording when the server names a base by its code only (notes.md 2.3, share_basis). */
const BASE_WORDS: Readonly<Record<string, { label: string; note: string }>> = {
  shien_kaigi: {
    label: '支援会議（社会福祉法第106条の6）の構成員間での共有',
    note: '市が開く支援会議の中で、構成員どうしが、その会議の目的の範囲で使えます。会議の外では使えません。',
  },
  support_meeting: {
    label: '支援会議（社会福祉法第106条の6）の構成員間での共有',
    note: '市が開く支援会議の中で、構成員どうしが、その会議の目的の範囲で使えます。会議の外では使えません。',
  },
  life: {
    label: '生命・身体・財産の保護に必要で、同意をとることが難しい',
    note: '切迫した事情があるとき。事情を理由欄に具体的に書きます。あとで管理者が確認します。',
  },
  law: {
    label: 'ほかの法令に基づく共有',
    note: '要対協（児童福祉法）、虐待防止法など。会議名または条文を理由欄に書きます。',
  },
  anonymous: {
    label: '同意のない方の情報を伏せて共有する',
    note: '関わる記述をマスクして渡します。マスク済みも個人情報として取り扱います。',
  },
  consent: {
    label: '本人の同意',
    note: '同意を得た日と範囲を「同意・共有」に登録してから共有します。',
  },
  internal: { label: '同一機関内の職務上の利用', note: '同じ機関の職員が、職務の範囲で使うとき。' },
};

/** Accepts codes or objects; the server's own wording wins. */
export function base(value: unknown): Base | null {
  if (typeof value === 'string') {
    const words = BASE_WORDS[value];
    return { code: value, label: words?.label ?? value, ...(words ? { note: words.note } : {}) };
  }
  if (typeof value !== 'object' || value === null) return null;
  const record = value as Record<string, unknown>;
  const code =
    typeof record['code'] === 'string'
      ? record['code']
      : typeof record['id'] === 'string'
        ? record['id']
        : null;
  if (code === null) return null;
  const words = BASE_WORDS[code];
  const text = (name: string): string | undefined =>
    typeof record[name] === 'string' && record[name] !== '' ? record[name] : undefined;
  const label = text('label') ?? text('name') ?? text('title') ?? words?.label ?? code;
  const note =
    text('note') ?? text('caution') ?? text('description') ?? text('explanation') ?? words?.note;
  return {
    code,
    label,
    ...(note === undefined ? {} : { note }),
    ...(typeof record['verified'] === 'boolean' ? { verified: record['verified'] } : {}),
    ...(record['meeting_bound'] === true ? { meetingBound: true } : {}),
  };
}

export interface Confirmation {
  basis: string;
  reason: string;
  /** With a basis bound to a meeting. */
  meeting?: string;
  until?: string;
}

/** Missing parts of a confirmation, in words that stand in the error summary. */
export function confirmationErrors(
  confirmation: Confirmation,
  meetingBound = false,
): { basis?: string; reason?: string; meeting?: string; until?: string } {
  const errors: { basis?: string; reason?: string; meeting?: string; until?: string } = {};
  if (confirmation.basis === '') errors.basis = '共有の根拠を1つ選んでください。';
  if (meetingBound && (confirmation.meeting ?? '').trim() === '')
    errors.meeting = '会議名と回を入力してください。';
  if (meetingBound && (confirmation.until ?? '') === '')
    errors.until = '会議での共有が終わる日を入力してください。';
  const length = [...confirmation.reason.trim()].length;
  if (length === 0)
    errors.reason = '理由を書いてください。だれが・何のために必要かが分かるように書きます。';
  else if (length < 5)
    errors.reason = '理由が短すぎます。あとで読む人に伝わるように書いてください。';
  return errors;
}
