import { describe, expect, it } from 'vitest';
import { chartText, months, periodError, periods, pivot } from './table';

describe('months', () => {
  it('crosses the turn of the year', () => {
    expect(months('2025-11', '2026-02')).toEqual(['2025-11', '2025-12', '2026-01', '2026-02']);
    expect(months('2026-02', '2025-11')).toEqual([]);
    expect(months('2026-13', '2026-14')).toEqual([]);
  });
});

describe('table', () => {
  const rows = [
    { month: '2026-10', category: 'self', label: '本人', count: 5 },
    { month: '2026-11', category: 'self', label: '本人', count: 2 },
    { month: '2026-11', category: 'family', label: '家族', count: null },
    { month: '2020-01', category: 'self', label: '本人', count: 99 },
  ];

  it('puts months into columns and leaves other months out', () => {
    const table = pivot(rows, '2026-10', '2026-11');
    expect(table.lines.map((line) => [line.label, line.counts, line.total])).toEqual([
      ['本人', [5, 2], 7],
      ['家族', [undefined, null], null],
    ]);
  });

  it('never gives a suppressed number away by a sum', () => {
    expect(pivot(rows, '2026-10', '2026-11').totals).toEqual([5, null]);
  });

  it('has words for those who do not see the chart', () => {
    expect(chartText(pivot(rows, '2026-10', '2026-11'), '相談経路別')).toContain('本人 7件');
    expect(chartText(pivot([], '2026-10', '2026-11'), '相談経路別')).toContain('ありません');
  });
});

describe('periods', () => {
  it('starts the fiscal year in April', () => {
    const named = (today: string): Record<string, { from: string; to: string }> =>
      Object.fromEntries(periods(today).map((entry) => [entry.code, entry.period]));
    expect(named('2026-11-22')['year']).toEqual({ from: '2026-04', to: '2026-11' });
    expect(named('2026-02-22')['year']).toEqual({ from: '2025-04', to: '2026-02' });
    expect(named('2026-02-22')['last_year']).toEqual({ from: '2024-04', to: '2025-03' });
    expect(named('2026-11-22')['eighteen']).toEqual({ from: '2025-06', to: '2026-11' });
  });

  it('explains what is wrong with a period', () => {
    expect(periodError({ from: '2026-04', to: '2026-11' })).toBeNull();
    expect(periodError({ from: '2026-11', to: '2026-04' })).toContain('後の月');
    expect(periodError({ from: '', to: '2026-04' })).toContain('選んで');
    expect(periodError({ from: '2010-01', to: '2026-04' })).toContain('5年');
  });
});
