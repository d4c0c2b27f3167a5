/** What the 受付票 prints beside its own fields: who the clients are, as the register knows them. */
import type { Schema } from '../../api/types';
import { ageText, wareki } from '../cases/dates';
import { PROTECTED_FIELDS, REGISTER_FIELDS, type RegisterField } from '../cases/register';
import { genderLabel } from '../cases/vocabulary';

/** In place of what paper must not tell. */
export const NOT_PRINTED = '住所秘匿のため印刷しません';

const ORDER: readonly RegisterField[] = [
  'name',
  'name_kana',
  'alias',
  'birth_date',
  'gender',
  'postal_code',
  'address',
  'address2',
  'phone_home',
  'phone_mobile',
  'email',
  'contact_caution',
  'nationality_lang',
];
/** A note on how to reach somebody may tell where they are. */
const TELLING: readonly RegisterField[] = [...PROTECTED_FIELDS, 'contact_caution'];
/** Always on the form, written or not. */
const BOXES: readonly RegisterField[] = ['name', 'name_kana', 'birth_date', 'gender', 'address'];

export interface PrintedValue {
  label: string;
  value: string;
}

/** What the reception took down outside the sheet. */
export interface Reception {
  lines: readonly PrintedValue[];
  clients: readonly { key: string; lines: readonly PrintedValue[] }[];
}

/**
 * The lines of one client. Of somebody with 住所秘匿 nothing protected is printed, even for readers who
 * may see it: paper is carried around. A telephone that is not known has no line.
 */
export function receptionLines(person: Schema<'PersonAnswer'>): PrintedValue[] {
  const guarded = person.address_confidential || person.address_withheld;
  const homeless = person.fields.no_fixed_address === 'true';
  const value = (field: RegisterField): string => {
    const text = person.fields[field] ?? '';
    if (field === 'gender') return text ? genderLabel(text) : '';
    if (field === 'birth_date') return [wareki(text), ageText(person)].filter(Boolean).join('　');
    if (field === 'address' && text === '' && homeless) return '住所不定';
    return text;
  };
  return ORDER.flatMap((field) => {
    if (guarded && TELLING.includes(field))
      return field === 'address' ? [{ label: '住所・連絡先', value: NOT_PRINTED }] : [];
    const text = value(field);
    return text !== '' || BOXES.includes(field)
      ? [{ label: REGISTER_FIELDS[field], value: text }]
      : [];
  });
}
