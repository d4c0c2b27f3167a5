import { readDate, type DateOptions, type DateReading } from './wareki';

/** What a day without its year may mean. */
export interface YearGuess {
  /** ISO. */
  today: string;
  /** The day lies ahead: a deadline, the end of a term. */
  ahead?: boolean;
}

/**
 * Reads a date as {@link readDate} does, and also a day without its year as these screens show it:
 * `11/20`, `11月20日`, `11/20（金）`. Where later days are refused it is the latest such day, with
 * `ahead` the next one, otherwise the one nearest to today.
 */
export function readTypedDate(
  text: string,
  limits: DateOptions,
  guess: YearGuess | undefined,
): DateReading {
  const plain = text
    .normalize('NFKC')
    .replace(/\p{White_Space}/gu, '')
    .replace(/\([月火水木金土日]\)$/u, '');
  const found = /^(\d{1,2})(?:[/-](\d{1,2})|月(\d{1,2})日?)$/u.exec(plain);
  const month = Number(found?.[1]);
  if (!guess || !found || month < 1 || month > 12) return readDate(text, limits);
  const day = found[2] ?? found[3] ?? '';
  const on = (year: number): string =>
    `${year}-${String(month).padStart(2, '0')}-${day.padStart(2, '0')}`;
  return readDate(on(yearFor(on, limits.notAfter, guess)), limits);
}

function yearFor(
  on: (year: number) => string,
  notAfter: string | undefined,
  { today, ahead }: YearGuess,
): number {
  const year = Number(today.slice(0, 4));
  if (notAfter !== undefined) {
    const last = Number(notAfter.slice(0, 4));
    return on(last) <= notAfter ? last : last - 1;
  }
  if (ahead) return on(year) >= today ? year : year + 1;
  const away = (other: number): number => Math.abs(Date.parse(on(other)) - Date.parse(today));
  return [year, year - 1, year + 1].reduce((best, other) =>
    away(other) < away(best) ? other : best,
  );
}
