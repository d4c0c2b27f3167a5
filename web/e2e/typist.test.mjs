/** Keys of Japanese, counted as an input method wants them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phraseKeys, romajiKeys } from './typist.mjs';

test('romaji', () => {
  for (const [kana, keys] of [
    ['あい', 2], // ai
    ['やまもと', 8], // yamamoto
    ['しゅうしょく', 9], // syuusyoku
    ['きゃっか', 6], // kyakka
    ['ほんにん', 8], // honnninn
    ['でんわ。', 7], // dennwa.
    ['コーヒー', 6], // ko-hi-
  ])
    assert.equal(romajiKeys(kana), keys, kana);
  assert.equal(phraseKeys('から', 'から'), 5);
  assert.equal(phraseKeys('やまもと', '山本'), 10);
});
