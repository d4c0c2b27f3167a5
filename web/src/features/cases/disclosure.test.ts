import { describe, expect, it } from 'vitest';
import {
  cell,
  changes,
  confirmationErrors,
  matrix,
  overlay,
  summary,
  withLevel,
  withPreset,
} from './disclosure';

const before = matrix([
  { agency_id: 'a', section: 'intake', level: 'edit', comment: true },
  { agency_id: 'b', section: 'intake', level: 'masked', comment: true },
]);

describe('disclosure matrix', () => {
  it('finds what a change lets out and what it takes back', () => {
    let after = withLevel(before, 'b', 'intake', 'read');
    after = withLevel(after, 'a', 'intake', 'read');
    after = withLevel(after, 'c', 'progress', 'masked');
    expect(summary(changes(before, after))).toEqual({ wider: 2, narrower: 1 });
  });

  it('takes the comment right away with the sight', () => {
    expect(cell(withLevel(before, 'b', 'intake', 'none'), 'b', 'intake')).toEqual({
      level: 'none',
      comment: false,
    });
  });

  it('is not disclosed where nothing is said', () => {
    expect(cell(before, 'x', 'network').level).toBe('none');
  });

  it('lays edits over whatever the server says now', () => {
    const edits = matrix([{ agency_id: 'b', section: 'intake', level: 'read', comment: true }]);
    const revoked = withLevel(before, 'a', 'intake', 'none');
    expect(changes(revoked, overlay(revoked, edits))).toMatchObject([
      { agency_id: 'b', from: 'masked', to: 'read' },
    ]);
    expect(changes(edits, overlay(edits, edits))).toEqual([]);
  });

  it('applies presets to the sections that exist only', () => {
    const after = withPreset(before, 'c', ['intake', 'progress'], 'watch');
    expect(cell(after, 'c', 'progress').level).toBe('masked');
    expect(changes(before, after)).toMatchObject([{ agency_id: 'c', section: 'progress' }]);
    expect(after.size).toBe(before.size + 2);
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
