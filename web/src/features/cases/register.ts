/** Changing a register person as plain data: what is checked and what is sent. */
import type { Schema } from '../../api/types';
import type { SummaryItem } from '../../ui';
import { halfWidthNumber, toKatakana } from './reception';
import { flag as flagLabel } from './vocabulary';

export type RegisterPerson = Schema<'PersonAnswer'>;

/** Fields on the screen, by the register's names, in its order. */
export const REGISTER_FIELDS = {
  name: '氏名',
  name_kana: 'ふりがな',
  alias: '通称・旧姓',
  alias_kana: '通称・旧姓のふりがな',
  birth_date: '生年月日',
  estimated_age: '年齢（およそ）',
  gender: '性別',
  death_date: '亡くなった日',
  postal_code: '郵便番号',
  address: '住所',
  address2: '方書・建物名',
  district: '町字・日常生活圏域',
  phone_home: '電話（自宅）',
  phone_mobile: '電話（携帯）',
  email: 'メール',
  workplace: '勤務先',
  school: '学校',
  nationality_lang: '国籍・話すことば',
  atena_no: '宛名番号',
  contact_caution: '連絡するときの注意',
} as const;

export type RegisterField = keyof typeof REGISTER_FIELDS;

/** Withheld from agencies that are not on the list of a protected person. */
export const PROTECTED_FIELDS: readonly RegisterField[] = [
  'postal_code',
  'address',
  'address2',
  'district',
  'phone_home',
  'phone_mobile',
  'email',
  'workplace',
  'school',
];

export interface FlagNote {
  basis: string;
  reviewOn: string;
}

export interface RegisterDraft {
  values: Record<RegisterField, string>;
  deceased: boolean;
  anonymous: boolean;
  /** 住所不定. */
  homeless: boolean;
  /** The old values were wrong and do not become the past. */
  correction: boolean;
  /** First day of the new values. */
  from: string;
  protect: boolean;
  basis: string;
  reviewOn: string;
  allow: ReadonlySet<string>;
  flags: ReadonlySet<string>;
  /** Of each flag beside the protection: what it rests on, and when to look at it again. */
  notes: Readonly<Record<string, FlagNote>>;
  /** What a change of the protection means was read. */
  understood: boolean;
}

const PROTECTION = 'dv_address';

/** What was written of a flag; nothing yet of a new one. */
export function noteOf(draft: Pick<RegisterDraft, 'notes'>, flag: string): FlagNote {
  return draft.notes[flag] ?? { basis: '', reviewOn: '' };
}

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
    anonymous: person.fields.is_anonymous === 'true',
    homeless: person.fields.no_fixed_address === 'true',
    correction: false,
    from: today,
    protect: person.address_confidential,
    basis: protection(person)?.basis ?? '',
    reviewOn: protection(person)?.review_on ?? '',
    allow: new Set(person.address_allow),
    flags: new Set(person.flags.map((flag) => flag.flag).filter((flag) => flag !== PROTECTION)),
    notes: Object.fromEntries(
      person.flags.map((flag) => [
        flag.flag,
        { basis: flag.basis ?? '', reviewOn: flag.review_on ?? '' },
      ]),
    ),
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
    if ((field === 'name_kana' || field === 'alias_kana') && value !== present)
      value = toKatakana(value) ?? value;
    if (field === 'estimated_age' && value !== '') value = String(halfWidthNumber(value) ?? value);
    if (field === 'atena_no') value = value.normalize('NFKC').replace(/[\s-]/g, '');
    // Estimated where the day is not known, and only there.
    if (field === 'estimated_age' && draft.values.birth_date !== '') value = '';
    if (field === 'death_date' && !draft.deceased) value = '';
    if (value !== present) set[field] = value === '' ? null : value;
  }
  for (const [field, on] of [
    ['is_deceased', draft.deceased],
    ['is_anonymous', draft.anonymous],
    ['no_fixed_address', draft.homeless],
  ] as const)
    if (on !== (person.fields[field] === 'true')) set[field] = on ? 'true' : null;

  const had = protection(person);
  const basis = draft.basis.trim();
  const kept = (had?.basis ?? '') === basis && (had?.review_on ?? '') === draft.reviewOn;
  const others = person.flags.filter((flag) => flag.flag !== PROTECTION);
  // A flag whose basis or day is written anew ends and begins anew: the log shows both.
  const stands = (flag: RegisterPerson['flags'][number]): boolean =>
    draft.flags.has(flag.flag) &&
    (flag.basis ?? '') === noteOf(draft, flag.flag).basis.trim() &&
    (flag.review_on ?? '') === noteOf(draft, flag.flag).reviewOn;
  const add: Schema<'NewFlag'>[] = [...draft.flags]
    .filter((flag) => !others.some((other) => other.flag === flag && stands(other)))
    .map((flag) => {
      const { basis, reviewOn } = noteOf(draft, flag);
      return {
        flag,
        ...(basis.trim() ? { basis: basis.trim() } : {}),
        ...(reviewOn ? { review_on: reviewOn } : {}),
      };
    });
  // Of two entries of one flag (after a merge) the one that stands is enough.
  const renewed = new Set(add.map((flag) => flag.flag));
  const end = others
    .filter((flag) => !draft.flags.has(flag.flag) || renewed.has(flag.flag))
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
  if (values.name.trim() === '' && !draft.anonymous) add('name', '氏名を入力してください。');
  if (values.name_kana.trim() !== '' && toKatakana(values.name_kana) === null)
    add('name_kana', 'ふりがなは、ひらがなかカタカナで入力してください。');
  if (values.alias_kana.trim() !== '' && toKatakana(values.alias_kana) === null)
    add('alias_kana', 'ふりがなは、ひらがなかカタカナで入力してください。');
  const number = values.atena_no.normalize('NFKC').replace(/[\s-]/g, '');
  if (number !== '' && !/^\d{1,15}$/.test(number))
    add(
      'atena_no',
      '宛名番号は15桁までの数字で入力してください。個人番号（マイナンバー）は記録できません。',
    );
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

/** One field that somebody else changed while it was open here. */
export interface Overtaken {
  label: string;
  before: string;
  after: string;
  /** It was changed here too: mine stays, and should be looked at. */
  mine: boolean;
}

/** What another person changed since `base` was read. */
export function overtaken(
  base: RegisterPerson,
  latest: RegisterPerson,
  draft: RegisterDraft,
): Overtaken[] {
  const changed: Overtaken[] = (Object.keys(REGISTER_FIELDS) as RegisterField[])
    .filter((field) => (base.fields[field] ?? '') !== (latest.fields[field] ?? ''))
    .map((field) => ({
      label: REGISTER_FIELDS[field],
      before: base.fields[field] ?? '',
      after: latest.fields[field] ?? '',
      mine: draft.values[field].trim() !== (base.fields[field] ?? ''),
    }));
  for (const [field, label, mine] of [
    ['is_deceased', '亡くなった', draft.deceased],
    ['is_anonymous', '匿名の相談', draft.anonymous],
    ['no_fixed_address', '住所不定', draft.homeless],
  ] as const) {
    const [before, after] = [base, latest].map((person) => person.fields[field] === 'true');
    const word = (on: boolean | undefined): string => (on ? 'はい' : 'いいえ');
    if (before !== after)
      changed.push({ label, before: word(before), after: word(after), mine: mine !== before });
  }
  const list = (person: RegisterPerson): string =>
    [...new Set(person.flags.map((entry) => flagLabel(entry.flag).label))].sort().join('、');
  const notes = (person: RegisterPerson): string =>
    JSON.stringify(person.flags.map(({ flag, basis, review_on }) => [flag, basis, review_on]));
  if (notes(base) !== notes(latest))
    changed.push({ label: '注意', before: list(base), after: list(latest), mine: false });
  const who = (person: RegisterPerson): string =>
    person.address_confidential ? `秘匿（${person.address_allow.length}機関）` : '秘匿なし';
  if (
    base.address_confidential !== latest.address_confidential ||
    !sameSet(new Set(base.address_allow), new Set(latest.address_allow))
  )
    changed.push({ label: '住所秘匿', before: who(base), after: who(latest), mine: false });
  return changed;
}

/**
 * The own changes laid over what stands now. What concerns who sees the protected values is taken as it
 * stands: that is not decided on an old state.
 */
export function rebased(
  base: RegisterPerson,
  latest: RegisterPerson,
  draft: RegisterDraft,
  today: string,
): RegisterDraft {
  const [old, now] = [registerDraft(base, today), registerDraft(latest, today)];
  const values = { ...now.values };
  for (const field of Object.keys(values) as RegisterField[])
    if (draft.values[field] !== old.values[field]) values[field] = draft.values[field];
  const mine = <Key extends 'deceased' | 'anonymous' | 'homeless'>(key: Key): boolean =>
    draft[key] === old[key] ? now[key] : draft[key];
  const flags = new Set(now.flags);
  for (const code of draft.flags) if (!old.flags.has(code)) flags.add(code);
  for (const code of old.flags) if (!draft.flags.has(code)) flags.delete(code);
  const notes: Record<string, FlagNote> = { ...now.notes };
  for (const code of draft.flags) {
    const [before, written] = [noteOf(old, code), noteOf(draft, code)];
    if (before.basis !== written.basis || before.reviewOn !== written.reviewOn)
      notes[code] = written;
  }
  return {
    ...now,
    values,
    deceased: mine('deceased'),
    anonymous: mine('anonymous'),
    homeless: mine('homeless'),
    correction: draft.correction,
    from: draft.from,
    flags,
    notes,
  };
}
