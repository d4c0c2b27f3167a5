import { describe, expect, it } from 'vitest';
import type { CaseRequest } from './api';
import { actLabel, actsInOrder, reminders, stateLabel, stateTone } from './words';

const request = (changes: Partial<CaseRequest>): CaseRequest =>
  ({
    id: 'r',
    kind: 'refer',
    state: 'requested',
    state_label: '依頼中',
    received: false,
    sent: false,
    overdue: false,
    seen: false,
    acts: [],
    due_on: null,
    requested_at: '2026-11-01T00:00:00.000Z',
    answered_at: null,
    ...changes,
  }) as CaseRequest;

describe('reminders', () => {
  it('puts the overdue first, then the nearest day, then the oldest', () => {
    const asked = { received: true, acts: ['accept', 'decline'] };
    const found = reminders([
      request({ id: 'no day', ...asked }),
      request({ id: 'late', ...asked, due_on: '2026-11-20', overdue: true }),
      request({ id: 'soon', ...asked, due_on: '2026-12-01' }),
      request({ id: 'not mine to answer', received: true }),
      request({ id: 'mine to take back', received: true, acts: ['withdraw'] }),
    ]);
    expect(found.waiting.map((one) => one.id)).toEqual(['late', 'soon', 'no day']);
  });

  it('tells of answers until they were read, and of silence after the day', () => {
    const sent = { sent: true, answered_at: '2026-11-02T00:00:00.000Z', state: 'accepted' };
    const found = reminders([
      request({ id: 'new', ...sent }),
      request({ id: 'read', ...sent, seen: true }),
      request({ id: 'silent', sent: true, overdue: true }),
    ]);
    expect(found.answered.map((one) => one.id)).toEqual(['new']);
    expect(found.overdue.map((one) => one.id)).toEqual(['silent']);
    expect(found.waiting).toEqual([]);
  });
});

describe('words of requests', () => {
  it('gives a decision words of its own', () => {
    expect(stateLabel({ kind: 'decision', state: 'declined', state_label: '辞退' })).toBe('差戻し');
    expect(stateLabel({ kind: 'refer', state: 'declined', state_label: '辞退' })).toBe('辞退');
    expect(actLabel({ kind: 'decision' }, 'complete')).toBe('支援決定を記録する');
    expect(actsInOrder(['decline', 'complete'])).toEqual(['complete', 'decline']);
    expect(stateTone({ state: 'requested', overdue: true })).toBe('red');
  });
});
