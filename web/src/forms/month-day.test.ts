import { describe, expect, it } from 'vitest';
import { readTypedDate } from './month-day';

const today = '2026-11-30';
const past = (text: string, on = today) => readTypedDate(text, { notAfter: on }, { today: on });
const near = (text: string, on = today) => readTypedDate(text, {}, { today: on });
const ahead = (text: string, on = today) => readTypedDate(text, {}, { today: on, ahead: true });

describe('a day without its year', () => {
  it.each(['11/20', '１１／２０', '11-20', '11月20日', '11月20', '11/20（金）', ' 11 / 20 '])(
    'reads %s',
    (text) => expect(past(text)).toEqual({ ok: true, iso: '2026-11-20' }),
  );

  it('is the latest such day where later ones are refused', () => {
    expect(past('11/30')).toEqual({ ok: true, iso: '2026-11-30' });
    expect(past('12/1')).toEqual({ ok: true, iso: '2025-12-01' });
    expect(past('12/28', '2027-01-04')).toEqual({ ok: true, iso: '2026-12-28' });
  });

  it('is the nearest one otherwise, and the next one for a deadline', () => {
    expect(near('1/10')).toEqual({ ok: true, iso: '2027-01-10' });
    expect(near('10/1')).toEqual({ ok: true, iso: '2026-10-01' });
    expect(near('12/25', '2027-01-04')).toEqual({ ok: true, iso: '2026-12-25' });
    expect(ahead('10/1')).toEqual({ ok: true, iso: '2027-10-01' });
    expect(ahead('11/30')).toEqual({ ok: true, iso: '2026-11-30' });
  });

  it('says what is wrong with a day that does not exist', () => {
    expect(past('11/31')).toMatchObject({ ok: false, problem: { code: 'invalid_day', last: 30 } });
    expect(past('2/29')).toMatchObject({ ok: false, problem: { code: 'invalid_day', last: 28 } });
    expect(past('13/1')).toMatchObject({ ok: false, problem: { code: 'unreadable' } });
  });

  it('is not read where the year is the point, and never instead of a whole date', () => {
    expect(readTypedDate('11/20', {}, undefined)).toMatchObject({ ok: false });
    expect(past('R8.11.20')).toEqual({ ok: true, iso: '2026-11-20' });
    expect(past('2026/12/1')).toMatchObject({ ok: false, problem: { code: 'future' } });
  });
});
