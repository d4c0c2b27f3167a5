/** The words of the history screens. */
import { wareki } from '../cases/dates';
import type { FieldDifference, HistoryItem, HistoryPerson, RowDifference, Version } from './api';

const WEEKDAY = new Map<string, Intl.DateTimeFormat>();

function weekday(at: Date, zone: string): string {
  let format = WEEKDAY.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('ja-JP', { timeZone: zone, weekday: 'short' });
    WEEKDAY.set(zone, format);
  }
  return format.format(at);
}

/** Calendar day of an instant, as `YYYY-MM-DD`. */
function day(at: Date, zone: string): string {
  return new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(at);
}

/** 「令和8年11月30日（月）」 of an instant in the municipality's zone. */
export function dayWords(instant: string, zone: string): string {
  const at = new Date(instant);
  return `${wareki(day(at, zone))}（${weekday(at, zone)}）`;
}

/** 「10:02」 */
export function timeWords(instant: string, zone: string): string {
  return new Intl.DateTimeFormat('ja-JP', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
  }).format(new Date(instant));
}

/** 「令和8年11月30日（月）10:02」 */
export function momentWords(instant: string, zone: string): string {
  return `${dayWords(instant, zone)}${timeWords(instant, zone)}`;
}

/** 「令和8年11月30日10:02」, where there is little room. */
export function shortMoment(instant: string, zone: string): string {
  return `${wareki(day(new Date(instant), zone))}${timeWords(instant, zone)}`;
}

/** 「10:02」, or 「10:02〜10:31」 when it took longer. */
export function spanWords(item: { since: string; until: string }, zone: string): string {
  const [from, to] = [timeWords(item.since, zone), timeWords(item.until, zone)];
  return from === to ? from : `${from}〜${to}`;
}

/** A moment that somebody kept, among the contributions. */
export interface Mark {
  since: string;
  version: Version;
}

/**
 * Contributions and kept moments, the newest first. `open`: older contributions are not loaded yet, so
 * moments before the oldest one have no place yet.
 */
export function withMarks(
  items: readonly HistoryItem[],
  versions: readonly Version[],
  open: boolean,
): (HistoryItem | Mark)[] {
  const oldest = items.at(-1)?.since ?? '';
  const marks = versions
    .filter((version) => isNamed(version) && version.kind !== 'before_restore')
    .filter((version) => !open || version.at >= oldest)
    .map((version): Mark => ({ since: version.at, version }));
  return [...items, ...marks].sort((a, b) =>
    a.since < b.since
      ? 1
      : a.since > b.since
        ? -1
        : Number('version' in b) - Number('version' in a),
  );
}

/** By the day they began on, in their order. */
export function byDay<T extends { since: string }>(
  items: readonly T[],
  zone: string,
): { day: string; items: T[] }[] {
  const days: { key: string; day: string; items: T[] }[] = [];
  for (const item of items) {
    const key = day(new Date(item.since), zone);
    const last = days.at(-1);
    if (last?.key === key) last.items.push(item);
    else days.push({ key, day: dayWords(item.since, zone), items: [item] });
  }
  return days;
}

/** 「佐々木 真由美（市社協 多機関協働室）」 */
export function personWords(person: HistoryPerson | null | undefined): string {
  if (!person) return 'システム（取込みなど）';
  const name = person.name ?? '（いまは登録のない利用者）';
  return person.agency ? `${name}（${person.agency}）` : name;
}

/** What a version is, in a few words. `versions`: to name the one that was gone back to. */
export function versionWords(
  version: Version,
  zone: string,
  versions: readonly Version[] = [],
): string {
  switch (version.kind) {
    case 'now':
      return 'いまの内容';
    case 'final':
      return '確定した版';
    case 'kept':
      return version.label ?? '名前のない版';
    case 'before_restore':
      return '戻す前';
    case 'restored': {
      const source = versions.find((other) => other.id === version.restored_from);
      return source ? `${momentWords(source.at, zone)}の版に戻した` : '前の版に戻した';
    }
    case 'automatic':
      return '自動';
  }
}

/** The versions that are offered first: what somebody named. */
export function isNamed(version: Version): boolean {
  return version.kind !== 'automatic';
}

/** 「2行目」, 「花子」, 「消えた行（もと2行目）」 */
export function rowWords(row: RowDifference): string {
  if (row.name) return `「${row.name}」`;
  if (row.number_after != null) return `${row.number_after}行目`;
  return `もとの${row.number_before ?? ''}行目`;
}

export const ROW_KINDS: Readonly<Record<RowDifference['kind'], string>> = {
  added: '追加',
  removed: '削除',
  changed: '変更',
  moved: '並べ替え',
  same: '変更なし',
};

/** 「主訴、家計の状況 ほか3欄」 */
export function fieldList(fields: readonly FieldDifference[], most = 6): string {
  const named = fields.slice(0, most).map((field) => field.label);
  const rest = fields.length - named.length;
  return `${named.join('、')}${rest > 0 ? ` ほか${rest}欄` : ''}`;
}
