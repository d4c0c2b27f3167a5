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

/** Body of 409 `consent_confirmation_required`. */
export interface ConfirmationAsked {
  persons: readonly { person_id: string; display: string; status: string }[];
  agencies: readonly { id: string; name: string | null }[];
  sections: readonly string[];
  bases: readonly Base[];
}

/** A base on which information may be shared although consent is open. */
export interface Base {
  id: string;
  name: string;
  note: string;
  verified: boolean;
  /** Covers the members of one meeting only: the meeting and its last day must be named. */
  meeting_bound: boolean;
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
