/**
 * Reading and writing Japanese dates. The same vectors (`datasets/vectors/wareki.json`) run
 * against the Rust and the TypeScript reader, so that browser and server agree.
 */

interface Era {
  code: 'M' | 'T' | 'S' | 'H' | 'R';
  name: string;
  short: string;
  /** First day, ISO. */
  from: string;
  /** Last day, ISO; null while it runs. */
  to: string | null;
}

/** Eras newest first. 昭和 ends on 1989-01-07, 平成 begins the day after. */
const ERAS: readonly Era[] = [
  { code: 'R', name: '令和', short: '令', from: '2019-05-01', to: null },
  { code: 'H', name: '平成', short: '平', from: '1989-01-08', to: '2019-04-30' },
  { code: 'S', name: '昭和', short: '昭', from: '1926-12-25', to: '1989-01-07' },
  { code: 'T', name: '大正', short: '大', from: '1912-07-30', to: '1926-12-24' },
  { code: 'M', name: '明治', short: '明', from: '1868-01-25', to: '1912-07-29' },
];

/** Why a text is not a date. */
export type DateProblem = 'empty' | 'invalid_date' | 'era_range';

/** A read date, or why not. */
export type DateReading = { ok: true; iso: string } | { ok: false; problem: DateProblem };

const KANJI_DIGITS = '〇一二三四五六七八九';

/** 全角 → 半角 for digits, letters and the separators people type; nothing else is touched. */
function halfWidth(text: string): string {
  return text
    .replace(/[０-９Ａ-Ｚａ-ｚ]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0))
    .replace(/[．。・]/g, '.')
    .replace(/[／]/g, '/')
    .replace(/[－ー―−‐–—]/g, '-')
    .replace(/[\s　]+/g, '');
}

/** 二十三 → 23, 元 → 1. Only numbers below 100 occur in dates of this kind. */
function kanjiNumber(text: string): string {
  if (text === '元') return '1';
  if (!/^[〇一二三四五六七八九十]+$/.test(text)) return text;
  if (!text.includes('十')) return [...text].map((c) => KANJI_DIGITS.indexOf(c)).join('');
  const [tens, ones] = text.split('十');
  const t = tens ? KANJI_DIGITS.indexOf(tens) : 1;
  const o = ones ? KANJI_DIGITS.indexOf(ones) : 0;
  return String(t * 10 + o);
}

/** Whether a day exists, in the proleptic Gregorian calendar. */
function isoOf(year: number, month: number, day: number): string | null {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return null;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  if (day > days) return null;
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}

const NUMBER = '([0-9]{1,4}|[元〇一二三四五六七八九十]+)';
const ERA_DATE = new RegExp(
  `^(令和|平成|昭和|大正|明治|令|平|昭|大|明|[RHSTMrhstm])[.-]?${NUMBER}(?:年|[./-])${NUMBER}(?:月|[./-])${NUMBER}日?(?:\\(.\\)|（.）)?$`,
);
const SEPARATED = new RegExp(
  `^([0-9]{4})(?:年|[./-])${NUMBER}(?:月|[./-])${NUMBER}日?(?:\\(.\\)|（.）)?$`,
);
const COMPACT = /^([0-9]{4})([0-9]{2})([0-9]{2})$/;
const ERA_COMPACT = /^([RHSTMrhstm])([0-9]{2})([0-9]{2})([0-9]{2})$/;

/**
 * Reads a date in wareki, ISO or the ways people write them, 全角 or 半角.
 * 昭和65年 is refused with `era_range`: the writer must say which day was meant.
 */
export function readDate(text: string): DateReading {
  const raw = halfWidth(text);
  if (raw === '') return { ok: false, problem: 'empty' };
  const western = COMPACT.exec(raw) ?? SEPARATED.exec(raw);
  if (western) {
    const [, y, m, d] = western;
    const iso = isoOf(Number(y), Number(kanjiNumber(m ?? '')), Number(kanjiNumber(d ?? '')));
    return iso ? { ok: true, iso } : { ok: false, problem: 'invalid_date' };
  }
  const japanese = ERA_COMPACT.exec(raw) ?? ERA_DATE.exec(raw);
  if (!japanese) return { ok: false, problem: 'invalid_date' };
  const [, mark = '', y = '', m = '', d = ''] = japanese;
  const era = ERAS.find(
    (e) => e.name === mark || e.short === mark || e.code === mark.toUpperCase(),
  );
  const year = Number(kanjiNumber(y));
  if (!era || !Number.isFinite(year) || year < 1) return { ok: false, problem: 'invalid_date' };
  const iso = isoOf(
    Number(era.from.slice(0, 4)) + year - 1,
    Number(kanjiNumber(m)),
    Number(kanjiNumber(d)),
  );
  if (!iso) return { ok: false, problem: 'invalid_date' };
  if (iso < era.from || (era.to !== null && iso > era.to))
    return { ok: false, problem: 'era_range' };
  return { ok: true, iso };
}

/** Parts of an ISO date in its era, or null before 明治. */
function eraParts(iso: string): { era: Era; year: number; month: number; day: number } | null {
  const era = ERAS.find((e) => iso >= e.from);
  if (!era) return null;
  return {
    era,
    year: Number(iso.slice(0, 4)) - Number(era.from.slice(0, 4)) + 1,
    month: Number(iso.slice(5, 7)),
    day: Number(iso.slice(8, 10)),
  };
}

/** 2026-11-24 → 令和8年11月24日; the first year is 元年. Before 明治 the western year. */
export function formatWareki(iso: string): string {
  const parts = eraParts(iso);
  if (!parts)
    return `${Number(iso.slice(0, 4))}年${Number(iso.slice(5, 7))}月${Number(iso.slice(8, 10))}日`;
  const year = parts.year === 1 ? '元' : String(parts.year);
  return `${parts.era.name}${year}年${parts.month}月${parts.day}日`;
}

/** 2026-11-24 → R8.11.24 */
export function formatWarekiShort(iso: string): string {
  const parts = eraParts(iso);
  if (!parts) return iso;
  return `${parts.era.code}${parts.year}.${parts.month}.${parts.day}`;
}

/** Full years between two ISO dates; a person born on 29 February ages on 1 March. */
export function ageAt(birth: string, on: string): number {
  const years = Number(on.slice(0, 4)) - Number(birth.slice(0, 4));
  return on.slice(5) < birth.slice(5) ? years - 1 : years;
}

/** 四月始まり: 2027-03-31 → 2026. */
export function fiscalYear(iso: string): number {
  const year = Number(iso.slice(0, 4));
  return Number(iso.slice(5, 7)) < 4 ? year - 1 : year;
}
