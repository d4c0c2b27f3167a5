import { beforeEach, describe, expect, it } from 'vitest';
import type { CaseSummary } from '../cases/api';
import { sortCases } from './order';
import { forgetMissing, readRecent, rememberCase } from './recent';

function item(id: string, more: Partial<CaseSummary>): CaseSummary {
  return {
    id,
    case_no: id,
    title: '',
    program: 'takikan',
    clients: [],
    stage: 'active',
    stage_label: '支援中',
    urgency: 'b',
    received_on: '2026-11-01',
    owner: null,
    owner_agency: { id: 'a1', name: '' },
    lead_agency: null,
    similar_ok: false,
    level: 'edit',
    consent: [],
    flags: [],
    last_progress_on: null,
    updated_at: '2026-11-01T00:00:00Z',
    ...more,
  };
}

describe('order of my cases', () => {
  const cases = [
    item('old', {
      urgency: 'c',
      last_progress_on: '2026-10-01',
      updated_at: '2026-11-03T00:00:00Z',
    }),
    item('urgent', {
      urgency: 's',
      last_progress_on: '2026-11-20',
      updated_at: '2026-11-02T00:00:00Z',
    }),
    item('unset', {
      urgency: null,
      last_progress_on: '2026-11-10',
      updated_at: '2026-11-01T00:00:00Z',
    }),
  ];
  const ids = (order: Parameters<typeof sortCases>[1]): string[] =>
    sortCases(cases, order, '2026-11-22').map((entry) => entry.id);

  it('sorts by movement, urgency and silence', () => {
    expect(ids('moved')).toEqual(['old', 'urgent', 'unset']);
    expect(ids('urgency')).toEqual(['urgent', 'unset', 'old']);
    expect(ids('quiet')).toEqual(['old', 'unset', 'urgent']);
  });
});

describe('recently opened', () => {
  beforeEach(() => localStorage.clear());

  it('keeps ids per account, newest first, and forgets what is gone', () => {
    for (const id of ['a', 'b', 'a']) rememberCase('acc', id);
    expect(readRecent('acc')).toEqual(['a', 'b']);
    expect(readRecent('other')).toEqual([]);
    forgetMissing('acc', ['b'], false);
    expect(readRecent('acc')).toEqual(['a', 'b']);
    forgetMissing('acc', ['b'], true);
    expect(readRecent('acc')).toEqual(['b']);
  });

  it('survives damaged storage', () => {
    localStorage.setItem('musubi.recent.acc', '{');
    expect(readRecent('acc')).toEqual([]);
  });
});
