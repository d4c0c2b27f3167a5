/**
 * Conditions, validation and calculated values of forms; the twin of `server/domain/src/form`.
 * Both run `datasets/vectors/rules.json`. Values are plain JSON: text as string, scalars as they
 * are, chosen options as list of codes or map code → true, tables as list of rows
 * `{ id, <column>: … }`; missing or null is empty.
 */
import {
  fieldAt,
  fieldsOf,
  labelAt,
  MAX_ROWS,
  maxChars,
  optionLabel,
  optionsOf,
  type Check,
  type Condition,
  type Field,
  type FormDefinition,
  type Severity,
} from './definition';
import { findMyNumbers } from './my-number';
import { ageAt, spanOf } from './wareki';

/** Values of a form by field id. */
export type Values = Readonly<Record<string, unknown>>;

/** Something wrong with a value. Never holds the value itself. */
export interface Issue {
  /** `field`, or `table/rowId/column`; empty for the form as a whole. */
  path: string;
  code: string;
  params?: Record<string, string>;
  severity: Severity;
}

/** What validation needs beside the values. */
export interface Context {
  /** Today, ISO, in the municipality's zone. */
  today: string;
  /** Values from elsewhere, under names with a dot (`case.closed_on`). */
  outside?: Values;
}

/** A row of a table: its cells, and its `id` and `order`. */
export function isRow(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value counts as not filled in; `false` and 0 are values. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === 'string') return /^\p{White_Space}*$/u.test(value);
  if (Array.isArray(value)) return value.length === 0;
  if (isRow(value)) return !Object.values(value).includes(true);
  return false;
}

/** The chosen options of a multiselect value, else nothing. */
export function selectedCodes(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter((item): item is string => typeof item === 'string');
  if (isRow(value)) return Object.keys(value).filter((code) => value[code] === true);
  return [];
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Order of two numbers, or of two texts by code point. */
function order(a: unknown, b: unknown): number | null {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a !== 'string' || typeof b !== 'string') return null;
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Whether a condition holds; `lookup` gives the value of a field name. */
export function holds(condition: Condition, lookup: (name: string) => unknown): boolean {
  if ('all' in condition) return condition.all.every((part) => holds(part, lookup));
  if ('any' in condition) return condition.any.some((part) => holds(part, lookup));
  if ('not' in condition) return !holds(condition.not, lookup);
  const actual = lookup(condition.field);
  const expected = condition.value ?? null;
  const missing = actual === undefined || actual === null;
  switch (condition.op) {
    case 'empty':
      return isEmpty(actual);
    case 'not_empty':
      return !isEmpty(actual);
    case 'eq':
      return !missing && same(actual, expected);
    case 'ne':
      return missing || !same(actual, expected);
    case 'in':
      if (missing || !Array.isArray(expected)) return false;
      if (typeof actual === 'object')
        return selectedCodes(actual).some((code) => expected.includes(code));
      return expected.some((choice) => same(actual, choice));
    case 'contains':
      if (typeof actual === 'string')
        return typeof expected === 'string' && actual.includes(expected);
      if (Array.isArray(actual)) return actual.some((item) => same(item, expected));
      return isRow(actual) && typeof expected === 'string' && actual[expected] === true;
    case 'gt':
      return (order(actual, expected) ?? 0) > 0;
    case 'lt':
      return (order(actual, expected) ?? 0) < 0;
  }
}

/** Whether a field is shown and whether it must be filled, given these values. */
export function standing(
  field: Field,
  lookup: (name: string) => unknown,
): { visible: boolean; required: boolean } {
  return {
    // What was withdrawn is shown only where it holds something.
    visible:
      field.retired !== true &&
      (field.visible_when === undefined || holds(field.visible_when, lookup)),
    // What the system fills in is nobody's duty.
    required:
      field.automatic !== true &&
      (field.required === true ||
        (field.required_when !== undefined && holds(field.required_when, lookup))),
  };
}

/** How a name is looked up: values first, then (names with a dot) elsewhere. */
export function lookupIn(values: Values, outside: Values = {}): (name: string) => unknown {
  return (name) => (name in values ? values[name] : outside[name]);
}

/** Strict ISO: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`; the day must exist. */
export function isIso(text: string): boolean {
  const match = /^([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?$/.exec(text);
  if (!match) return false;
  const [, year = '', month, day] = match;
  if (Number(year) === 0) return false;
  if (month === undefined) return true;
  if (Number(month) < 1 || Number(month) > 12) return false;
  if (day === undefined) return true;
  return Number(day) >= 1 && `${year}-${month}-${day}` <= spanOf(`${year}-${month}`).last;
}

function isIsoDatetime(text: string): boolean {
  if (text.length === 10) return isIso(text);
  const match = /^(.{10})T([0-9]{2}):([0-9]{2})$/.exec(text);
  return match !== null && isIso(match[1] ?? '') && Number(match[2]) < 24 && Number(match[3]) < 60;
}

/** Checks the values of a form. Issues in the order of the screen, checks across fields last. */
export function validate(definition: FormDefinition, values: Values, context: Context): Issue[] {
  const run = new Run(definition, values, context);
  const known = new Set(fieldsOf(definition).map((field) => field.id));
  for (const key of Object.keys(values)) if (!known.has(key)) run.raise('', 'unknown_field');
  for (const field of fieldsOf(definition)) run.field(field);
  for (const check of definition.checks ?? []) run.check(check);
  return run.issues;
}

class Run {
  readonly issues: Issue[] = [];
  readonly #lookup: (name: string) => unknown;

  constructor(
    readonly definition: FormDefinition,
    readonly values: Values,
    readonly context: Context,
  ) {
    this.#lookup = lookupIn(values, context.outside);
  }

  raise(
    path: string,
    code: string,
    severity: Severity = 'error',
    params?: Record<string, string>,
  ): void {
    this.issues.push({ path, code, severity, ...(params ? { params } : {}) });
  }

  field(field: Field): void {
    const value = this.values[field.id];
    const { visible, required } = standing(field, this.#lookup);
    this.#value(field.id, field, value, visible, required);
    if (field.type === 'table' && Array.isArray(value)) this.#rows(field, value);
    this.#otherText(field, value);
  }

  #rows(field: Field, rows: readonly unknown[]): void {
    const most = field.limits?.max_rows ?? MAX_ROWS;
    if (rows.length > most) this.raise(field.id, 'too_many_rows', 'error', { max: String(most) });
    rows.forEach((row, at) => {
      if (!isRow(row)) {
        this.raise(field.id, 'wrong_type');
        return;
      }
      const columns = field.columns ?? [];
      const id = typeof row.id === 'string' ? row.id : String(at + 1);
      const known = new Set(['id', 'order', ...columns.map((column) => column.id)]);
      if (Object.keys(row).some((key) => !known.has(key))) this.raise(field.id, 'unknown_field');
      if (columns.every((column) => isEmpty(row[column.id]))) return;
      const lookup = (name: string) => (name in row ? row[name] : this.#lookup(name));
      for (const column of columns) {
        const { visible, required } = standing(column, lookup);
        this.#value(`${field.id}/${id}/${column.id}`, column, row[column.id], visible, required);
      }
    });
  }

  #value(path: string, field: Field, value: unknown, visible: boolean, required: boolean): void {
    const filled = !isEmpty(value) || wrongContainer(field, value);
    if (!filled) {
      if (visible && required && field.type !== 'calc') this.raise(path, 'required');
      return;
    }
    if (!visible && field.retired !== true) this.raise(path, 'not_applicable', 'warning');
    switch (field.type) {
      case 'text':
      case 'textarea':
        if (typeof value === 'string') this.#text(path, field, value);
        else this.raise(path, 'wrong_type');
        return;
      case 'int':
      case 'number':
        if (typeof value === 'number') this.#number(path, field, value);
        else this.raise(path, 'wrong_type');
        return;
      case 'date':
        if (typeof value !== 'string') this.raise(path, 'wrong_type');
        else if (isIso(value) && (value.length === 10 || field.limits?.partial_date))
          this.#date(path, field, spanOf(value).first);
        else this.raise(path, 'invalid_date');
        return;
      case 'datetime':
        if (typeof value !== 'string') this.raise(path, 'wrong_type');
        else if (isIsoDatetime(value)) this.#date(path, field, value.slice(0, 10));
        else this.raise(path, 'invalid_date');
        return;
      case 'bool':
        if (typeof value !== 'boolean') this.raise(path, 'wrong_type');
        return;
      case 'select':
        if (typeof value !== 'string') this.raise(path, 'wrong_type');
        else if (!optionsOf(this.definition, field).some((option) => option.code === value))
          this.raise(path, 'unknown_option');
        return;
      case 'multiselect':
        this.#options(path, field, value);
        return;
      case 'table':
        if (!Array.isArray(value)) this.raise(path, 'wrong_type');
        return;
      case 'calc':
        this.raise(path, 'unknown_field');
        return;
      default:
        if (typeof value !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(value))
          this.raise(path, 'wrong_type');
    }
  }

  #text(path: string, field: Field, text: string): void {
    const length = [...text].length;
    const max = maxChars(field);
    if (length > max)
      this.raise(path, 'too_long', 'error', { max: String(max), length: String(length) });
    for (const { start, end } of findMyNumbers(text))
      this.raise(path, 'my_number', 'error', { start: String(start), end: String(end) });
    const format = field.limits?.format;
    if (format && !fits(format, text)) this.raise(path, 'invalid_format', 'warning', { format });
  }

  #number(path: string, field: Field, value: number): void {
    const { min, max } = field.limits ?? {};
    if (field.type === 'int' && !Number.isInteger(value)) this.raise(path, 'not_integer');
    if (min !== undefined && value < min)
      this.raise(path, 'too_small', 'error', { min: String(min) });
    if (max !== undefined && value > max)
      this.raise(path, 'too_large', 'error', { max: String(max) });
  }

  #date(path: string, field: Field, first: string): void {
    const year = Number(first.slice(0, 4));
    if (year < 1868 || year > 2200) this.raise(path, 'invalid_date');
    else if (field.limits?.not_future && first > this.context.today)
      this.raise(path, 'future_date');
    if (field.pii === 'birth_date' && ageAt(first, this.context.today) > 120)
      this.raise(path, 'too_old');
  }

  #options(path: string, field: Field, value: unknown): void {
    const wellFormed = Array.isArray(value)
      ? value.every((item) => typeof item === 'string')
      : isRow(value) && Object.values(value).every((item) => typeof item === 'boolean');
    const options = optionsOf(this.definition, field);
    if (!wellFormed || options.length === 0) {
      this.raise(path, 'wrong_type');
      return;
    }
    const chosen = selectedCodes(value);
    if (chosen.some((code) => !options.some((option) => option.code === code)))
      this.raise(path, 'unknown_option');
    const exclusive = options.find((option) => option.exclusive && chosen.includes(option.code));
    if (exclusive && chosen.length > 1)
      this.raise(path, 'exclusive_option', 'error', { option: exclusive.code });
  }

  /** 「その他」 is chosen and the field that says more is empty. */
  #otherText(field: Field, value: unknown): void {
    const other = field.other_field;
    if (other === undefined || isEmpty(value)) return;
    const options = optionsOf(this.definition, field);
    const asks = (code: string) => options.find((option) => option.code === code)?.text === true;
    const chosen = typeof value === 'string' ? asks(value) : selectedCodes(value).some(asks);
    const target = fieldAt(this.definition, other);
    if (!chosen || !target || !isEmpty(this.values[other])) return;
    const already =
      standing(target, this.#lookup).required || this.issues.some((issue) => issue.path === other);
    if (!already) this.raise(other, 'other_text_missing', 'warning');
  }

  check(check: Check): void {
    if (check.kind === 'order') {
      const known = check.dates.flatMap((name) => {
        const value = this.#lookup(name);
        const iso = typeof value === 'string' ? value.slice(0, 10) : '';
        return isIso(iso) ? [{ name, ...spanOf(iso) }] : [];
      });
      for (let i = 1; i < known.length; i += 1) {
        const [earlier, later] = [known[i - 1], known[i]];
        if (!earlier || !later || earlier.first <= later.last) continue;
        const path = later.name.includes('.') ? earlier.name : later.name;
        this.raise(path, 'date_order', check.severity, {
          earlier: earlier.name,
          later: later.name,
        });
      }
    } else if (check.kind === 'within') {
      const code = this.#lookup(check.field);
      if (typeof code === 'string' && !selectedCodes(this.#lookup(check.of)).includes(code))
        this.raise(check.field, 'not_within', check.severity, { of: check.of });
    } else if (holds(check.when, this.#lookup)) this.raise(check.field, check.code, check.severity);
  }
}

/** A list or map where none belongs, although it counts as empty. */
function wrongContainer(field: Field, value: unknown): boolean {
  if (Array.isArray(value)) return field.type !== 'multiselect' && field.type !== 'table';
  return isRow(value) && field.type !== 'multiselect';
}

/** Whether a text has the form; digits may be full width. */
function fits(format: 'phone' | 'postal_code' | 'email' | 'kana', input: string): boolean {
  const text = input.trim().normalize('NFKC');
  switch (format) {
    case 'phone': {
      const digits = text.replace(/[^0-9]/g, '').length;
      return digits >= 9 && digits <= 20;
    }
    case 'postal_code':
      return /^[0-9]{7}$/.test(
        text
          .replace(/^〒+/, '')
          .trim()
          .replace(/[-‐‑–—−ー―]/gu, ''),
      );
    case 'email': {
      const at = text.indexOf('@');
      if (at <= 0) return false;
      const host = text.slice(at + 1);
      return (
        host.includes('.') &&
        !host.startsWith('.') &&
        !host.endsWith('.') &&
        !host.includes('@') &&
        !/\p{White_Space}/u.test(text)
      );
    }
    case 'kana':
      return /^[\u3041-\u309f\u30a0-\u30ff \u3000()]*$/u.test(text);
  }
}

/** The value of a calculated field; null where the inputs are missing. */
export function calculate(
  definition: FormDefinition,
  field: Field,
  values: Values,
  on: string,
  outside: Values = {},
): Scalarish {
  const how = field.calculation;
  if (!how) return null;
  const lookup = lookupIn(values, outside);
  const rowsOf = (name: string): Record<string, unknown>[] => {
    const value = lookup(name);
    return Array.isArray(value) ? value.filter(isRow) : [];
  };
  if (how.kind === 'sum') {
    const numbers = how.fields
      .flatMap((name) => {
        const [table = '', column] = name.split('/');
        return column === undefined ? [lookup(name)] : rowsOf(table).map((row) => row[column]);
      })
      .filter((value): value is number => typeof value === 'number');
    return numbers.length === 0 ? null : numbers.reduce((sum, value) => sum + value, 0);
  }
  if (how.kind === 'count_rows')
    return rowsOf(how.table).filter((row) =>
      holds(how.when, (name) => (name in row ? row[name] : lookup(name))),
    ).length;
  if (how.kind === 'days') {
    const [from, to] = [dayNumber(lookup(how.from)), dayNumber(lookup(how.to))];
    return from === null || to === null ? null : to - from;
  }
  if (how.kind === 'date_after') return dateAfter(lookup(how.date), how.months, how.days);
  if (how.kind === 'count') {
    let count = 0;
    for (const name of how.fields) {
      const source = fieldAt(definition, name);
      const value = values[name];
      if (!source || value === undefined) continue;
      const options = optionsOf(definition, source);
      if (options.length > 0)
        count += selectedCodes(value).filter((code) =>
          options.some((option) => option.code === code && !option.exclusive),
        ).length;
      else if (Array.isArray(value)) count += value.length;
    }
    return count;
  }
  const birth = values[how.birth_date];
  const estimated = how.estimated === undefined ? undefined : values[how.estimated];
  let age: number | null = null;
  if (typeof birth === 'string' && isIso(birth)) {
    const years = ageAt(spanOf(birth).first, on);
    age = years >= 0 ? years : null;
  } else if (typeof estimated === 'number' && estimated >= 0 && estimated <= 150) age = estimated;
  if (how.kind === 'age') return age;
  if (age === null) return '99';
  if (age < 20) return 'u10';
  return String(Math.min(70, Math.floor(age / 10) * 10));
}

type Scalarish = string | number | null;

/** Length of a day in ms, UTC. */
const DAY = 86_400_000;

/** Days since 1970 of a whole ISO date (the day of a date with a time). */
function dayNumber(value: unknown): number | null {
  const text = typeof value === 'string' ? value.slice(0, 10) : '';
  return text.length === 10 && isIso(text) ? Date.parse(`${text}T00:00:00Z`) / DAY : null;
}

/** The same day so many months, then days, later; the last day of a shorter month. */
function dateAfter(value: unknown, months: number, days: number): string | null {
  if (dayNumber(value) === null) return null;
  const [year = 0, month = 1, day = 1] = String(value).slice(0, 10).split('-').map(Number);
  const last = new Date(Date.UTC(year, month - 1 + months + 1, 0)).getUTCDate();
  const at = Date.UTC(year, month - 1 + months, Math.min(day, last)) + days * DAY;
  return new Date(at).toISOString().slice(0, 10);
}

/** What to tell people about an issue: which field, what is wrong, what to do. */
export function issueText(definition: FormDefinition, issue: Issue): string {
  const label = labelAt(definition, issue.path);
  const field = fieldAt(definition, issue.path);
  const param = (name: string) => issue.params?.[name] ?? '';
  const about = (rest: string) => (label === '' ? `入力内容${rest}` : `「${label}」${rest}`);
  switch (issue.code) {
    case 'required':
      return about(
        field?.type === 'select' || field?.type === 'multiselect'
          ? 'を選んでください。'
          : 'を入力してください。',
      );
    case 'unknown_field':
      return about('にこの様式にない項目が含まれています。画面を読み込み直してください。');
    case 'wrong_type':
      return about('の形式が正しくありません。入力し直してください。');
    case 'unknown_option':
      return about('に選択肢にない値があります。選び直してください。');
    case 'exclusive_option': {
      const option = field ? optionLabel(definition, field, param('option')) : '';
      return about(`の「${option}」はほかの選択肢と同時に選べません。どちらかを外してください。`);
    }
    case 'too_long':
      return about(`は${param('max')}文字以内で入力してください（現在${param('length')}文字）。`);
    case 'too_small':
      return about(`は${param('min')}以上で入力してください。`);
    case 'too_large':
      return about(`は${param('max')}以下で入力してください。`);
    case 'not_integer':
      return about('は整数で入力してください。');
    case 'invalid_date':
      return about(
        'の日付を確認してください。「昭和45年3月12日」「1970-03-12」のように入力してください。',
      );
    case 'future_date':
      return about('が今日より後の日付です。日付を確認してください。');
    case 'too_old':
      return about('が120年より前の日付です。年を確認してください。');
    case 'too_many_rows':
      return about(`は${param('max')}行までです。行を減らしてください。`);
    case 'my_number':
      return about(
        'にマイナンバー（個人番号）と思われる12桁の数字があります。個人番号は記録できません。削除してください。',
      );
    case 'invalid_format':
      return about(`が${FORMATS[param('format')] ?? ''}の形式ではないようです。確認してください。`);
    case 'not_applicable':
      return about(
        'は、いまの回答では使わない項目です。値が残っています。不要なら消してください。',
      );
    case 'other_text_missing':
      return about('に、選んだ選択肢の内容を書いてください。');
    case 'not_within':
      return about(`は「${labelAt(definition, param('of'))}」で選んだものから選んでください。`);
    case 'date_order':
      return `「${labelAt(definition, param('earlier'))}」が「${labelAt(definition, param('later'))}」より後になっています。日付を確認してください。`;
    default: {
      const raised = definition.checks?.find(
        (check) => check.kind === 'raise' && check.code === issue.code,
      );
      return raised?.kind === 'raise'
        ? `「${label}」：${raised.message}`
        : `「${label}」の値を確認してください。`;
    }
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  phone: '電話番号',
  postal_code: '郵便番号',
  email: 'メールアドレス',
  kana: 'ふりがな',
};
