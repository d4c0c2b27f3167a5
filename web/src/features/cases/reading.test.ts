import { describe, expect, it } from 'vitest';
import { Reading } from './reading';

/** Types as an input method does: what it shows step by step, then what is committed. */
function typed(reading: Reading, before: string, steps: string[], piece: string): string | null {
  for (const step of steps) reading.compose(step);
  return reading.commit(before + piece, piece);
}

describe('the reading of a name', () => {
  it('is what was typed before it was converted', () => {
    const reading = new Reading();
    expect(typed(reading, '', ['y', 'や', 'やm', 'やまだ', '山田', '矢真田', '山田'], '山田')).toBe(
      'やまだ',
    );
    expect(typed(reading, '山田', ['　'], '　')).toBe('やまだ ');
    expect(typed(reading, '山田　', ['はなｋ', 'はなこ', 'ハナコ', 'はな子'], 'はな子')).toBe(
      'やまだ はなこ',
    );
  });

  it('follows what is taken away and typed again', () => {
    const reading = new Reading();
    typed(reading, '', ['やまだ', '山打'], '山打');
    expect(reading.change('山')).toBeNull();
    expect(reading.change('')).toBe('');
    expect(typed(reading, '', ['やまだ', '山田'], '山田')).toBe('やまだ');
    expect(reading.change('山田 ')).toBe('やまだ ');
    expect(reading.change('山田')).toBe('やまだ');
  });

  it('takes kana as it is and tells nothing of what it did not see', () => {
    const reading = new Reading();
    expect(typed(reading, '', ['さくら', 'サクラ'], 'サクラ')).toBe('サクラ');
    expect(new Reading().change('山田 花子')).toBeNull();
    expect(typed(new Reading(), '山', ['だ', '田'], '田')).toBeNull();
    expect(new Reading().change('')).toBe('');
  });

  it('is not what an earlier composition left behind', () => {
    const reading = new Reading();
    reading.compose('やま');
    expect(reading.commit('', '')).toBe('');
    expect(reading.commit('山', '山')).toBeNull();
  });
});
