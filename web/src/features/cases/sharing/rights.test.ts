import { describe, expect, it } from 'vitest';
import { daysProblem, daysText, rightsOf } from './rights';

const presets = [
  {
    id: 'partner',
    label: '連携',
    description: '',
    rows: [{ org_types: [], levels: { intake: 'read', progress: 'none', plan: 'masked' } }],
  },
];
const TODAY = '2026-11-30';

describe('rights by a preset', () => {
  it('have the days that were chosen, where there may be any', () => {
    const choice = { preset: 'partner', from: '', to: '2026-12-10' };
    expect(rightsOf(choice, presets, null)).toEqual([
      { section: 'intake', level: 'read', to: '2026-12-10' },
      { section: 'plan', level: 'masked', to: '2026-12-10' },
    ]);
    expect(rightsOf(choice, presets, null, false)).toEqual([
      { section: 'intake', level: 'read' },
      { section: 'plan', level: 'masked' },
    ]);
    expect(rightsOf({ ...choice, preset: '' }, presets, null)).toEqual([]);
  });

  it('need days that can be', () => {
    const of = (from: string, to: string) => daysProblem({ preset: 'partner', from, to }, TODAY);
    expect(of('', '')).toBeUndefined();
    expect(of('2026-12-01', TODAY)).toContain('より前');
    expect(of('', '2026-11-29')).toContain('今日以後');
    expect(of('2026-10-01', TODAY)).toBeUndefined();
  });

  it('say their days', () => {
    expect(daysText({ from: '2026-12-01', to: '2026-12-10' }, TODAY)).toBe(
      '12/1（火）から12/10（木）まで',
    );
    expect(daysText({ to: null }, TODAY)).toBe('');
  });
});
