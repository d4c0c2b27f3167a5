import { describe, expect, it } from 'vitest';
import type { Person } from './api';
import {
  duplicateQuery,
  emptyPerson,
  halfWidthNumber,
  matchOf,
  receptionBody,
  receptionProblems,
  toKatakana,
  type ReceptionDraft,
} from './reception';

function draft(more: Partial<ReceptionDraft> = {}): ReceptionDraft {
  return {
    receivedOn: '2026-11-22',
    urgency: 'b',
    route: 'self_tel',
    title: '',
    clients: [{ ...emptyPerson('1'), name: '髙橋　隆', kana: 'たかはし たかし' }],
    ...more,
  };
}

function entry(more: Partial<Person>): Person {
  return {
    id: 'p1',
    name: '髙橋 隆',
    display: '髙橋 隆',
    deceased: false,
    address_confidential: false,
    address_withheld: false,
    cases: [],
    ...more,
  };
}

describe('reception', () => {
  it('asks only for what is needed', () => {
    expect(receptionProblems(draft(), '2026-11-22')).toEqual([]);
    expect(
      receptionProblems(
        draft({ receivedOn: '', urgency: '', clients: [emptyPerson('1')] }),
        '2026-11-22',
      ).map((problem) => problem.target),
    ).toEqual(['received-on', 'urgency', 'name-1']);
  });

  it('accepts an anonymous caller and refuses a day in the future', () => {
    const anonymous = { ...emptyPerson('1'), anonymous: true };
    expect(receptionProblems(draft({ clients: [anonymous] }), '2026-11-22')).toEqual([]);
    expect(receptionProblems(draft({ receivedOn: '2026-11-23' }), '2026-11-22')).toHaveLength(1);
  });

  it('keeps the code points of a name and turns the reading into katakana', () => {
    const body = receptionBody(draft()) as {
      clients: { person: { name: string; kana: string } }[];
    };
    expect(body.clients[0]!.person).toMatchObject({ name: '髙橋　隆', kana: 'タカハシ タカシ' });
  });

  it('sends the id of a known person and nothing else', () => {
    const known = entry({});
    const body = receptionBody(draft({ clients: [{ ...emptyPerson('1'), known }] })) as {
      clients: unknown[];
    };
    expect(body.clients).toEqual([{ person_id: 'p1' }]);
  });

  it('reads kana and ages as people type them', () => {
    expect(toKatakana('ﾀｶﾊｼ')).toBe('タカハシ');
    expect(toKatakana('高橋')).toBeNull();
    expect(halfWidthNumber('５４歳')).toBe(54);
    expect(halfWidthNumber('abc')).toBeNull();
  });
});

describe('duplicates', () => {
  const person = entry({ kana: 'タカハシ タカシ', birth_date: '1965-01-02' });

  it('asks once there is enough to go by', () => {
    expect(duplicateQuery({ ...emptyPerson('1'), name: '高' })).toBeNull();
    expect(duplicateQuery({ ...emptyPerson('1'), name: '高橋' })).toBe('高橋');
    expect(duplicateQuery({ ...emptyPerson('1'), kana: 'たかはし' })).toBe('タカハシ');
    expect(duplicateQuery({ ...emptyPerson('1'), name: '高橋', anonymous: true })).toBeNull();
  });

  it('tells how strong the likeness is', () => {
    expect(matchOf({ ...emptyPerson('1'), name: '高橋', birth: '1965-01-02' }, person)).toBe(
      'birth',
    );
    expect(matchOf({ ...emptyPerson('1'), name: '髙橋隆' }, person)).toBe('name');
    expect(matchOf({ ...emptyPerson('1'), kana: 'たかはしたかし' }, person)).toBe('name');
    expect(matchOf({ ...emptyPerson('1'), name: '高橋' }, person)).toBe('near');
  });
});
