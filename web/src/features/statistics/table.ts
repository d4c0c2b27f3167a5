/** Turning the rows of the statistics API into a table of months by category. */
import type { Schema } from '../../api/types';

export type Row = Schema<'CountAnswer'>;

export interface Table {
  months: string[];
  lines: {
    category: string;
    label: string;
    counts: (number | null | undefined)[];
    total: number | null;
  }[];
  totals: (number | null)[];
}

/** Months from `from` to `to` inclusive, as `YYYY-MM`; empty when the order is wrong. */
export function months(from: string, to: string): string[] {
  const first = parseMonth(from);
  const last = parseMonth(to);
  if (first === null || last === null || first > last || last - first > 600) return [];
  return Array.from({ length: last - first + 1 }, (_, index) => formatMonth(first + index));
}

function parseMonth(text: string): number | null {
  const match = /^(\d{4})-(\d{2})$/.exec(text);
  if (!match) return null;
  const month = Number(match[2]);
  return month >= 1 && month <= 12 ? Number(match[1]) * 12 + month - 1 : null;
}

function formatMonth(value: number): string {
  return `${Math.floor(value / 12)}-${String((value % 12) + 1).padStart(2, '0')}`;
}

/** Categories keep the order in which the server lists them: it is the order of the definition. */
export function pivot(rows: readonly Row[], from: string, to: string): Table {
  const columns = months(from, to);
  const lines = new Map<string, Table['lines'][number]>();
  for (const row of rows) {
    const column = columns.indexOf(row.month);
    if (column < 0) continue;
    let line = lines.get(row.category);
    if (!line) {
      line = {
        category: row.category,
        label: row.label,
        counts: Array<undefined>(columns.length).fill(undefined),
        total: 0,
      };
      lines.set(row.category, line);
    }
    line.counts[column] = row.count;
  }
  for (const line of lines.values()) line.total = sum(line.counts);
  return {
    months: columns,
    lines: [...lines.values()],
    totals: columns.map((_, index) => sum([...lines.values()].map((line) => line.counts[index]))),
  };
}

/** A sum that includes a suppressed number would give it away. */
function sum(counts: readonly (number | null | undefined)[]): number | null {
  let total = 0;
  for (const count of counts) {
    if (count === null) return null;
    total += count ?? 0;
  }
  return total;
}

export function monthLabel(month: string): string {
  const value = parseMonth(month);
  return value === null ? month : `${Math.floor(value / 12)}年${(value % 12) + 1}月`;
}

export interface Period {
  from: string;
  to: string;
}

/** Periods offered by name; the fiscal year starts in April. */
export function periods(today: string): { code: string; label: string; period: Period }[] {
  const now = parseMonth(today.slice(0, 7)) ?? 0;
  const fiscal = (offset: number): Period => {
    const year = Math.floor(now / 12) - (now % 12 < 3 ? 1 : 0) + offset;
    return { from: `${year}-04`, to: `${year + 1}-03` };
  };
  const thisYear = fiscal(0);
  return [
    { code: 'year', label: '今年度', period: { from: thisYear.from, to: formatMonth(now) } },
    { code: 'last_year', label: '前年度', period: fiscal(-1) },
    {
      code: 'twelve',
      label: '直近12か月',
      period: { from: formatMonth(now - 11), to: formatMonth(now) },
    },
    {
      code: 'eighteen',
      label: '直近18か月',
      period: { from: formatMonth(now - 17), to: formatMonth(now) },
    },
    { code: 'month', label: '今月', period: { from: formatMonth(now), to: formatMonth(now) } },
  ];
}

export function periodError(period: Period): string | null {
  if (parseMonth(period.from) === null || parseMonth(period.to) === null)
    return '期間のはじめと終わりの月を選んでください。';
  if (period.from > period.to) return '期間の終わりは、はじめより後の月にしてください。';
  if (months(period.from, period.to).length > 60) return '期間は5年（60か月）までにしてください。';
  return null;
}

/** One sentence for readers who do not see the chart. */
export function chartText(table: Table, by: string): string {
  const first = table.months[0];
  const last = table.months[table.months.length - 1];
  if (!first || !last || table.lines.length === 0) return '表示する件数がありません。';
  const top = [...table.lines]
    .filter((line) => line.total !== null && line.total > 0)
    .sort((a, b) => (b.total ?? 0) - (a.total ?? 0))
    .slice(0, 3)
    .map((line) => `${line.label} ${line.total}件`)
    .join('、');
  return `${monthLabel(first)}から${monthLabel(last)}までの新規相談受付件数を${by}に積み上げた棒グラフ。${top ? `多い順に、${top}。` : ''}数値は下の表にあります。`;
}
