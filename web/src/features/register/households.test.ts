import { describe, expect, it } from 'vitest';
import {
  changeBody,
  currentOf,
  differ,
  enterBody,
  kinshipToHead,
  livingTogether,
  stayDraft,
  stayPeriod,
  stayProblems,
  type Household,
  type Stay,
} from './households';

const TODAY = '2026-11-24';

function stay(person: string, part: Partial<Stay> = {}): Stay {
  return {
    id: `stay-${person}`,
    version: 1,
    person_id: person,
    name: person,
    deceased: false,
    age_about: false,
    ...part,
  };
}

function household(kind: string, stays: Stay[], current = true): Household {
  return { id: `${kind}-${stays.length}`, kind, current, stays };
}

describe('households', () => {
  it('tells when those of the register and those of everyday life are not the same', () => {
    const registered = household('registered', [stay('a'), stay('b')]);
    expect(differ([registered, household('actual', [stay('b'), stay('a')])], TODAY)).toBe(false);
    expect(differ([registered, household('actual', [stay('a')])], TODAY)).toBe(true);
    expect(differ([registered], TODAY)).toBe(false);
    const left = [stay('a'), stay('b', { to: '2026-11-23' })];
    expect(differ([registered, household('actual', left)], TODAY)).toBe(true);
  });

  it('names who stays there today, once, without the person', () => {
    const homes = [
      household('registered', [stay('a'), stay('b'), stay('c', { to: '2020-01-01' })]),
      household('actual', [stay('a'), stay('b')]),
      household('actual', [stay('d')], false),
    ];
    expect(livingTogether({ id: 'a', households: homes }, TODAY).map((s) => s.person_id)).toEqual([
      'b',
    ]);
    expect(currentOf(homes, 'actual')?.stays).toHaveLength(2);
    expect(currentOf([homes[2]!], 'actual')).toBeNull();
  });

  it('says kinship to the head and the period in words', () => {
    expect(kinshipToHead({ kinship: 'self' })).toBe('世帯主');
    expect(kinshipToHead({ kinship: 'other', kinship_other: '同居人' })).toBe('同居人');
    expect(kinshipToHead({})).toBe('');
    expect(stayPeriod({ from: '2020-04-01' })).toBe('令和2年4月1日〜');
    expect(stayPeriod({ to: '2020-04-01' })).toBe('時期不明〜令和2年4月1日');
  });

  it('asks for the day of a move and refuses a period that ends before it begins', () => {
    expect(stayProblems(stayDraft(), false)).toEqual([]);
    expect(stayProblems(stayDraft(), true).map((p) => p.target)).toEqual(['stay-from']);
    const turned = { ...stayDraft(), from: '2026-02-01', to: '2026-01-01' };
    expect(stayProblems(turned, false).map((p) => p.target)).toEqual(['stay-to']);
  });

  it('sends what was filled in, and of a change only what differs', () => {
    const draft = { ...stayDraft(), kinship: 'son', kinshipOther: '消し忘れ', from: '2026-01-01' };
    expect(enterBody('actual', null, draft)).toEqual({
      kind: 'actual',
      kinship: 'son',
      from: '2026-01-01',
    });
    const before = stay('a', { kinship: 'other', kinship_other: '同居人', from: '2026-01-01' });
    expect(changeBody(before, stayDraft(before))).toBeNull();
    expect(changeBody(before, { ...stayDraft(before), kinship: 'son', to: '2026-03-01' })).toEqual({
      version: 1,
      set: { kinship: 'son', kinship_other: null, to: '2026-03-01' },
    });
  });
});
