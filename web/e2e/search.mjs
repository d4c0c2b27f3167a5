/** 検索 in the browser: by keyboard, with an input method, as a coordinator and as a masked reader. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAccess, compose, eventually, fetchJson, picture } from './browser.mjs';
import { desk, openOffice } from './desks.mjs';

/** Waits until the index holds the demo municipality. */
async function indexed(page, words, kind, masked = false) {
  await eventually(
    async () => {
      const { status, json } = await fetchJson(page, '/api/v1/search', {
        method: 'POST',
        body: { q: words, kinds: [kind] },
      });
      return status === 200 ? json.hits.filter((hit) => hit.masked === masked).length : 0;
    },
    (total) => total > 0,
    `${words} is not found as ${kind}`,
    120_000,
  );
}

openOffice();

test('a coordinator finds a person, the case and what was written, by keyboard alone', async () => {
  const { page, faults } = await desk('sasaki');
  await indexed(page, '玄関', 'record');
  const asked = [];
  page.on('request', (request) => {
    if (request.method() === 'POST' && /\/search(\/|$)/.test(request.url()))
      asked.push(request.url());
  });
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'global-search');
  await eventually(
    async () => asked.length,
    (count) => count > 0,
    'the last searches are asked for',
  );
  const before = asked.length;
  // Half-typed kana neither search nor ask for suggestions.
  await compose(page, ['や', 'やま', 'やまも', 'やまもと'], '山本', async () => {
    await page.waitForTimeout(600);
    assert.equal(asked.length, before, 'asked in the middle of a composition');
    assert.ok(!page.url().includes('/search'));
  });
  await page.getByRole('option', { name: /山本 健一/ }).waitFor();
  await checkAccess(page, 'suggestions');
  await picture(page, 'search-suggestions');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/search$/);
  await page.getByText(/^\d+件(以上)?見つかりました$/).waitFor();
  assert.ok(!decodeURIComponent(page.url()).includes('山本'), 'a name in the address');
  const found = page.locator('.found');
  await found.getByText('山本 健一').first().waitFor();
  await found.locator('mark', { hasText: '山本' }).first().waitFor();
  await checkAccess(page, 'hits');
  await picture(page, 'search-hits', { fullPage: true });

  // A name stands in for a word: what was written in 山本's case about the entrance.
  await page.fill('#search-words', '山本 玄関');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /^支援経過/ }).click();
  await found.locator('mark', { hasText: '玄関' }).first().waitFor();
  for (const kind of await found.locator('.found__kind').allTextContents())
    assert.equal(kind, '支援経過');
  await picture(page, 'search-name-and-word', { fullPage: true });
  await page.getByText('段階・担当機関・期間などで絞り込む').click();
  await page.getByLabel('終結').selectOption('closed');
  await page.getByText('見つかりませんでした').first().waitFor();
  await checkAccess(page, 'nothing found, narrowed');
  await picture(page, 'search-nothing');
  await page.getByRole('button', { name: '絞り込みを外す' }).click();
  await found.locator('mark', { hasText: '玄関' }).first().waitFor();
  await page.getByRole('button', { name: 'この検索を保存' }).click();
  await page.getByLabel('検索の名前').fill('山本さん宅の玄関先');
  await checkAccess(page, 'saving');
  await page.getByRole('button', { name: '保存', exact: true }).click();
  await page.getByRole('button', { name: '保存しました' }).waitFor();

  // From the hit to the entry and back to a saved search.
  await found.getByRole('link').first().click();
  await page.waitForURL(/\/cases\/[^/]+\/progress\//);
  await page.getByRole('link', { name: '検索', exact: true }).click();
  await page.getByRole('button', { name: '山本さん宅の玄関先', exact: true }).waitFor();
  await checkAccess(page, 'start');
  await picture(page, 'search-start');
  await page.getByRole('button', { name: '山本さん宅の玄関先', exact: true }).click();
  await found.locator('mark', { hasText: '玄関' }).first().waitFor();

  // What cannot be looked for is said.
  await page.fill('#search-words', '！？。');
  await page.keyboard.press('Enter');
  await page.getByText('記号だけでは探せません').waitFor();
  await page.fill('#search-words', 'あ'.repeat(300));
  await page.keyboard.press('Enter');
  await page.getByText('検索のことばが長すぎます').waitFor();
  await checkAccess(page, 'too long');
  assert.deepEqual(
    faults.filter((fault) => !fault.includes('422')),
    [],
  );
});

test('a masked reader finds masked text, and no hidden name', async () => {
  const { page, faults } = await desk('nakamura');
  await indexed(page, '玄関', 'record', true);
  await page.fill('#global-search', '玄関');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/search$/);
  const found = page.locator('.found');
  await found.getByText('マスク済み').first().waitFor();
  await page.getByText('マスク済みの文だけを探しています').waitFor();
  await checkAccess(page, 'masked hits');
  await picture(page, 'search-masked', { fullPage: true });
  for (const words of ['もみじ 山本健一', '0900-55-0147', 'みどり野市東町3丁目8番12号']) {
    await page.fill('#search-words', words);
    await page.keyboard.press('Enter');
    await page.getByText('見つかりませんでした').first().waitFor();
  }
  await page.getByText('伏せられた氏名や住所では見つかりません').waitFor();
  await picture(page, 'search-masked-nothing');
  assert.deepEqual(faults, []);
});
