/** The reception form as plain data: what is checked, what is sent, who may already be known. */
import type { Schema } from '../../api/types';
import type { Person } from './api';

export interface PersonDraft {
  /** Key for the screen. */
  key: string;
  /** Set when a known person was chosen from the register. */
  known: Person | null;
  name: string;
  kana: string;
  birth: string;
  gender: string;
  age: string;
  phone: string;
  postal: string;
  address: string;
  anonymous: boolean;
}

export interface ReceptionDraft {
  receivedOn: string;
  urgency: string;
  route: string;
  title: string;
  clients: PersonDraft[];
}

export function emptyPerson(key: string): PersonDraft {
  return {
    key,
    known: null,
    name: '',
    kana: '',
    birth: '',
    gender: '',
    age: '',
    phone: '',
    postal: '',
    address: '',
    anonymous: false,
  };
}

type AnybodyBody = { person_id: string } | { person: Partial<Schema<'PersonInput'>> };

export interface Problem {
  target: string;
  message: string;
}

/** Everything that must be mended before sending, in screen order. */
export function receptionProblems(draft: ReceptionDraft, today: string): Problem[] {
  const problems: Problem[] = [];
  draft.clients.forEach((client, index) => {
    const who = draft.clients.length > 1 ? `${index + 1}人目の` : '';
    problems.push(...personProblems(client, today, who));
  });
  if (draft.receivedOn === '')
    problems.push({ target: 'received-on', message: '受付日を入力してください。' });
  else if (draft.receivedOn > today)
    problems.push({
      target: 'received-on',
      message: '受付日が先の日付です。今日までの日付を入力してください。',
    });
  if (draft.urgency === '')
    problems.push({ target: 'urgency', message: '緊急性を選んでください。' });
  return problems;
}

/** What must be mended in one person; `who` stands before each sentence where there are several. */
export function personProblems(person: PersonDraft, today: string, who = ''): Problem[] {
  if (person.known) return [];
  const problems: Problem[] = [];
  if (!person.anonymous && person.name.trim() === '')
    problems.push({
      target: `name-${person.key}`,
      message: `${who}氏名を入力してください。分からないときは「氏名が分からない・匿名の相談」を選びます。`,
    });
  if (person.kana.trim() !== '' && toKatakana(person.kana) === null)
    problems.push({
      target: `kana-${person.key}`,
      message: `${who}ふりがなは、ひらがなかカタカナで入力してください。`,
    });
  if (person.birth !== '' && person.birth > today)
    problems.push({ target: `birth-${person.key}`, message: `${who}生年月日が先の日付です。` });
  const age = halfWidthNumber(person.age);
  if (person.age.trim() !== '' && (age === null || age > 130))
    problems.push({
      target: `age-${person.key}`,
      message: `${who}年齢は0から130までの数字で入力してください。`,
    });
  return problems;
}

/** Hiragana and half-width kana become full-width katakana; null when other letters are in it. */
export function toKatakana(text: string): string | null {
  const katakana = text
    .normalize('NFKC')
    .replace(/[ぁ-ゖ]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0x60))
    .replace(/\s+/g, ' ')
    .trim();
  return /^[ァ-ヺー・ ]+$/.test(katakana) ? katakana : null;
}

export function halfWidthNumber(text: string): number | null {
  const digits = text.normalize('NFKC').replace(/[歳才\s]/g, '');
  return /^\d{1,3}$/.test(digits) ? Number(digits) : null;
}

/** Body of POST /cases. Names keep their code points; only the edges are trimmed. */
export function receptionBody(draft: ReceptionDraft): Record<string, unknown> {
  return {
    received_on: draft.receivedOn,
    urgency: draft.urgency,
    ...(draft.route ? { route: draft.route } : {}),
    ...(draft.title.trim() ? { title: draft.title.trim() } : {}),
    clients: draft.clients.map(personBody),
  };
}

/** Somebody of the register by id, or somebody new. */
export function personBody(draft: PersonDraft): AnybodyBody {
  if (draft.known) return { person_id: draft.known.id };
  const age = halfWidthNumber(draft.age);
  const phone = draft.phone.trim();
  const [postal, address] = [draft.postal.trim(), draft.address.trim()];
  return {
    person: {
      name: draft.anonymous && draft.name.trim() === '' ? '氏名不詳' : draft.name.trim(),
      kana: toKatakana(draft.kana) ?? '',
      ...(draft.gender ? { gender: draft.gender } : {}),
      ...(draft.birth ? { birth_date: draft.birth } : {}),
      ...(!draft.birth && age !== null ? { estimated_age: age } : {}),
      ...(phone ? { [phoneField(phone)]: phone } : {}),
      ...(postal ? { postal_code: postal } : {}),
      ...(address ? { address } : {}),
      is_anonymous: draft.anonymous,
    },
  };
}

function digitsOf(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/^\s*\+81/, '0')
    .replace(/\D/g, '');
}

/** Numbers of 060 to 090 are of mobile telephones. */
function phoneField(phone: string): 'phone_home' | 'phone_mobile' {
  return /^0?[6-9]0\d{8}$/.test(digitsOf(phone)) ? 'phone_mobile' : 'phone_home';
}

/** What the register is asked for while somebody is typed in; null = too little to ask. */
export function alikeQuery(person: PersonDraft): Schema<'AlikeQuery'> | null {
  if (person.known) return null;
  const letters = (text: string): number => [...text.replace(/\s/g, '')].length;
  const name = person.anonymous ? '' : person.name.trim();
  const kana = person.anonymous ? '' : (toKatakana(person.kana) ?? '');
  const phone = person.phone.trim();
  const query = {
    ...(letters(name) >= 2 ? { name } : {}),
    ...(letters(kana) >= 2 ? { kana } : {}),
    ...(digitsOf(phone).length >= 9 ? { phone } : {}),
  };
  if (Object.keys(query).length === 0) return null;
  // An address alone is the household's: it tells something only beside a name or a number.
  if (person.address.trim() !== '') Object.assign(query, { address: person.address.trim() });
  return /^\d{4}(-\d{2}){0,2}~?$/.test(person.birth)
    ? { ...query, birth_date: person.birth }
    : query;
}

/** What the register's names may begin with; null where nothing of a name was typed. */
export function nameBeginning(query: Schema<'AlikeQuery'> | null): string | null {
  return query?.name ?? query?.kana ?? null;
}

/** Why the register proposes somebody, by the server's codes. */
export const REASON_WORDS: Readonly<Record<string, string>> = {
  name: '氏名が同じ',
  name_variant: '氏名が字体違いで同じ',
  name_swapped: '姓と名が逆',
  kana: 'ふりがなが同じ',
  kana_swapped: 'ふりがなの姓と名が逆',
  kana_like: 'ふりがなが似ている',
  given_name: '名が同じ（改姓かもしれません）',
  birth_date: '生年月日が同じ',
  birth_year: '生まれた年が合う',
  phone: '電話番号が同じ',
  address: '住所が同じ',
};
