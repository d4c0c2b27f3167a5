import { describe, expect, it } from 'vitest';
import type { Process, Requirement, Step } from './api';
import { lines } from './ProcessPicture';
import { byLikelihood, open, placeOf, positions, stagesInOrder } from './course';

const step = (from: string | null, to: string, entered_on: string): Step => ({
  id: `${from}-${to}`,
  from,
  to,
  to_label: to,
  entered_on,
  missing: [],
  reason: null,
  by: { id: 'a', name: '甲' },
  agency: { id: 'o', name: '市' },
  at: `${entered_on}T00:00:00.000Z`,
});

describe('the course of a case', () => {
  it('tells passed stages with their last day from the present one and those ahead', () => {
    const found = positions({
      stage: 'planning',
      steps: [
        step(null, 'received', '2026-04-01'),
        step('received', 'planning', '2026-04-20'),
        step('planning', 'meeting', '2026-05-01'),
        step('meeting', 'planning', '2026-05-08'),
      ],
    });
    expect(found.get('planning')).toEqual({ where: 'now', on: '2026-05-08' });
    expect(found.get('meeting')).toEqual({ where: 'passed', on: '2026-05-01' });
    expect(found.get('closed')).toBeUndefined();
  });

  it('knows the present stage of a case whose steps were not written down', () => {
    const found = positions({ stage: 'active', steps: [step('meeting', 'decided', '2026-05-01')] });
    expect(found.get('active')).toEqual({ where: 'now' });
    expect(found.get('meeting')).toEqual({ where: 'passed' });
  });

  it('lists stages from left to right', () => {
    const node = (stage: string | null, x: number) =>
      ({ id: `${x}`, stage, bounds: { x, y: 0, width: 1, height: 1 } }) as Process['nodes'][number];
    const order = stagesInOrder({ nodes: [node('b', 5), node(null, 1), node('a', 2)] });
    expect(order.map((one) => one.stage)).toEqual(['a', 'b']);
  });

  it('parts what stops from what warns, and leaves out what is met', () => {
    const requirement = (code: string, hard: boolean, met: boolean): Requirement => ({
      code,
      hard,
      met,
      label: code,
      place: 'plan',
    });
    const found = open([
      requirement('a', true, false),
      requirement('b', false, false),
      requirement('c', true, true),
    ]);
    expect(found.stops.map((one) => one.code)).toEqual(['a']);
    expect(found.warns.map((one) => one.code)).toEqual(['b']);
    expect(placeOf({ place: 'consent' })).toBe('sharing/consents');
  });

  it('breaks the words of a task at brackets and commas, and nothing is lost', () => {
    expect(lines('支援会議（社会福祉法106条の6）')).toEqual([
      '支援会議',
      '（社会福祉法10',
      '6条の6）',
    ]);
    expect(lines('相談を受けて、つなぐ')).toEqual(['相談を受けて、', 'つなぐ']);
    for (const name of ['重層的支援会議に付議', 'アウトリーチ等を通じた継続的支援'])
      expect(lines(name).join('')).toBe(name);
  });

  it('puts the way on before the ways out', () => {
    const next = [{ stage: 'closed' }, { stage: 'active' }, { stage: 'suspended' }];
    expect(byLikelihood(next).map((one) => one.stage)).toEqual(['active', 'closed', 'suspended']);
  });
});
