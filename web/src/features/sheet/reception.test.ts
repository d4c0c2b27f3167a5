import { describe, expect, it } from 'vitest';
import type { Schema } from '../../api/types';
import { NOT_PRINTED, receptionLines } from './reception';

const person = (part: Partial<Schema<'PersonAnswer'>>): Schema<'PersonAnswer'> =>
  ({
    address_confidential: false,
    address_withheld: false,
    deceased: false,
    age: 71,
    age_about: true,
    fields: {
      name: '篠田 晶',
      birth_date: '1955~',
      gender: '2',
      address: '架空市東町2-2',
      phone_mobile: '090-0000-2233',
      contact_caution: '東町の妹宅にいる',
    },
    ...part,
  }) as Schema<'PersonAnswer'>;

const told = (lines: ReturnType<typeof receptionLines>): string =>
  lines.map((line) => `${line.label}=${line.value}`).join(' ');

describe('the clients on a printed 受付票', () => {
  it('are printed as the register knows them, with empty boxes for what is asked', () => {
    expect(receptionLines(person({}))).toEqual([
      { label: '氏名', value: '篠田 晶' },
      { label: 'ふりがな', value: '' },
      { label: '生年月日', value: '昭和30年頃　約71歳' },
      { label: '性別', value: '女性' },
      { label: '住所', value: '架空市東町2-2' },
      { label: '電話（携帯）', value: '090-0000-2233' },
      { label: '連絡するときの注意', value: '東町の妹宅にいる' },
    ]);
    const homeless = person({ fields: { name: '甲', no_fixed_address: 'true' } });
    expect(told(receptionLines(homeless))).toContain('住所=住所不定');
  });

  it('do not tell where somebody protected is, not even to who may see it', () => {
    for (const guard of [{ address_confidential: true }, { address_withheld: true }]) {
      const text = told(receptionLines(person(guard)));
      expect(text).toContain(NOT_PRINTED);
      expect(text).not.toMatch(/東町|090/);
    }
  });
});
