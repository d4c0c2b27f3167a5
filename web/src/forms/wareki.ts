/**
 * Reading and writing Japanese dates; the twin of `server/domain/src/wareki.rs`. Both run the
 * vectors in `datasets/vectors/wareki.json`, so that browser and server read alike.
 */

type EraCode = 'M' | 'T' | 'S' | 'H' | 'R';

interface Era {
  code: EraCode;
  name: string;
  /** First and last day, ISO; the running era has no last day. */
  first: string;
  last: string | null;
}

const ERAS: readonly Era[] = [
  { code: 'M', name: '明治', first: '1868-01-25', last: '1912-07-29' },
  { code: 'T', name: '大正', first: '1912-07-30', last: '1926-12-24' },
  { code: 'S', name: '昭和', first: '1926-12-25', last: '1989-01-07' },
  { code: 'H', name: '平成', first: '1989-01-08', last: '2019-04-30' },
  { code: 'R', name: '令和', first: '2019-05-01', last: null },
];

/** Year before the era's first. */
const base = (era: Era) => Number(era.first.slice(0, 4)) - 1;
const eraOf = (iso: string) => ERAS.findLast((era) => iso >= era.first) ?? null;
const yearJa = (year: number) => (year === 1 ? '元年' : `${year}年`);

/** Why a text is no date: a stable code, and what the words need. */
export type DateProblem =
  | { code: 'empty' | 'unreadable' | 'invalid_year' | 'incomplete' }
  | { code: 'future' | 'too_old' | 'out_of_range' }
  | {
      code: 'after_era';
      era: EraCode;
      last_year: number;
      last_month: number;
      last_day: number;
      next: EraCode | null;
      next_year: number | null;
    }
  | {
      code: 'before_era';
      era: EraCode;
      first_month: number;
      first_day: number;
      previous: EraCode | null;
      previous_year: number | null;
    }
  | { code: 'invalid_month'; month: number }
  | { code: 'invalid_day'; year: number; month: number; last: number };

/**
 * A read date (`YYYY-MM-DD`; with `partial` also `YYYY-MM`, `YYYY`, both with `~` behind them where
 * they are about right only), or why not.
 */
export type DateReading = { ok: true; iso: string } | { ok: false; problem: DateProblem };

/** What may be entered. */
export interface DateOptions {
  /** A year, or year and month, is enough. */
  partial?: boolean;
  /** ISO; days after it are an error. */
  notAfter?: string;
  /** ISO; days more than 120 years before it are an error. */
  ageOn?: string;
}

class Unreadable extends Error {
  constructor(readonly problem: DateProblem) {
    super(problem.code);
  }
}

const fail = (problem: DateProblem): never => {
  throw new Unreadable(problem);
};

/** Days of a month. */
function lastDay(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 31;
}

const two = (value: number) => String(value).padStart(2, '0');

/** First and last day that a partial date may mean. */
export function spanOf(iso: string): { first: string; last: string } {
  const [year = '', month, day] = iso.replace('~', '').split('-');
  if (month === undefined) return { first: `${year}-01-01`, last: `${year}-12-31` };
  if (day === undefined)
    return {
      first: `${year}-${month}-01`,
      last: `${year}-${month}-${two(lastDay(Number(year), Number(month)))}`,
    };
  return { first: iso, last: iso };
}

/**
 * Reads a date: `S45.3.12`, `昭和45年3月12日`, `昭和四十五年三月十二日`, `令和元年5月1日`,
 * `1970-03-12`, `1970/3/12`, `19700312`, half or full width, with blanks between the parts.
 */
export function readDate(text: string, options: DateOptions = {}): DateReading {
  try {
    return { ok: true, iso: read(text, options) };
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, problem: error.problem };
    throw error;
  }
}

function read(input: string, options: DateOptions): string {
  let text = input.normalize('NFKC').replace(/\p{White_Space}/gu, '');
  if (text === '') fail({ code: 'empty' });
  let about = false;
  if (options.partial)
    for (const ending of ['(推定)', '推定', '頃', 'ごろ', '~'])
      if (text.endsWith(ending)) {
        text = text.slice(0, -ending.length);
        about = true;
      }
  for (const ending of ['生まれ', '生'])
    if (text.endsWith(ending)) text = text.slice(0, -ending.length);
  text = text.replace(/\([月火水木金土日]\)$/u, '');
  const { era, rest } = splitEra(text);
  const [year, month, day] = splitNumbers(rest, era !== null);
  if (year === null) return fail({ code: 'unreadable' });
  if (month !== null && (month < 1 || month > 12)) fail({ code: 'invalid_month', month });
  if (era && year < 1) fail({ code: 'invalid_year' });
  const western = era ? base(era) + year : year;
  if (western < 1868 || western > 2200) {
    if (era?.last && western > 2200) fail(afterEra(era, western));
    fail({ code: 'out_of_range' });
  }
  if (day !== null) {
    if (month === null) return fail({ code: 'unreadable' });
    const last = lastDay(western, month);
    if (day < 1 || day > last) fail({ code: 'invalid_day', year: western, month, last });
  }
  let iso = String(western);
  if (month !== null) iso += `-${two(month)}`;
  if (day !== null) iso += `-${two(day)}`;
  const span = spanOf(iso);
  if (era) {
    if (era.last !== null && span.first > era.last) fail(afterEra(era, western));
    if (span.last < era.first) {
      const previous = eraOf(span.first);
      fail({
        code: 'before_era',
        era: era.code,
        first_month: Number(era.first.slice(5, 7)),
        first_day: Number(era.first.slice(8, 10)),
        previous: previous?.code ?? null,
        previous_year: previous ? western - base(previous) : null,
      });
    }
  }
  if (!options.partial && iso.length < 10) fail({ code: 'incomplete' });
  if (options.notAfter !== undefined && span.first > options.notAfter) fail({ code: 'future' });
  if (options.ageOn !== undefined && ageAt(span.last, options.ageOn) > 120)
    fail({ code: 'too_old' });
  return about && iso.length < 10 ? `${iso}~` : iso;
}

function afterEra(era: Era, western: number): DateProblem {
  // The year's last day decides, so that 昭和64年2月 points to 平成元年.
  const next = western <= 2200 ? eraOf(`${western}-12-31`) : null;
  const last = era.last ?? '9999-12-31';
  return {
    code: 'after_era',
    era: era.code,
    last_year: Number(last.slice(0, 4)) - base(era),
    last_month: Number(last.slice(5, 7)),
    last_day: Number(last.slice(8, 10)),
    next: next?.code ?? null,
    next_year: next ? western - base(next) : null,
  };
}

function splitEra(text: string): { era: Era | null; rest: string } {
  for (const era of ERAS) {
    if (text.startsWith(era.name)) return { era, rest: text.slice(era.name.length) };
    if (text.startsWith(era.name.charAt(0)) && /^.[0-9元]/u.test(text))
      return { era, rest: text.slice(1) };
    if (text.charAt(0).toUpperCase() === era.code)
      return { era, rest: text.slice(text.charAt(1) === '.' ? 2 : 1) };
  }
  return { era: null, rest: text };
}

type Numbers = [number | null, number | null, number | null];

/** Up to three numbers: year, month, day. */
function splitNumbers(text: string, era: boolean): Numbers {
  if (/^[0-9]+$/.test(text)) {
    const cut = (from: number, to: number) => Number(text.slice(from, to));
    if (!era && text.length === 8) return [cut(0, 4), cut(4, 6), cut(6, 8)];
    if (!era && text.length === 6) return [cut(0, 4), cut(4, 6), null];
    // S450312 as written in older registers.
    if (era && text.length === 6) return [cut(0, 2), cut(2, 4), cut(4, 6)];
    if (era ? text.length <= 3 : text.length === 4) return [Number(text), null, null];
    return fail({ code: 'unreadable' });
  }
  const parts: string[] = [];
  if (text.includes('年')) {
    const at = text.indexOf('年');
    parts.push(text.slice(0, at));
    const rest = text.slice(at + 1);
    if (rest !== '') {
      const month = rest.indexOf('月');
      if (month < 0) return fail({ code: 'unreadable' });
      parts.push(rest.slice(0, month));
      const tail = rest.slice(month + 1);
      if (tail !== '') parts.push(tail.endsWith('日') ? tail.slice(0, -1) : tail);
    }
  } else parts.push(...text.split(/[./\-・、,−‐–。]/u));
  if (parts.length > 3) return fail({ code: 'unreadable' });
  const numbers: Numbers = [null, null, null];
  parts.forEach((part, at) => {
    const value = numeral(part, at === 0 && era);
    if (value === null) return fail({ code: 'unreadable' });
    if (at === 0 && !era && [...part].length !== 4) return fail({ code: 'unreadable' });
    numbers[at] = value;
  });
  return numbers;
}

const DIGITS = '〇一二三四五六七八九';

/** Arabic or Chinese numerals up to 9999; 元 = 1 where an era's year may stand. */
function numeral(text: string, yearOfEra: boolean): number | null {
  if (yearOfEra && text === '元') return 1;
  const length = [...text].length;
  if (length === 0 || length > 5) return null;
  if (/^[0-9]+$/.test(text)) return length <= 4 ? Number(text) : null;
  const single = (part: string) => {
    const value = [...part].length === 1 ? DIGITS.indexOf(part) : -1;
    return value < 0 ? null : value;
  };
  if (/[十廿]/.test(text)) {
    let tens: number | null;
    let ones: string;
    const at = text.indexOf('十');
    if (at >= 0) {
      tens = at === 0 ? 1 : single(text.slice(0, at));
      ones = text.slice(at + 1);
    } else {
      if (!text.startsWith('廿')) return null;
      tens = 2;
      ones = text.slice(1);
    }
    const unit = ones === '' ? 0 : single(ones);
    return tens === null || unit === null || tens === 0 ? null : tens * 10 + unit;
  }
  if (length > 4) return null;
  let sum = 0;
  for (const character of text) {
    const value = DIGITS.indexOf(character);
    if (value < 0) return null;
    sum = sum * 10 + value;
  }
  return sum;
}

const nameOf = (code: EraCode) => ERAS.find((era) => era.code === code)?.name ?? '';

/** The year that may have been meant. */
function meant(era: EraCode | null, year: number | null): string {
  return era !== null && year !== null
    ? `${nameOf(era)}${yearJa(year)}ではありませんか。`
    : '年を確認してください。';
}

/** What is wrong with a typed date, and what to do. */
export function dateProblemText(problem: DateProblem): string {
  switch (problem.code) {
    case 'empty':
      return '日付を入力してください。';
    case 'unreadable':
      return '日付として読めません。「昭和45年3月12日」「S45.3.12」「1970-03-12」のように入力してください。';
    case 'invalid_year':
      return '年を確認してください。元号の年は元年（1年）からです。';
    case 'after_era': {
      const until = `${problem.last_year}年${problem.last_month}月${problem.last_day}日`;
      return `${nameOf(problem.era)}は${until}までです。${meant(problem.next, problem.next_year)}`;
    }
    case 'before_era': {
      return `${nameOf(problem.era)}は元年${problem.first_month}月${problem.first_day}日からです。${meant(problem.previous, problem.previous_year)}`;
    }
    case 'invalid_month':
      return `${problem.month}月はありません。月は1から12で入力してください。`;
    case 'invalid_day':
      return `${problem.year}年${problem.month}月は${problem.last}日までです。日を確認してください。`;
    case 'incomplete':
      return '年月日をすべて入力してください。';
    case 'future':
      return '今日より後の日付です。日付を確認してください。';
    case 'too_old':
      return '120年より前の日付です。年を確認してください。';
    case 'out_of_range':
      return '1868年から2200年までの日付を入力してください。';
  }
}

/**
 * `昭和45年3月12日`; of a partial date what is known (`昭和30年頃`). A year in which the era changed is written
 * with both (`昭和64年・平成元年`); before 明治 in western years.
 */
export function formatWareki(iso: string): string {
  const [year = '', month, day] = iso.replace('~', '').split('-');
  const span = spanOf(iso);
  const yearIn = (era: Era | null) =>
    era ? `${era.name}${yearJa(Number(year) - base(era))}` : `${Number(year)}年`;
  const [first, last] = [eraOf(span.first), eraOf(span.last)];
  let text = first === last ? yearIn(last) : `${yearIn(first)}・${yearIn(last)}`;
  if (month !== undefined) text += `${Number(month)}月`;
  if (day !== undefined) text += `${Number(day)}日`;
  return iso.endsWith('~') ? `${text}頃` : text;
}

/** `S45.3.12`; before 明治 `1867.1.2`. */
export function formatWarekiShort(iso: string): string {
  const [year = '', month = '', day = ''] = iso.replace('~', '').split('-');
  const era = eraOf(spanOf(iso).last);
  const parts = [era ? Number(year) - base(era) : Number(year)];
  if (month !== '') parts.push(Number(month));
  if (day !== '') parts.push(Number(day));
  return `${era?.code ?? ''}${parts.join('.')}${iso.endsWith('~') ? '頃' : ''}`;
}

/** Full years on a day; born on 29 February one turns older on 1 March in common years. */
export function ageAt(birth: string, on: string): number {
  const years = Number(on.slice(0, 4)) - Number(birth.slice(0, 4));
  return on.slice(5) < birth.slice(5) ? years - 1 : years;
}

/** 四月始まり: 2027-03-31 → 2026. */
export function fiscalYear(iso: string): number {
  const year = Number(iso.slice(0, 4));
  return Number(iso.slice(5, 7)) < 4 ? year - 1 : year;
}
