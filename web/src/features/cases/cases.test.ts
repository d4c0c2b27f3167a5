import { describe, expect, it } from 'vitest';
import { ageOn, ageText, ago, dateTime, daysSince, monthDay, shortDay, wareki } from './dates';
import { covers, flag, levelOf, stageLabel, stepStates, urgency, widens } from './vocabulary';

describe('dates', () => {
  it('shows month, day and weekday, and the year only when it differs', () => {
    expect(monthDay('2026-11-20', '2026-11-24')).toBe('11/20（金）');
    expect(monthDay('2025-11-20', '2026-11-24')).toBe('令和7年11月20日（木）');
    expect(shortDay('2025-11-20', '2026-11-24')).toBe('R7.11.20');
    expect(shortDay('2026-11-20', '2026-11-24')).toBe('11/20（金）');
    expect(dateTime('2025-11-19T20:05:00Z', 'Asia/Tokyo')).toBe('令和7年11月20日 05:05');
    expect(dateTime('2025-11-19T20:05:00Z', 'UTC')).toBe('令和7年11月19日 20:05');
    expect(monthDay(null)).toBe('');
  });

  it('counts days across months', () => {
    expect(daysSince('2026-10-30', '2026-11-24')).toBe(25);
    expect(ago('2026-11-24', '2026-11-24')).toBe('今日');
    expect(ago('2026-11-20', '2026-11-24')).toBe('4日前');
    expect(ago('2026-11-25', '2026-11-24')).toBe('1日後');
    expect(ago('2026-05-01', '2026-11-24')).toBe('6か月前');
  });

  it('lets nobody grow older after death', () => {
    expect(ageText({ age: 54 })).toBe('54歳');
    expect(ageText({ age: 71, age_about: true })).toBe('約71歳');
    expect(ageText({ age: 71, age_about: true, deceased: true })).toBe('故人（享年約71）');
    expect([wareki('1955~'), wareki('1955-03'), wareki('x')]).toEqual([
      '昭和30年頃',
      '昭和30年3月',
      '',
    ]);
    expect(ageOn('1955~', '2026-11-24')).toBe(71);
    expect(ageText({ age: 84, deceased: true })).toBe('故人（享年84）');
    expect(ageText({ age: null, deceased: true })).toBe('故人');
    expect(ageText({ age: null })).toBe('');
  });

  it('writes eras and ages', () => {
    expect(wareki('2026-11-20')).toBe('令和8年11月20日');
    expect(wareki('2019-05-01')).toMatch(/^令和(元|1)年5月1日$/);
    expect(ageOn('1972-03-12', '2026-03-11')).toBe(53);
    expect(ageOn('1972-03-12', '2026-03-12')).toBe(54);
    expect(ageOn('2030-01-01', '2026-03-12')).toBeNull();
  });
});

describe('stage steps', () => {
  it('marks open consent behind the case as unfinished', () => {
    const states = stepStates('assessing', [{ status: 'full' }, { status: 'unconfirmed' }]);
    expect(states.slice(0, 5)).toEqual(['done', 'done', 'part', 'now', 'todo']);
  });

  it('has nothing left to do once closed', () => {
    expect(new Set(stepStates('closed', []))).toEqual(new Set(['done']));
  });

  it('shows unknown codes instead of hiding them', () => {
    expect(stageLabel('brand_new')).toBe('brand_new');
    expect(flag('brand_new').label).toBe('brand_new');
    expect(urgency(undefined).label).toBe('未確認');
  });
});

describe('levels', () => {
  it('treats anything unknown as not disclosed', () => {
    expect(levelOf('superuser')).toBe('none');
    expect(levelOf(undefined)).toBe('none');
    expect(levelOf('edit')).toBe('edit');
  });

  it('knows widening from narrowing', () => {
    expect(widens('masked', 'read')).toBe(true);
    expect(widens('edit', 'read')).toBe(false);
  });

  it('takes only given consent as cover', () => {
    expect(['full', 'limited', 'verbal'].every(covers)).toBe(true);
    expect(['unconfirmed', 'refused', 'withdrawn', 'incapable', 'expired'].some(covers)).toBe(
      false,
    );
  });
});
