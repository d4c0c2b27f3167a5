/** Editing the disclosure matrix: agency × section × level, and what a change lets out. */
import { levelOf, widens, type Level } from './vocabulary';

export interface Entry {
  agency_id: string;
  section: string;
  level: string;
  comment?: boolean;
  from?: string | null | undefined;
  to?: string | null | undefined;
}

/** The days of a right, ISO; missing = from the beginning, open. */
export interface Days {
  from?: string | undefined;
  to?: string | undefined;
}

export interface Cell extends Days {
  level: Level;
  comment: boolean;
}

export interface Change {
  agency_id: string;
  section: string;
  from: Level;
  to: Level;
  comment: boolean;
  days: Days;
  /** The same level for longer than before. */
  longer: boolean;
}

export type Matrix = ReadonlyMap<string, Cell>;

export function cellKey(agency: string, section: string): string {
  return `${agency}\u0000${section}`;
}

export function matrix(entries: readonly Entry[]): Map<string, Cell> {
  return new Map(
    entries.map((entry) => [
      cellKey(entry.agency_id, entry.section),
      {
        level: levelOf(entry.level),
        comment: entry.comment ?? false,
        ...daysOf(entry),
      },
    ]),
  );
}

/** Only the days that are there. */
export function daysOf(entry: {
  from?: string | null | undefined;
  to?: string | null | undefined;
}): Days {
  return { ...(entry.from ? { from: entry.from } : {}), ...(entry.to ? { to: entry.to } : {}) };
}

/** Whether its last day is past: it gives nothing any more. */
export function isOver(right: Days, today: string): boolean {
  return right.to !== undefined && right.to < today;
}

/** Whether the right holds on a day. */
export function holdsOn(right: Days, day: string): boolean {
  return (!right.from || right.from <= day) && (!right.to || day <= right.to);
}

export function cell(of: Matrix, agency: string, section: string): Cell {
  return of.get(cellKey(agency, section)) ?? { level: 'none', comment: false };
}

/**
 * The comment right makes no sense without sight and with editing it is implied. Days go on with another
 * level, unless they are over: what is given then is given anew.
 */
export function withLevel(
  of: Matrix,
  agency: string,
  section: string,
  level: Level,
  today: string,
): Map<string, Cell> {
  const next = new Map(of);
  const old = cell(of, agency, section);
  const days = isOver(old, today) ? {} : daysOf(old);
  next.set(
    cellKey(agency, section),
    level === 'none' ? { level, comment: false } : { level, comment: old.comment, ...days },
  );
  return next;
}

/** Other days for what is given; nothing given has no days. */
export function withDays(
  of: Matrix,
  agency: string,
  section: string,
  days: Days,
): Map<string, Cell> {
  const next = new Map(of);
  const { level, comment } = cell(of, agency, section);
  if (level !== 'none') next.set(cellKey(agency, section), { level, comment, ...daysOf(days) });
  return next;
}

function longer(before: Days, after: Days): boolean {
  const later = before.to !== undefined && (after.to === undefined || after.to > before.to);
  return later || (before.from !== undefined && (after.from ?? '') < before.from);
}

/** What is sent to the server; of a right that is over, `from` says that it gave nothing. */
export function changes(before: Matrix, after: Matrix, today: string): Change[] {
  const result: Change[] = [];
  for (const [key, to] of after) {
    const [agency_id = '', section = ''] = key.split('\u0000');
    const from: Cell = before.get(key) ?? { level: 'none', comment: false };
    const differs =
      from.level !== to.level ||
      from.comment !== to.comment ||
      from.from !== to.from ||
      from.to !== to.to;
    if (differs)
      result.push({
        agency_id,
        section,
        from: isOver(from, today) ? 'none' : from.level,
        to: to.level,
        comment: to.comment,
        days: daysOf(to),
        longer: from.level === to.level && longer(from, to),
      });
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
    wider: list.filter((change) => widens(change.from, change.to) || change.longer).length,
    narrower: list.filter((change) => widens(change.to, change.from)).length,
  };
}

/** A preset: levels for all agencies, and for some kinds of them. */
export interface Preset {
  id: string;
  label: string;
  description: string;
  rows: readonly { org_types: readonly string[]; levels: Readonly<Record<string, string>> }[];
}

/** What a preset says for a kind of agency: the row that names it, else the one for all. */
export function presetLevels(
  preset: Preset | undefined,
  orgType: string | null | undefined,
): Record<string, Level> {
  const rows = preset?.rows ?? [];
  const row =
    rows.find((entry) => orgType != null && entry.org_types.includes(orgType)) ??
    rows.find((entry) => entry.org_types.length === 0);
  return Object.fromEntries(
    Object.entries(row?.levels ?? {}).map(([section, level]) => [section, levelOf(level)]),
  );
}

/** The matrix with a preset's levels for one agency; days of rights that go on are kept. */
export function withPreset(
  of: Matrix,
  agency: string,
  sections: readonly string[],
  levels: Readonly<Record<string, Level>>,
  today: string,
): Map<string, Cell> {
  let next = new Map(of);
  for (const section of sections) {
    const level = levels[section];
    if (level) next = withLevel(next, agency, section, level, today);
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
