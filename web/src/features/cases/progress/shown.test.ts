import { describe, expect, it } from 'vitest';
import type { ProgressRecord } from '../api';
import { byMonth, shownText } from './shown';

const record = (part: object): ProgressRecord =>
  ({ performed_on: '2026-11-30', amendments: [], ...part }) as unknown as ProgressRecord;

describe('支援経過の表示', () => {
  it('shows the last text, and keeps each one before', () => {
    const amended = record({
      content: '一',
      amendments: [
        { content: '二', reason: 'x' },
        { reason: '添付だけ', attached: ['a.pdf'] },
        { content: '三', reason: 'y' },
      ],
    });
    expect(shownText(amended)).toMatchObject({ content: '三', before: ['一', undefined, '二'] });
    expect(shownText(record({ content: '一' }))).toMatchObject({ content: '一', before: [] });
  });

  it('groups by month in order', () => {
    const days = ['2026-11-30', '2026-11-01', '2026-10-31'];
    const months = byMonth(days.map((performed_on) => record({ performed_on })));
    expect(months.map((month) => [month.month, month.records.length])).toEqual([
      ['2026-11', 2],
      ['2026-10', 1],
    ]);
  });
});
