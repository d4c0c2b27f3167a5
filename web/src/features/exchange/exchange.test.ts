import { describe, expect, it } from 'vitest';
import {
  countsText,
  failureText,
  firstKind,
  importable,
  importHint,
  isWorking,
  leftText,
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

  it('offers the files that can be brought in and says what becomes of their rows', () => {
    const table = (id: string, able: boolean) => ({
      id,
      title: id,
      import: able,
      verified: false,
      columns: [],
    });
    const offered = importable([table('person', true), table('meeting', false)]);
    expect(offered.map((one) => one.id)).toEqual(['person']);
    expect(importable(undefined)).toEqual([]);
    expect(importHint('case')).toContain('氏名と生年月日');
    expect(importHint('relation')).toContain('関係者');
    expect(importHint('consent')).toContain('撤回は画面で');
    expect(importHint('plan')).toContain('下書き');
    expect(importHint('plan_item')).toContain('行を消すことはありません');
  });

  it('says that sheets are being written and what was left alone', () => {
    expect(isWorking('filling')).toBe(true);
    expect(stateText({ state: 'filling', failure: null })).toContain('シート');
    expect(leftText({ create: 1 })).toBe('');
    expect(leftText({ left: 2 })).toContain('2か所');
    expect(failureText('cut_off')).not.toContain('何も取り込んでいません');
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
