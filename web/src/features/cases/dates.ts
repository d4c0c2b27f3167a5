/** Dates as people in the office read them: month/day with the weekday, and the distance in days. */

import { formatWareki, spanOf } from '../../forms/wareki';

const WEEKDAYS = ['日', '月', '火', '水', '木', '金', '土'] as const;

interface CivilDate {
  year: number;
  month: number;
  day: number;
}

/** Takes the calendar date of an ISO date; null for anything else. */
export function civil(iso: string | null | undefined): CivilDate | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})/.exec(iso ?? '');
  if (!match) return null;
  return { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
}

function dayNumber(date: CivilDate): number {
  return Math.round(Date.UTC(date.year, date.month - 1, date.day) / 86_400_000);
}

/** 「11/20（金）」; 「令和7年11月20日（木）」 when the year is not the present one. */
export function monthDay(iso: string | null | undefined, today?: string): string {
  const date = civil(iso);
  if (!date) return '';
  const weekday = WEEKDAYS[new Date(Date.UTC(date.year, date.month - 1, date.day)).getUTCDay()];
  const now = civil(today);
  return now && now.year !== date.year
    ? `${wareki(iso)}（${weekday}）`
    : `${date.month}/${date.day}（${weekday}）`;
}

/** The same where there is little room: 「R7.11.20」 when the year is not the present one. */
export function shortDay(iso: string | null | undefined, today: string): string {
  const date = civil(iso);
  if (!date || civil(today)?.year === date.year) return monthDay(iso);
  return new Intl.DateTimeFormat('ja-JP-u-ca-japanese', {
    timeZone: 'UTC',
    era: 'narrow',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
  })
    .format(new Date(Date.UTC(date.year, date.month - 1, date.day)))
    .replaceAll('/', '.');
}

/** Calendar date of an instant in the municipality's zone, as `YYYY-MM-DD`. */
export function localDate(instant: Date, zone = 'Asia/Tokyo'): string {
  if (Number.isNaN(instant.getTime())) return '';
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(instant);
  return parts;
}

/** Whole days from `iso` to `today`; negative for the future; null when a date is missing. */
export function daysSince(iso: string | null | undefined, today: string): number | null {
  const then = civil(iso);
  const now = civil(today);
  if (!then || !now) return null;
  return dayNumber(now) - dayNumber(then);
}

/** 「今日」「昨日」「4日前」「2か月前」. */
export function ago(iso: string | null | undefined, today: string): string {
  const days = daysSince(iso, today);
  if (days === null) return '';
  if (days <= -1) return `${-days}日後`;
  if (days === 0) return '今日';
  if (days === 1) return '昨日';
  if (days < 60) return `${days}日前`;
  if (days < 365) return `${Math.floor(days / 30)}か月前`;
  return `${Math.floor(days / 365)}年前`;
}

/** 「令和8年11月20日」, of a partial date what is known (「昭和30年頃」); before 1868 in Gregorian form. */
export function wareki(iso: string | null | undefined): string {
  const date = civil(iso);
  if (!date) return iso && isPartial(iso) ? formatWareki(iso) : '';
  return new Intl.DateTimeFormat('ja-JP-u-ca-japanese', {
    timeZone: 'UTC',
    era: 'long',
    year: 'numeric',
    month: 'long',
    day: 'numeric',
  }).format(new Date(Date.UTC(date.year, date.month - 1, date.day)));
}

/** 「令和8年11月20日 14:05」 of a UTC instant in the municipality's zone. */
export function dateTime(instant: string | null | undefined, zone: string): string {
  if (!instant) return '';
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) return '';
  const clock = new Intl.DateTimeFormat('ja-JP', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
  }).format(at);
  return `${wareki(localDate(at, zone))} ${clock}`;
}

/** `1955`, `1955-03`, with `~` behind it where even that is about right only. */
export function isPartial(iso: string): boolean {
  return /^\d{4}(-\d{2})?~?$/.test(iso);
}

/**
 * Age in completed years on `today` (the day before the birthday does not count here); of a partial
 * date as if its first day were it.
 */
export function ageOn(birth: string | null | undefined, today: string): number | null {
  const born = civil(birth && isPartial(birth) ? spanOf(birth).first : birth);
  const now = civil(today);
  if (!born || !now) return null;
  const before = now.month < born.month || (now.month === born.month && now.day < born.day);
  const age = now.year - born.year - (before ? 1 : 0);
  return age < 0 ? null : age;
}

/** A contact this long ago is worth a word in red; three weeks is the field's rule of thumb. */
export const QUIET_DAYS = 21;

/** 「54歳」, 「約71歳」 where the birth date is not known to the day, 「故人（享年84）」, 「故人」, or nothing. */
export function ageText(person: {
  age?: number | null;
  age_about?: boolean | null;
  deceased?: boolean | null;
}): string {
  const age = person.age == null ? null : `${person.age_about ? '約' : ''}${person.age}`;
  // Of the dead the server gives the age on the day of death, or none.
  if (person.deceased) return age === null ? '故人' : `故人（享年${age}）`;
  return age === null ? '' : `${age}歳`;
}
