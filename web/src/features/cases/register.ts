/** Changing a register person as plain data: what is checked and what is sent. */
import type { Schema } from '../../api/types';
import type { SummaryItem } from '../../ui';
import { halfWidthNumber, toKatakana } from './reception';

export type RegisterPerson = Schema<'PersonAnswer'>;

/** Fields on the screen, by the register's names, in its order. */
export const REGISTER_FIELDS = {
  name: '氏名',
  name_kana: 'ふりがな',
  alias: '通称・旧姓',
  birth_date: '生年月日',
  estimated_age: '年齢（およそ）',
  gender: '性別',
  death_date: '亡くなった日',
  postal_code: '郵便番号',
  address: '住所',
  address2: '方書・建物名',
  phone_home: '電話（自宅）',
  phone_mobile: '電話（携帯）',
  email: 'メール',
  workplace: '勤務先',
  school: '学校',
  contact_caution: '連絡するときの注意',
} as const;

export type RegisterField = keyof typeof REGISTER_FIELDS;

/** Withheld from agencies that are not on the list of a protected person. */
export const PROTECTED_FIELDS: readonly RegisterField[] = [
  'postal_code',
  'address',
  'address2',
  'phone_home',
  'phone_mobile',
  'email',
  'workplace',
  'school',
];

export interface RegisterDraft {
  values: Record<RegisterField, string>;
  deceased: boolean;
  /** The old values were wrong and do not become the past. */
  correction: boolean;
  /** First day of the new values. */
  from: string;
  protect: boolean;
  basis: string;
  reviewOn: string;
  allow: ReadonlySet<string>;
  flags: ReadonlySet<string>;
  /** What a change of the protection means was read. */
  understood: boolean;
}

const PROTECTION = 'dv_address';

function protection(person: RegisterPerson) {
  return person.flags.find((flag) => flag.flag === PROTECTION);
}

export function registerDraft(person: RegisterPerson, today: string): RegisterDraft {
  const fields = Object.keys(REGISTER_FIELDS) as RegisterField[];
  return {
    values: Object.fromEntries(
      fields.map((field) => [field, person.fields[field] ?? '']),
    ) as RegisterDraft['values'],
    deceased: person.fields.is_deceased === 'true',
    correction: false,
    from: today,
    protect: person.address_confidential,
    basis: protection(person)?.basis ?? '',
    reviewOn: protection(person)?.review_on ?? '',
    allow: new Set(person.address_allow),
    flags: new Set(person.flags.map((flag) => flag.flag).filter((flag) => flag !== PROTECTION)),
    understood: false,
  };
}

/** Whether anything about who sees the protected values changes. */
export function protectionChanges(person: RegisterPerson, draft: RegisterDraft): boolean {
  return (
    draft.protect !== person.address_confidential ||
    (draft.protect && !sameSet(draft.allow, new Set(person.address_allow)))
  );
}

/** The body of PATCH /persons/{id}; null = nothing changed. */
export function registerPatch(
  person: RegisterPerson,
  draft: RegisterDraft,
): Schema<'UpdatePerson'> | null {
  const set: Record<string, string | null> = {};
  for (const [field, typed] of Object.entries(draft.values)) {
    const present = person.fields[field] ?? '';
    let value = typed.trim();
    if (field === 'name_kana' && value !== present) value = toKatakana(value) ?? value;
    if (field === 'estimated_age' && value !== '') value = String(halfWidthNumber(value) ?? value);
    // Estimated where the day is not known, and only there.
    if (field === 'estimated_age' && draft.values.birth_date !== '') value = '';
    if (field === 'death_date' && !draft.deceased) value = '';
    if (value !== present) set[field] = value === '' ? null : value;
  }
  const wasDeceased = person.fields.is_deceased === 'true';
  if (draft.deceased !== wasDeceased) set.is_deceased = draft.deceased ? 'true' : null;

  const had = protection(person);
  const basis = draft.basis.trim();
  const kept = (had?.basis ?? '') === basis && (had?.review_on ?? '') === draft.reviewOn;
  const add: Schema<'NewFlag'>[] = [...draft.flags]
    .filter((flag) => !person.flags.some((other) => other.flag === flag))
    .map((flag) => ({ flag }));
  const end = person.flags
    .filter((flag) => flag.flag !== PROTECTION && !draft.flags.has(flag.flag))
    .map((flag) => flag.id);
  if (draft.protect && !kept)
    add.push({
      flag: PROTECTION,
      basis,
      ...(draft.reviewOn ? { review_on: draft.reviewOn } : {}),
    });
  if (had && !(draft.protect && kept)) end.push(had.id);

  const changed = Object.keys(set);
  const patch: Schema<'UpdatePerson'> = {
    version: person.version,
    ...(changed.length > 0 ? { set, from: draft.from } : {}),
    ...(changed.length > 0 && draft.correction ? { corrections: changed } : {}),
    ...(draft.protect !== person.address_confidential
      ? { address_confidential: draft.protect }
      : {}),
    ...(draft.protect && !sameSet(draft.allow, new Set(person.address_allow))
      ? { address_allow: [...draft.allow] }
      : {}),
    ...(add.length > 0 ? { add_flags: add } : {}),
    ...(end.length > 0 ? { end_flags: end } : {}),
  };
  return Object.keys(patch).length > 1 ? patch : null;
}

export function registerProblems(
  person: RegisterPerson,
  draft: RegisterDraft,
  today: string,
): SummaryItem[] {
  const problems: SummaryItem[] = [];
  const { values } = draft;
  const add = (field: string, message: string) =>
    problems.push({ target: `person-${field}`, message });
  if (values.name.trim() === '' && person.fields.is_anonymous !== 'true')
    add('name', '氏名を入力してください。');
  if (values.name_kana.trim() !== '' && toKatakana(values.name_kana) === null)
    add('name_kana', 'ふりがなは、ひらがなかカタカナで入力してください。');
  const age = halfWidthNumber(values.estimated_age);
  if (values.birth_date === '' && values.estimated_age.trim() !== '' && (age === null || age > 130))
    add('estimated_age', '年齢は0から130までの数字で入力してください。');
  if (draft.from === '') add('from', '新しい内容の始まる日を入力してください。');
  else if (draft.from > today)
    add('from', '新しい内容の始まる日が先の日付です。今日までの日付を入力してください。');
  const newly = draft.protect && !person.address_confidential;
  if (newly && draft.basis.trim() === '')
    add('basis', '住所秘匿の根拠を書いてください（例：DV等支援措置の決定）。');
  if (newly && draft.reviewOn === '') add('review', '住所秘匿を見直す日を入力してください。');
  else if (
    draft.protect &&
    draft.reviewOn !== '' &&
    draft.reviewOn < today &&
    draft.reviewOn !== protection(person)?.review_on
  )
    add('review', '住所秘匿を見直す日は、今日以後の日付にしてください。');
  if (draft.protect && protectionChanges(person, draft) && draft.allow.size === 0)
    add('allow', '住所・連絡先を見られる機関を1つ以上選んでください。');
  if (protectionChanges(person, draft) && !draft.understood)
    add('understood', '住所秘匿の変更を確かめ、チェックを入れてください。');
  return problems;
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}

/** The seven digits of a postal code in any notation; null = not yet seven. */
export function postalDigits(text: string): string | null {
  const digits = text.normalize('NFKC').replace(/[\s〒‐−ー-]/g, '');
  return /^\d{7}$/.test(digits) ? digits : null;
}

/** A place as the beginning of an address. */
export function placeOf(place: Schema<'PostalCodePlace'>): string {
  return `${place.prefecture}${place.city}${place.town}`;
}

/** Whether an address holds more than the numbers that follow a place. */
export function replaces(address: string): boolean {
  return !/^([0-9０-９一二三四五六七八九十].*)?$/.test(address.trim());
}

/** A place as the beginning of the address: before numbers that were typed, or instead of another. */
export function withPlace(place: string, address: string): string {
  return replaces(address) ? place : `${place}${address.trim()}`;
}
