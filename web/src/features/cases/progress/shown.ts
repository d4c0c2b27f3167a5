import type { ProgressRecord } from '../api';

/** What an entry says now (the last amendment that changed it), and what it said before. */
export function shownText(record: ProgressRecord): {
  title: string | null | undefined;
  content: string | null | undefined;
  /** The text that was there before the n-th amendment; `undefined` where it changed no text. */
  before: readonly (string | undefined)[];
} {
  let { title, content } = record;
  const before: (string | undefined)[] = [];
  for (const amendment of record.amendments ?? []) {
    before.push(amendment.content ? (content ?? '') : undefined);
    title = amendment.title ?? title;
    content = amendment.content ?? content;
  }
  return { title, content, before };
}

/** Entries by the month they were performed in, in their order. */
export function byMonth(
  records: readonly ProgressRecord[],
): readonly { month: string; records: readonly ProgressRecord[] }[] {
  const months: { month: string; records: ProgressRecord[] }[] = [];
  for (const record of records) {
    const month = record.performed_on.slice(0, 7);
    const last = months.at(-1);
    if (last?.month === month) last.records.push(record);
    else months.push({ month, records: [record] });
  }
  return months;
}
