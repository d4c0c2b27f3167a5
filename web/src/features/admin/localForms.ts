/** What a municipality adds to the sheets that ship: pure changes of the draft. */
import type { FieldType, FormDefinition, FormOption } from '../../forms/definition';
import type { Schema } from '../../api/types';

export interface OwnOption {
  code: string;
  label: string;
  exclusive?: boolean;
  retired?: boolean;
}
export interface OwnList {
  id: string;
  title: string;
  options: OwnOption[];
}
export interface OwnSection {
  id: string;
  title: string;
  help?: string;
}
export interface OwnField {
  id: string;
  section: string;
  label: string;
  type: FieldType;
  options?: string;
  help?: string;
  unit?: string;
  required?: boolean;
  visible_when?: unknown;
  pii?: string;
  person?: string;
  confidential_address?: boolean;
  retired?: boolean;
}
export interface OwnForm {
  sections: OwnSection[];
  fields: OwnField[];
}
export interface Extension {
  forms: Record<string, OwnForm>;
  lists: OwnList[];
  options: Record<string, OwnOption[]>;
}
export type LocalForms = Omit<Schema<'LocalFormsAnswer'>, 'published' | 'draft'> & {
  published: Extension;
  draft:
    | (Omit<NonNullable<Schema<'LocalFormsAnswer'>['draft']>, 'extension'> & {
        extension: Extension;
      })
    | null;
};

/** Sheets that can be added to. */
export const SHEETS: readonly { code: string; label: string }[] = [
  { code: 'intake_application', label: '相談受付・申込票' },
  { code: 'intake_assessment', label: 'インテーク・アセスメントシート' },
  { code: 'screening', label: 'スクリーニング' },
  { code: 'plan', label: 'プラン' },
  { code: 'meeting', label: '会議' },
  { code: 'evaluation', label: '評価' },
];

export const KINDS: readonly { code: FieldType; label: string; support: string }[] = [
  { code: 'text', label: '文字（1行）', support: '名称、呼び名など' },
  { code: 'textarea', label: '文章（何行でも）', support: 'ようす、経過など' },
  { code: 'select', label: '選択肢から1つ', support: '' },
  { code: 'multiselect', label: '選択肢からいくつでも', support: '' },
  { code: 'bool', label: 'はい・いいえ', support: '' },
  { code: 'date', label: '日付', support: '' },
  { code: 'int', label: '整数', support: '人数、回数など' },
  { code: 'number', label: '数値', support: '小数を含む' },
];

export function kindLabel(type: string): string {
  return KINDS.find((kind) => kind.code === type)?.label ?? 'その他';
}

export function isChoice(type: string): boolean {
  return type === 'select' || type === 'multiselect';
}

/** What an answer may tell about a person, in the words of the screen; the strict one first. */
export function protections(type: FieldType): readonly { code: string; label: string }[] {
  const plain = { code: 'none', label: '個人の事情は入らない' };
  const sensitive = { code: 'sensitive', label: '心身や生活の事情が入る' };
  switch (type) {
    case 'text':
      return [
        { code: 'free_text', label: '文の中に氏名などが混じることがある' },
        { code: 'name', label: '人の氏名が入る' },
        { code: 'address', label: '住所・居場所が入る' },
        { code: 'phone', label: '電話番号が入る' },
        { code: 'id_number', label: '番号（被保険者番号など）が入る' },
        { code: 'facility', label: '施設・学校・勤め先の名前が入る' },
      ];
    case 'textarea':
      return [
        { code: 'free_text', label: '文の中に氏名などが混じることがある' },
        { code: 'address', label: '住所・居場所が入る' },
      ];
    case 'date':
      return [sensitive, { code: 'birth_date', label: '生年月日が入る' }, plain];
    case 'int':
    case 'number':
      return [sensitive, { code: 'id_number', label: '番号が入る' }, plain];
    default:
      return [sensitive, plain];
  }
}

export const PERSONS: readonly { code: string; label: string }[] = [
  { code: 'client', label: '本人' },
  { code: 'member', label: '世帯員' },
  { code: 'family', label: '家族・親族' },
  { code: 'reporter', label: '来談者・相談元' },
  { code: 'staff', label: '職員' },
  { code: 'none', label: '人のことではない' },
];

/** What keeps a draft from being published. */
export const PROBLEMS: Readonly<Record<string, string>> = {
  no_label: '名前がありません。入力してください。',
  too_long: '長すぎます。名前は60文字、説明は500文字までです。',
  control_character: '目に見えない文字が含まれています。入力し直してください。',
  same_label: '同じ名前のものが同じ見出しにあります。名前を変えてください。',
  no_options: '使える選択肢がありません。1つ以上加えてください。',
  unknown_section: '見出しがなくなっています。見出しを選び直してください。',
  unknown_list: '選択肢のリストがなくなっています。選び直してください。',
  unknown_condition: '表示する条件の項目がなくなっています。条件を直してください。',
  bad_pii: '個人情報の扱いが、項目の種類に合いません。選び直してください。',
  less_protected:
    '公開した項目の個人情報の扱いは、ゆるめられません。元の扱いに戻すか、新しい項目を加えてください。',
  published: '公開した項目は、消したり種類を変えたりできません。使わないときは廃止してください。',
  too_many_fields: '項目が多すぎます（1つの様式に100件まで）。',
  too_many_sections: '見出しが多すぎます（1つの様式に20件まで）。',
  too_many_lists: '選択肢のリストが多すぎます（50件まで）。',
  too_many_options: '選択肢が多すぎます（1つのリストに100件まで）。',
};

export function problemWords(code: string): string {
  return PROBLEMS[code] ?? 'このままでは公開できません。内容を見直してください。';
}

/** Ids of new things; the server gives the real ones. */
export function newId(): string {
  return `new_${crypto.randomUUID().replaceAll('-', '').slice(0, 12)}`;
}

function withForm(
  extension: Extension,
  form: string,
  change: (own: OwnForm) => OwnForm,
): Extension {
  const own = extension.forms[form] ?? { sections: [], fields: [] };
  return { ...extension, forms: { ...extension.forms, [form]: change(own) } };
}

function put<T>(items: readonly T[], item: T, same: (a: T) => boolean): T[] {
  return items.some(same) ? items.map((old) => (same(old) ? item : old)) : [...items, item];
}

export function putField(extension: Extension, form: string, field: OwnField): Extension {
  return withForm(extension, form, (own) => ({
    ...own,
    fields: put(own.fields, field, (old) => old.id === field.id),
  }));
}

export function putSection(extension: Extension, form: string, section: OwnSection): Extension {
  return withForm(extension, form, (own) => ({
    ...own,
    sections: put(own.sections, section, (old) => old.id === section.id),
  }));
}

export function putList(extension: Extension, list: OwnList): Extension {
  return { ...extension, lists: put(extension.lists, list, (old) => old.id === list.id) };
}

/** The options added to a list that ships. */
export function putOptions(
  extension: Extension,
  list: string,
  options: readonly OwnOption[],
): Extension {
  const { [list]: _, ...others } = extension.options;
  return { ...extension, options: options.length ? { ...others, [list]: [...options] } : others };
}

/** Takes away what was never published. */
export function dropField(extension: Extension, form: string, id: string): Extension {
  return withForm(extension, form, (own) => ({
    ...own,
    fields: own.fields.filter((field) => field.id !== id),
  }));
}

/** With its fields; only what was never published. */
export function dropSection(extension: Extension, form: string, id: string): Extension {
  return withForm(extension, form, (own) => ({
    sections: own.sections.filter((section) => section.id !== id),
    fields: own.fields.filter((field) => field.section !== id),
  }));
}

/** One place up (-1) or down (1) among the own fields of its section. */
export function moveField(extension: Extension, form: string, id: string, by: -1 | 1): Extension {
  return withForm(extension, form, (own) => {
    const fields = [...own.fields];
    const at = fields.findIndex((field) => field.id === id);
    const section = fields[at]?.section;
    let other = at + by;
    while (fields[other] && fields[other]?.section !== section) other += by;
    const [a, b] = [fields[at], fields[other]];
    if (!a || !b) return own;
    fields[at] = b;
    fields[other] = a;
    return { ...own, fields };
  });
}

/** Whether it is in a publication: then it can only be withdrawn. */
export function isPublished(published: Extension, id: string): boolean {
  return (
    Object.values(published.forms).some(
      (form) =>
        form.fields.some((field) => field.id === id) ||
        form.sections.some((section) => section.id === id),
    ) || published.lists.some((list) => list.id === id)
  );
}

/** What an id is called, for lists of problems. */
export function nameOf(extension: Extension, id: string): string {
  for (const form of Object.values(extension.forms)) {
    const field = form.fields.find((one) => one.id === id);
    if (field) return `項目「${field.label}」`;
    const section = form.sections.find((one) => one.id === id);
    if (section) return `見出し「${section.title}」`;
  }
  for (const list of extension.lists) {
    if (list.id === id) return `選択肢のリスト「${list.title}」`;
    const option = list.options.find((one) => one.code === id);
    if (option) return `選択肢「${option.label}」`;
  }
  const option = Object.values(extension.options)
    .flat()
    .find((one) => one.code === id);
  if (option) return `選択肢「${option.label}」`;
  return SHEETS.find((sheet) => sheet.code === id)?.label ?? '追加した項目';
}

/**
 * Options as lines of text: known ones keep their code by their place among the lines, others are
 * new. What was published and has no line any more is withdrawn; a line of the same words brings it
 * back.
 */
export function optionsFrom(
  text: string,
  before: readonly OwnOption[],
  published: ReadonlySet<string>,
): OwnOption[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line, at, all) => line !== '' && all.indexOf(line) === at);
  const left = [...before];
  const take = (label: string): OwnOption | undefined => {
    const at = left.findIndex((option) => option.label === label);
    return at < 0 ? undefined : left.splice(at, 1)[0];
  };
  const kept = lines.map((label) => {
    const known = take(label);
    return known ? { ...known, retired: false } : { code: newId(), label };
  });
  const gone = left
    .filter((option) => published.has(option.code))
    .map((option) => ({ ...option, retired: true }));
  return [...kept, ...gone];
}

/** The options in use, a line each. */
export function linesOf(options: readonly (OwnOption | FormOption)[]): string {
  return options
    .filter((option) => !option.retired)
    .map((option) => option.label)
    .join('\n');
}

/** Codes of all published options. */
export function publishedCodes(published: Extension): Set<string> {
  return new Set(
    [
      ...published.lists.flatMap((list) => list.options),
      ...Object.values(published.options).flat(),
    ].map((option) => option.code),
  );
}

/** Lists that a choice can use, own ones first. */
export function listChoices(
  extension: Extension,
  definition: FormDefinition,
): { code: string; label: string }[] {
  const own = extension.lists.map((list) => ({ code: list.id, label: `${list.title}（独自）` }));
  const ships = (definition.lists ?? [])
    .filter((list) => !extension.lists.some((one) => one.id === list.id))
    .map((list) => ({ code: list.id, label: list.title }));
  return [...own, ...ships];
}
