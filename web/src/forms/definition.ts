/** The body of `GET /forms/{id}`: one definition drives screen, validation, masking and print. */

/** Types of fields. */
export type FieldType =
  | 'text'
  | 'textarea'
  | 'int'
  | 'number'
  | 'date'
  | 'datetime'
  | 'bool'
  | 'select'
  | 'multiselect'
  | 'user_ref'
  | 'org_ref'
  | 'person_ref'
  | 'table'
  | 'calc'
  | 'file'
  | 'signature';

/** A plain value of a field. */
export type Scalar = string | number | boolean | null;

/** A condition over other fields. */
export type Condition =
  | { all: Condition[] }
  | { any: Condition[] }
  | { not: Condition }
  | {
      field: string;
      op: 'eq' | 'ne' | 'in' | 'contains' | 'empty' | 'not_empty' | 'gt' | 'lt';
      value?: Scalar | Scalar[];
    };

/** One option. `exclusive`: not with others; `text`: asks for more in `other_field`. */
export interface FormOption {
  code: string;
  label: string;
  exclusive?: boolean;
  text?: boolean;
  /** Added by the municipality. */
  local?: boolean;
  /** Withdrawn: stands where it was chosen, is not offered. */
  retired?: boolean;
}

/** A named list of options. */
export interface OptionList {
  id: string;
  title: string;
  options: FormOption[];
}

/** Limits of a value. */
export interface Limits {
  max_chars?: number;
  min?: number;
  max?: number;
  max_rows?: number;
  not_future?: boolean;
  partial_date?: boolean;
  format?: 'phone' | 'postal_code' | 'email' | 'kana';
}

/** How a `calc` field comes about. */
export type Calculation =
  | { kind: 'age' | 'age_band'; birth_date: string; estimated?: string }
  | { kind: 'count'; fields: string[] }
  | { kind: 'sum'; fields: string[] }
  | { kind: 'count_rows'; table: string; when: Condition }
  | { kind: 'days'; from: string; to: string }
  | { kind: 'date_after'; date: string; months: number; days: number };

/** A field of a form, or a column of a table. */
export interface Field {
  id: string;
  label: string;
  type: FieldType;
  options?: string;
  other_field?: string;
  help?: string;
  required?: boolean;
  required_when?: Condition;
  visible_when?: Condition;
  calculation?: Calculation;
  columns?: Field[];
  limits?: Limits;
  unit?: string;
  statistics?: boolean;
  pii: string;
  person: string;
  group: string;
  confidential_address?: boolean;
  automatic?: boolean;
  verified?: boolean;
  /** Added by the municipality. */
  local?: boolean;
  /** Withdrawn: old values are shown, new ones are not asked for. */
  retired?: boolean;
}

/** A group of fields on the screen. */
export interface FormSection {
  id: string;
  title: string;
  help?: string;
  /** Added by the municipality. */
  local?: boolean;
  fields: Field[];
}

/** Error: must be mended before the sheet is finalised. Warning: shown. */
export type Severity = 'error' | 'warning';

/** A check across fields. */
export type Check =
  | { kind: 'order'; dates: string[]; severity: Severity }
  | { kind: 'within'; field: string; of: string; severity: Severity }
  | {
      kind: 'raise';
      when: Condition;
      field: string;
      code: string;
      message: string;
      severity: Severity;
    };

/** A sheet's definition. */
export interface FormDefinition {
  id: string;
  code: string;
  title: string;
  version: string;
  schema: number;
  verified: boolean;
  source: string;
  /** A case may have several of them, each with its number. */
  repeated?: boolean;
  /** Field with the business date of the sheet. */
  date?: string;
  sections: FormSection[];
  checks?: Check[];
  lists?: OptionList[];
}

/** Longest text in code points. */
export const MAX_TEXT = 200;
export const MAX_TEXTAREA = 10_000;
/** Most rows of a table. */
export const MAX_ROWS = 100;

/** All fields in the order of the screen. */
export function fieldsOf(definition: FormDefinition): Field[] {
  return definition.sections.flatMap((section) => section.fields);
}

/** The field or column at `field` or `table/rowId/column`. */
export function fieldAt(definition: FormDefinition, path: string): Field | null {
  const [id, row, column] = path.split('/');
  const field = fieldsOf(definition).find((candidate) => candidate.id === id) ?? null;
  if (!field || row === undefined) return field;
  return field.columns?.find((candidate) => candidate.id === column) ?? null;
}

/** The options that a field names. */
export function optionsOf(definition: FormDefinition, field: Field): readonly FormOption[] {
  return definition.lists?.find((list) => list.id === field.options)?.options ?? [];
}

/** The options to choose from now: withdrawn ones only where they are chosen. */
export function offered(
  definition: FormDefinition,
  field: Field,
  chosen: readonly string[],
): readonly FormOption[] {
  return optionsOf(definition, field)
    .filter((option) => !option.retired || chosen.includes(option.code))
    .map((option) =>
      option.retired ? { ...option, label: `${option.label}（廃止された選択肢）` } : option,
    );
}

/** What a field is called on the screen and on paper. */
export function fieldLabel(field: Field): string {
  return field.retired ? `${field.label}（廃止された項目）` : field.label;
}

/** Label of an option; the code itself when the list no longer has it. */
export function optionLabel(definition: FormDefinition, field: Field, code: string): string {
  return (
    optionsOf(definition, field).find((option) => option.code === code)?.label ??
    `${code}（いまの選択肢にない値）`
  );
}

/** Longest text of a field. */
export function maxChars(field: Field): number {
  return field.limits?.max_chars ?? (field.type === 'textarea' ? MAX_TEXTAREA : MAX_TEXT);
}

/** What a path is called: 「利用中のサービス：頻度」 for a cell. */
export function labelAt(definition: FormDefinition, path: string): string {
  const field = fieldAt(definition, path);
  if (!field) return OUTSIDE[path] ?? path;
  const [table, row] = path.split('/');
  if (row === undefined) return field.label;
  const owner = fieldsOf(definition).find((candidate) => candidate.id === table);
  return `${owner?.label ?? ''}：${field.label}`;
}

const OUTSIDE: Readonly<Record<string, string>> = {
  'case.received_on': '受付日',
  'case.screened_on': 'スクリーニング日',
  'case.planned_on': 'プラン作成日',
  'case.meeting_on': '会議日',
  'case.decided_on': '支援決定日',
  'case.evaluated_on': '評価日',
  'case.closed_on': '終結日',
};
