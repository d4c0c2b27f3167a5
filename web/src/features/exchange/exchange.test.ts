import { describe, expect, it } from 'vitest';
import {
  countsText,
  failureText,
  firstKind,
  nothingToTake,
  stateText,
  withColumn,
  withOption,
} from './api';

describe('取込・出力', () => {
  it('says how many rows become what', () => {
    expect(countsText({ create: 1200, error: 1 })).toBe('誤り 1行・新しく加える 1,200行');
    expect(countsText({})).toBe('行がありません');
    expect(firstKind({ same: 3, update: 1 })).toBe('update');
    expect(firstKind({ create: 2, error: 1 })).toBe('error');
  });

  it('says why there is nothing to bring in', () => {
    expect(nothingToTake({})).toContain('行がありません');
    expect(nothingToTake({ same: 2 })).toContain('登録してある内容と同じ');
    expect(nothingToTake({ error: 2 })).toContain('どの行にも誤り');
    expect(nothingToTake({ error: 1, same: 2 })).toContain('誤りのある行と');
  });

  it('says where an import stands, and that nothing was written', () => {
    expect(stateText({ state: 'applying', failure: null })).toBe('取り込んでいます');
    expect(stateText({ state: 'failed', failure: 'discarded' })).toBe('やめました');
    expect(failureText('expired')).toContain('24時間');
    expect(failureText('something new')).toContain('何も書き込んでいません');
  });

  it('maps names, leaves columns out and takes a choice back', () => {
    const empty = { columns: {}, options: {} };
    const named = withColumn(empty, '利用者氏名', 'name');
    expect(withColumn(named, '備考', '-').columns).toEqual({ 利用者氏名: 'name', 備考: '' });
    expect(withColumn(named, '利用者氏名', '').columns).toEqual({});
    const option = withOption(empty, 'gender', 'M', '1');
    expect(option.options).toEqual({ gender: { M: '1' } });
    expect(withOption(option, 'gender', 'M', '').options).toEqual({});
  });
});
