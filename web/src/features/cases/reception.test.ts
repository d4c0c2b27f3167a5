import { describe, expect, it } from 'vitest';
import type { Person } from './api';
import {
  alikeQuery,
  emptyPerson,
  halfWidthNumber,
  nameBeginning,
  personBody,
  receptionBody,
  receptionProblems,
  toKatakana,
  type PersonDraft,
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
    age_about: false,
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
    ).toEqual(['name-1', 'received-on', 'urgency']);
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

describe('who may be known already', () => {
  it('asks once there is enough to go by', () => {
    const draft = (part: Partial<PersonDraft>) => alikeQuery({ ...emptyPerson('1'), ...part });
    expect(draft({ name: '高' })).toBeNull();
    expect(draft({ birth: '1965-01-02' })).toBeNull();
    expect(draft({ name: '高橋' })).toEqual({ name: '高橋' });
    expect(draft({ kana: 'たかはし', birth: '1965-01-02' })).toEqual({
      kana: 'タカハシ',
      birth_date: '1965-01-02',
    });
    expect(draft({ name: '高橋', birth: '1965年' })).toEqual({ name: '高橋' });
    expect(draft({ name: '氏名不詳', anonymous: true })).toBeNull();
    expect(draft({ anonymous: true, phone: '０３-0000-0000' })).toEqual({
      phone: '０３-0000-0000',
    });
    expect(draft({ name: '高橋', known: entry({}) })).toBeNull();
    expect(draft({ address: '架空市1-2' })).toBeNull();
    expect(draft({ name: '高橋', address: ' 架空市1-2' })).toEqual({
      name: '高橋',
      address: '架空市1-2',
    });
  });

  it('looks for the beginning of a name when nobody is alike', () => {
    expect(nameBeginning({ name: '高橋', kana: 'タカハシ' })).toBe('高橋');
    expect(nameBeginning({ kana: 'タカハシ' })).toBe('タカハシ');
    expect(nameBeginning({ phone: '03-0000-0000' })).toBeNull();
    expect(nameBeginning(null)).toBeNull();
  });

  it('puts a number where it belongs', () => {
    const body = (phone: string) => personBody({ ...emptyPerson('1'), name: '高橋', phone });
    expect(body(' 090-0000-0000 ')).toMatchObject({ person: { phone_mobile: '090-0000-0000' } });
    expect(body('+81 80 0000 0000')).toMatchObject({
      person: { phone_mobile: '+81 80 0000 0000' },
    });
    expect(
      personBody({ ...emptyPerson('1'), postal: '123-4567 ', address: '架空市1-2' }),
    ).toMatchObject({ person: { postal_code: '123-4567', address: '架空市1-2' } });
    expect(body('0422-00-0000')).toMatchObject({ person: { phone_home: '0422-00-0000' } });
  });
});
