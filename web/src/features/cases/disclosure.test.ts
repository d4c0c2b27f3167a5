import { describe, expect, it } from 'vitest';
import {
  cell,
  changes,
  confirmationErrors,
  holdsOn,
  matrix,
  overlay,
  presetLevels,
  summary,
  withDays,
  withLevel,
  withPreset,
  type Preset,
} from './disclosure';

const TODAY = '2026-11-30';

const before = matrix([
  { agency_id: 'a', section: 'intake', level: 'edit', comment: true },
  { agency_id: 'b', section: 'intake', level: 'masked', comment: true },
]);

describe('disclosure matrix', () => {
  it('finds what a change lets out and what it takes back', () => {
    let after = withLevel(before, 'b', 'intake', 'read', TODAY);
    after = withLevel(after, 'a', 'intake', 'read', TODAY);
    after = withLevel(after, 'c', 'progress', 'masked', TODAY);
    expect(summary(changes(before, after, TODAY))).toEqual({ wider: 2, narrower: 1 });
  });

  it('takes the comment right away with the sight', () => {
    expect(cell(withLevel(before, 'b', 'intake', 'none', TODAY), 'b', 'intake')).toEqual({
      level: 'none',
      comment: false,
    });
  });

  it('is not disclosed where nothing is said', () => {
    expect(cell(before, 'x', 'network').level).toBe('none');
  });

  it('lays edits over whatever the server says now', () => {
    const edits = matrix([{ agency_id: 'b', section: 'intake', level: 'read', comment: true }]);
    const revoked = withLevel(before, 'a', 'intake', 'none', TODAY);
    expect(changes(revoked, overlay(revoked, edits), TODAY)).toMatchObject([
      { agency_id: 'b', from: 'masked', to: 'read' },
    ]);
    expect(changes(edits, overlay(edits, edits), TODAY)).toEqual([]);
  });

  it('applies presets to the sections that exist only', () => {
    const watch: Preset = {
      id: 'watch',
      label: '見守り',
      description: '',
      rows: [
        { org_types: [], levels: { intake: 'none', progress: 'masked', plan: 'read' } },
        { org_types: ['kyoiku'], levels: { progress: 'edit' } },
      ],
    };
    expect(presetLevels(watch, 'kyoiku')).toEqual({ progress: 'edit' });
    expect(presetLevels(undefined, null)).toEqual({});
    const after = withPreset(
      before,
      'c',
      ['intake', 'progress'],
      presetLevels(watch, 'iryo'),
      TODAY,
    );
    expect(cell(after, 'c', 'progress').level).toBe('masked');
    expect(changes(before, after, TODAY)).toMatchObject([{ agency_id: 'c', section: 'progress' }]);
    expect(after.size).toBe(before.size + 2);
  });
});

describe('days of rights', () => {
  const dated = withDays(before, 'a', 'intake', { to: '2026-12-10' });

  it('are a change of their own, longer or not', () => {
    expect(changes(before, dated, TODAY)).toMatchObject([
      { days: { to: '2026-12-10' }, longer: false },
    ]);
    expect(summary(changes(before, dated, TODAY))).toEqual({ wider: 0, narrower: 0 });
    const open = withDays(dated, 'a', 'intake', {});
    expect(changes(dated, open, TODAY)).toMatchObject([{ days: {}, longer: true }]);
    expect(summary(changes(dated, open, TODAY)).wider).toBe(1);
  });

  it('go with the right and stay with another level', () => {
    expect(cell(withLevel(dated, 'a', 'intake', 'read', TODAY), 'a', 'intake').to).toBe(
      '2026-12-10',
    );
    expect(cell(withLevel(dated, 'a', 'intake', 'none', TODAY), 'a', 'intake').to).toBeUndefined();
    expect(changes(before, withDays(before, 'x', 'plan', { to: '2026-12-10' }), TODAY)).toEqual([]);
  });

  it('that are over are not sent back with another level or a preset', () => {
    const over = withDays(before, 'a', 'intake', { from: '2026-10-01', to: '2026-11-29' });
    for (const next of [
      withLevel(over, 'a', 'intake', 'read', TODAY),
      withPreset(over, 'a', ['intake'], { intake: 'read' }, TODAY),
    ]) {
      expect(changes(over, next, TODAY)).toMatchObject([{ from: 'none', to: 'read', days: {} }]);
      expect(summary(changes(over, next, TODAY))).toEqual({ wider: 1, narrower: 0 });
    }
    const last = withDays(before, 'a', 'intake', { to: TODAY });
    expect(cell(withLevel(last, 'a', 'intake', 'read', TODAY), 'a', 'intake').to).toBe(TODAY);
  });

  it('hold from the first to the last day', () => {
    const days = { from: '2026-12-01', to: '2026-12-10' };
    expect(
      ['2026-11-30', '2026-12-01', '2026-12-10', '2026-12-11'].map((day) => holdsOn(days, day)),
    ).toEqual([false, true, true, false]);
    expect(holdsOn({}, '2026-11-30')).toBe(true);
  });
});

describe('confirmation', () => {
  it('needs basis and reason', () => {
    expect(Object.keys(confirmationErrors({ basis: '', reason: ' ' }))).toEqual([
      'basis',
      'reason',
    ]);
    expect(confirmationErrors({ basis: 'life', reason: '短い' })).toHaveProperty('reason');
    expect(confirmationErrors({ basis: 'life', reason: '安否の確認を病院と分担するため' })).toEqual(
      {},
    );
  });
});
