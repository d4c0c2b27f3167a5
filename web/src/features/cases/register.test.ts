import { describe, expect, it } from 'vitest';
import {
  overtaken,
  placeOf,
  postalDigits,
  protectionChanges,
  rebased,
  registerDraft,
  registerPatch,
  registerProblems,
  replaces,
  withPlace,
  type RegisterPerson,
} from './register';

const TODAY = '2026-11-22';

function person(more: Partial<RegisterPerson> = {}): RegisterPerson {
  return {
    id: 'p1',
    name: '架空 花子',
    display: '架空 花子',
    deceased: false,
    age_about: false,
    address_confidential: false,
    address_withheld: false,
    cases: [],
    version: 4,
    fields: { name: '架空 花子', name_kana: 'かくう はなこ', address: '青葉町1-2' },
    former: [],
    flags: [{ id: 'f1', flag: 'violence' }],
    address_allow: [],
    households: [],
    duplicates: [],
    may_edit: true,
    may_merge: false,
    updated_at: '2026-11-01T00:00:00Z',
    ...more,
  };
}

describe('changing a register person', () => {
  it('sends nothing when nothing was changed', () => {
    expect(registerPatch(person(), registerDraft(person(), TODAY))).toBeNull();
    const protectedOne = person({
      address_confidential: true,
      address_allow: ['a1'],
      flags: [{ id: 'f2', flag: 'dv_address', basis: '支援措置', review_on: '2027-03-31' }],
    });
    expect(registerPatch(protectedOne, registerDraft(protectedOne, TODAY))).toBeNull();
  });

  it('sends changed fields only; an emptied one ends, a wrong one leaves no past', () => {
    const draft = registerDraft(person(), TODAY);
    draft.values.address = '';
    draft.values.name_kana = 'カクウ ハナ';
    draft.correction = true;
    expect(registerPatch(person(), draft)).toEqual({
      version: 4,
      set: { address: null, name_kana: 'カクウ ハナ' },
      corrections: ['name_kana', 'address'],
      from: TODAY,
    });
  });

  it('writes a flag anew when its basis or day changes, and leaves the others alone', () => {
    const one = person({
      flags: [
        { id: 'f1', flag: 'violence', basis: '申し送り' },
        { id: 'f2', flag: 'two_staff' },
      ],
    });
    const draft = registerDraft(one, TODAY);
    draft.notes = { ...draft.notes, violence: { basis: '申し送り', reviewOn: '2027-01-31' } };
    expect(registerPatch(one, draft)).toEqual({
      version: 4,
      add_flags: [{ flag: 'violence', basis: '申し送り', review_on: '2027-01-31' }],
      end_flags: ['f1'],
    });
    // After a merge a flag may stand twice, with two bases: nothing changes unless somebody writes.
    const twice = person({
      flags: [
        { id: 'f1', flag: 'violence', basis: '申し送り' },
        { id: 'f3', flag: 'violence', basis: '警察' },
      ],
    });
    expect(registerPatch(twice, registerDraft(twice, TODAY))).toBeNull();
  });

  it('lays the own changes over what somebody else saved meanwhile', () => {
    const base = person();
    const latest = person({
      version: 5,
      fields: { ...base.fields, address: '白波町9', phone_home: '0000-11-2222' },
      flags: [...base.flags, { id: 'f9', flag: 'two_staff' }],
      address_confidential: true,
      address_allow: ['a1'],
    });
    const draft = registerDraft(base, TODAY);
    draft.values.address = '青葉町3';
    draft.values.alias = '架空 花';
    draft.flags = new Set();
    expect(overtaken(base, latest, draft).map((one) => [one.label, one.after, one.mine])).toEqual([
      ['住所', '白波町9', true],
      ['電話（自宅）', '0000-11-2222', false],
      ['注意', expect.any(String), false],
      ['住所秘匿', '秘匿（1機関）', false],
    ]);
    const next = rebased(base, latest, draft, TODAY);
    expect(registerPatch(latest, next)).toEqual({
      version: 5,
      set: { alias: '架空 花', address: '青葉町3' },
      from: TODAY,
      end_flags: ['f1'],
    });
    expect(next.protect).toBe(true);
  });

  it('takes 宛名番号 as digits, anonymity and 住所不定 as ticks', () => {
    const draft = registerDraft(person(), TODAY);
    draft.values.atena_no = '００１２-３４';
    draft.homeless = true;
    expect(registerPatch(person(), draft)).toMatchObject({
      set: { atena_no: '001234', no_fixed_address: 'true' },
    });
    draft.values.atena_no = '12a';
    expect(registerProblems(person(), draft, TODAY).map((one) => one.target)).toContain(
      'person-atena_no',
    );
    const nameless = { ...registerDraft(person(), TODAY), anonymous: true };
    nameless.values.name = '';
    expect(registerProblems(person(), nameless, TODAY)).toEqual([]);
  });

  it('protects with basis, review date and list, and only when that was understood', () => {
    const draft = { ...registerDraft(person(), TODAY), protect: true };
    expect(registerProblems(person(), draft, TODAY).map((problem) => problem.target)).toEqual([
      'person-basis',
      'person-review',
      'person-allow',
      'person-understood',
    ]);
    const whole = {
      ...draft,
      basis: 'DV等支援措置',
      reviewOn: '2027-03-31',
      allow: new Set(['a1']),
      understood: true,
    };
    expect(registerProblems(person(), whole, TODAY)).toEqual([]);
    expect(registerPatch(person(), whole)).toEqual({
      version: 4,
      address_confidential: true,
      address_allow: ['a1'],
      add_flags: [{ flag: 'dv_address', basis: 'DV等支援措置', review_on: '2027-03-31' }],
    });
  });

  it('lifts the protection together with its flag, and leaves other flags alone', () => {
    const before = person({
      address_confidential: true,
      address_allow: ['a1'],
      flags: [
        { id: 'f1', flag: 'violence' },
        { id: 'f2', flag: 'dv_address', basis: '支援措置', review_on: '2026-01-31' },
      ],
    });
    const draft = { ...registerDraft(before, TODAY), protect: false, understood: true };
    expect(protectionChanges(before, draft)).toBe(true);
    expect(registerPatch(before, draft)).toEqual({
      version: 4,
      address_confidential: false,
      end_flags: ['f2'],
    });
  });

  it('does not ask for a basis again when only a telephone number changes', () => {
    const before = person({ address_confidential: true, address_allow: ['a1'] });
    const draft = registerDraft(before, TODAY);
    draft.values.phone_home = '0900-55-0101';
    expect(registerProblems(before, draft, TODAY)).toEqual([]);
    expect(registerPatch(before, draft)).toMatchObject({ set: { phone_home: '0900-55-0101' } });
  });
});

describe('postal codes', () => {
  it('reads a code in any notation', () => {
    expect(postalDigits('〒１０５－００１１')).toBe('1050011');
    expect(postalDigits('105-0011')).toBe('1050011');
    expect(postalDigits('105-001')).toBeNull();
    expect(postalDigits('105-00111')).toBeNull();
  });

  it('keeps the numbers that were typed before the place', () => {
    const place = placeOf({ prefecture: '東京都', city: '港区', town: '芝公園' });
    expect(withPlace(place, '')).toBe('東京都港区芝公園');
    expect(withPlace(place, '4-2-8')).toBe('東京都港区芝公園4-2-8');
    expect(replaces('4-2-8')).toBe(false);
    // Another address is replaced; the button says so.
    expect(replaces('架空市本町1-2')).toBe(true);
    expect(withPlace(place, '架空市本町1-2')).toBe('東京都港区芝公園');
  });
});
