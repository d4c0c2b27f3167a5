import { expect, test } from 'vitest';
import { choiceOf, mergeBody, rows, valueText, type Preview } from './merge';

const preview = {
  kept: {
    id: 'a',
    version: 3,
    fields: { name: '髙橋 花', birth_date: '1958-05-06', contact_caution: '夜は不可' },
  },
  merged: {
    id: 'b',
    version: 7,
    fields: { name: '高橋 花', address: '架空市1', contact_caution: '夫に内密' },
  },
  differences: [
    { field: 'name', kept: '髙橋 花', merged: '高橋 花' },
    { field: 'contact_caution', kept: '夜は不可', merged: '夫に内密' },
  ],
} as unknown as Preview;

test('what differs stands first, what one of the two lacks is said', () => {
  const shown = rows(preview).map((row) => [row.label, row.kept, row.merged, row.differs]);
  expect(shown).toEqual([
    ['氏名', '髙橋 花', '高橋 花', true],
    ['連絡するときの注意', '夜は不可', '夫に内密', true],
    ['生年月日', '昭和33年5月6日', 'なし', false],
    ['住所', 'なし', '架空市1', false],
  ]);
});

test('both cautions are kept unless one is chosen', () => {
  expect(choiceOf('contact_caution', {})).toBe('both');
  expect(mergeBody(preview, { name: 'merged' }, ' 本人に確認 ')).toEqual({
    other: 'b',
    version: 3,
    other_version: 7,
    choices: { name: 'merged' },
    reason: '本人に確認',
  });
  expect(mergeBody(preview, { contact_caution: 'kept' }, 'x').choices).toEqual({
    name: 'kept',
    contact_caution: 'kept',
  });
});

test('values are shown in words', () => {
  expect(valueText('gender', '2')).toBe('女性');
  expect(valueText('is_deceased', 'true')).toBe('はい');
  expect(valueText('address', undefined)).toBe('なし');
});
