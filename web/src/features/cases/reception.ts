/** The reception form as plain data: what is checked, what is sent, who may already be known. */
import { readDate } from '../../forms/wareki';
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
  return { key, known: null, name: '', kana: '', birth: '', gender: '', age: '', anonymous: false };
}

type AnybodyBody = { person_id: string } | { person: Partial<Schema<'PersonInput'>> };

export interface Problem {
  target: string;
  message: string;
}

/** Everything that must be mended before sending, in screen order. */
export function receptionProblems(draft: ReceptionDraft, today: string): Problem[] {
  const problems: Problem[] = [];
  if (draft.receivedOn === '')
    problems.push({ target: 'received-on', message: '受付日を入力してください。' });
  else if (draft.receivedOn > today)
    problems.push({
      target: 'received-on',
      message: '受付日が先の日付です。今日までの日付を入力してください。',
    });
  if (draft.urgency === '')
    problems.push({ target: 'urgency', message: '緊急性を選んでください。' });
  draft.clients.forEach((client, index) => {
    const who = draft.clients.length > 1 ? `${index + 1}人目の` : '';
    problems.push(...personProblems(client, today, who));
  });
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
  return {
    person: {
      name: draft.anonymous && draft.name.trim() === '' ? '氏名不詳' : draft.name.trim(),
      kana: toKatakana(draft.kana) ?? '',
      ...(draft.gender ? { gender: draft.gender } : {}),
      ...(draft.birth ? { birth_date: draft.birth } : {}),
      ...(!draft.birth && age !== null ? { estimated_age: age } : {}),
      is_anonymous: draft.anonymous,
    },
  };
}

/** What the register is asked for while a name is typed; null = too little to ask. */
export function duplicateQuery(client: PersonDraft): string | null {
  if (client.known || client.anonymous) return null;
  const name = client.name.trim();
  if ([...name.replace(/\s/g, '')].length >= 2) return name;
  const kana = toKatakana(client.kana);
  return kana && kana.replace(/\s/g, '').length >= 3 ? kana : null;
}

export type Match = 'birth' | 'name' | 'near';

/** How strongly a register entry resembles what was typed; strongest first on the screen. */
export function matchOf(client: PersonDraft, person: Person): Match {
  const plain = (text: string | null | undefined): string =>
    (text ?? '').normalize('NFKC').replace(/\s/g, '');
  const birth = readDate(client.birth);
  if (birth.ok && person.birth_date === birth.iso) return 'birth';
  if (plain(person.name) !== '' && plain(person.name) === plain(client.name)) return 'name';
  const kana = toKatakana(client.kana);
  if (kana && plain(toKatakana(person.kana ?? '') ?? '') === plain(kana)) return 'name';
  return 'near';
}

export const MATCH_WORDS: Readonly<Record<Match, string>> = {
  birth: '生年月日が同じ',
  name: '氏名・ふりがなが同じ',
  near: '似た氏名',
};
