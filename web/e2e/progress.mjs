/** 支援経過 in the browser: from signing in to a saved record by keyboard alone, drafts that survive,
 * attachments, the timeline and its filters, at two widths. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAccess, eventually, fetchJson, picture } from './browser.mjs';
import { desk, openOffice } from './desks.mjs';

let caseId;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

openOffice();

test('from signing in to a saved record by keyboard alone, in less than a minute', async () => {
  const { page, faults } = await desk('sasaki');
  const { json } = await fetchJson(page, '/api/v1/cases');
  caseId = json.items[0].id;
  const number = json.items[0].case_no;
  let keys = 0;
  let loads = 0;
  page.on('load', () => (loads += 1));
  const press = async (key) => {
    keys += 1;
    await page.keyboard.press(key);
  };
  const type = async (text) => {
    keys += [...text].length;
    await page.keyboard.type(text);
  };
  const began = Date.now();
  // The case by its number, then straight into the entry.
  await press('/');
  await type(number);
  await page
    .getByRole('option', { name: new RegExp(number) })
    .first()
    .waitFor();
  await press('ArrowDown');
  await press('Enter');
  await page.waitForURL(/\/cases\/[0-9a-f]{32}/);
  await page.locator('.case-head__no').waitFor();
  await page.evaluate(() => document.activeElement?.blur?.());
  await press('n');
  await page.waitForURL(/\/progress$/);
  await eventually(
    () => page.evaluate(() => document.activeElement?.getAttribute('type')),
    (type) => type === 'radio',
    'the focus is on the method',
  );
  await press('Space');
  await press('Tab');
  await press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'progress-content');
  const chores = keys;
  await type('本人から電話。家賃は月末に払うとのこと。');
  await press('Control+Enter');
  await page.getByText('記録を確定しました').waitFor();
  const seconds = (Date.now() - began) / 1000;
  await page.locator('.record', { hasText: '家賃は月末に払う' }).first().waitFor();
  console.log(`entry by keyboard: ${chores} keys and the text, ${loads} page loads, ${seconds} s`);
  assert.ok(
    chores <= 20 && loads === 0 && seconds < 60,
    `${chores} keys, ${loads} loads, ${seconds} s`,
  );
  assert.deepEqual(faults, []);
});

test('the single-key switch holds for the new key, and a key that is typed is a letter', async () => {
  const { page } = await desk('sasaki');
  await page.goto(`/cases/${caseId}/overview`);
  await page.locator('.case-head__no').waitFor();
  await page.evaluate(() => localStorage.setItem('musubi.keys', 'off'));
  await page.reload();
  await page.locator('.case-head__no').waitFor();
  await page.keyboard.press('n');
  await page.waitForTimeout(300);
  assert.ok(page.url().endsWith('/overview'));
  await page.evaluate(() => localStorage.setItem('musubi.keys', 'on'));
});

test('a draft survives reload, signing out and another browser, and ends with the record', async () => {
  const { page } = await desk('sasaki');
  await page.goto(`/cases/${caseId}/progress`);
  await page.fill('#progress-content', '書きかけの記録。');
  await page.getByText('下書き：保存済み').waitFor();
  await page.reload();
  await page.locator('#progress-content').waitFor();
  await eventually(
    () => page.locator('#progress-content').inputValue(),
    (value) => value === '書きかけの記録。',
    'the draft is there after a reload',
  );
  // Signed out at once after the last letter.
  await page.locator('#progress-content').pressSequentially('続き');
  await page.getByRole('button', { name: /佐々木/ }).click();
  await page.getByText('サインアウト').click();
  await page.locator('input[autocomplete="username"]').waitFor();
  const other = await desk('sasaki');
  await other.page.goto(`/cases/${caseId}/progress`);
  await eventually(
    () => other.page.locator('#progress-content').inputValue(),
    (value) => value.includes('書きかけの記録。') && value.includes('続き'),
    'the draft is there on another computer',
  );
  await picture(other.page, 'progress-draft', { fullPage: true });
  await other.page.getByLabel('電話', { exact: true }).check({ force: true });
  await other.page.getByRole('button', { name: '記録を確定する' }).click();
  await other.page.getByText('記録を確定しました').waitFor();
  await other.page.reload();
  await other.page.locator('#progress-content').waitFor();
  await other.page.waitForTimeout(500);
  assert.equal(await other.page.locator('#progress-content').inputValue(), '');
});

test('不在 by one press, a picture attached, shown and found by filters', async () => {
  const { page, faults } = await desk('sasaki');
  await page.goto(`/cases/${caseId}/progress`);
  await page.getByRole('button', { name: '不在だった' }).click();
  assert.match(await page.locator('#progress-content').inputValue(), /不在だった/);
  await page.locator('.entry__seen').waitFor();
  await page.setInputFiles('input[type="file"]', {
    name: '玄関の写真.png',
    mimeType: 'image/png',
    buffer: PNG,
  });
  await page.getByRole('button', { name: '玄関の写真.png の添付をやめる' }).waitFor();
  await page.setInputFiles('input[type="file"]', {
    name: '偽の書類.pdf',
    mimeType: 'application/pdf',
    buffer: PNG,
  });
  await page.getByText('ファイルの中身が名前の末尾（拡張子）と違います').waitFor();
  await checkAccess(page, 'entry with attachments');
  await picture(page, 'progress-entry', { fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await checkAccess(page, 'entry, narrow');
  await picture(page, 'progress-entry-390', { fullPage: true });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.locator('#progress-content').press('Control+Enter');
  await page.getByText('記録を確定しました').waitFor();

  const record = page.locator('.record', { hasText: '玄関の写真.png' }).first();
  await record.getByRole('button', { name: '見る' }).click();
  await eventually(
    () => page.locator('.attachment__picture').evaluate((image) => image.naturalWidth),
    (width) => width === 1,
    'the picture is shown',
  );
  await checkAccess(page, 'picture');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: '条件で絞る' }).click();
  await page.getByText('添付のある記録だけ').click();
  await page.getByText(/^1件が当てはまります/).waitFor();
  await checkAccess(page, 'filters');
  await picture(page, 'progress-filters', { fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await picture(page, 'progress-filters-390', { fullPage: true });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole('button', { name: /^条件を外す/ }).click();
  await page.getByLabel('ことば', { exact: true }).fill('家賃は月末');
  await page.keyboard.press('Enter');
  await page.locator('.record', { hasText: '家賃は月末に払う' }).first().waitFor();
  assert.ok(!decodeURIComponent(page.url()).includes('家賃'), 'words in the address');
  assert.deepEqual(
    faults.filter((fault) => !/422/.test(String(fault))),
    [],
  );
});

/** A PDF of one page: the text in CP932 (90ms-RKSJ-H), or nothing but a line. */
function pdf(codes) {
  const contents = codes ? `BT /F 12 Tf 50 700 Td <${codes}> Tj ET` : '0 0 m 9 9 l S';
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>',
    `<</Length ${contents.length}>>stream\n${contents}\nendstream`,
    '<</Type/Font/Subtype/Type0/BaseFont/MS-Mincho/Encoding/90ms-RKSJ-H/DescendantFonts[6 0 R]>>',
    '<</Type/Font/Subtype/CIDFontType2/BaseFont/MS-Mincho/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>>>',
  ];
  let out = '%PDF-1.7\n';
  let table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`;
  objects.forEach((object, at) => {
    table += `${String(out.length).padStart(10, '0')} 00000 n \n`;
    out += `${at + 1} 0 obj\n${object}\nendobj\n`;
  });
  const trailer = `trailer<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${out.length}\n%%EOF\n`;
  return Buffer.from(out + table + trailer, 'latin1');
}

test('a PDF is looked at in a tab of its own, saved, and found by the words in it', async () => {
  const { page, faults } = await desk('sasaki');
  await page.goto(`/cases/${caseId}/progress`);
  await page.locator('#progress-content').fill('家主から書類が届いた。');
  await page.getByLabel('電話', { exact: true }).check({ force: true });
  // 瑠璃沢荘の契約
  const letter = pdf('97da979e91f2919182cc8c5f96f1');
  for (const [name, buffer] of [
    ['契約書.pdf', letter],
    ['紙の写し.pdf', pdf('')],
  ]) {
    await page.setInputFiles('input[type="file"]', { name, mimeType: 'application/pdf', buffer });
    await page.getByRole('button', { name: `${name} の添付をやめる` }).waitFor();
  }
  await page.getByRole('button', { name: '記録を確定する' }).click();
  await page.getByText('記録を確定しました').waitFor();
  await eventually(
    async () => {
      const { json } = await fetchJson(page, '/api/v1/search', {
        method: 'POST',
        body: { q: '瑠璃沢荘', kinds: ['attachment'] },
      });
      return json.total;
    },
    (total) => total === 1,
    'the words in the file are found',
    60_000,
  );
  await page.reload();
  const record = page.locator('.record', { hasText: '契約書.pdf' }).first();
  const blank = record.locator('.attachment', { hasText: '紙の写し.pdf' });
  await blank.getByText(/本文を検索できません/).waitFor();
  assert.equal(await record.getByText(/本文を検索できません/).count(), 1);
  const link = record
    .locator('.attachment', { hasText: '契約書.pdf' })
    .getByRole('link', { name: '見る（新しいタブ）' });
  const [rel, target, href] = await link.evaluate((a) => [a.rel, a.target, a.href]);
  assert.equal(target, '_blank');
  assert.match(rel, /noopener/);
  const answer = await page.evaluate(async (url) => {
    const response = await fetch(url);
    return { status: response.status, headers: Object.fromEntries(response.headers) };
  }, href);
  assert.equal(answer.status, 200);
  const headers = answer.headers;
  assert.equal(headers['content-type'], 'application/pdf');
  assert.match(headers['content-disposition'], /^inline; filename\*=UTF-8''/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cache-control'], 'no-store');
  const policy = headers['content-security-policy'];
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /script-src|unsafe-eval|connect-src/);
  const [tab] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
  await eventually(
    async () => tab.url(),
    (url) => url === '' || url === 'about:blank' || url === href,
    'the tab opens the file',
  );
  await tab.close();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    record
      .locator('.attachment', { hasText: '契約書.pdf' })
      .getByRole('button', { name: '保存する' })
      .click(),
  ]);
  assert.equal(download.suggestedFilename(), '契約書.pdf');
  const saved = [];
  for await (const part of await download.createReadStream()) saved.push(part);
  assert.ok(Buffer.concat(saved).equals(letter), 'every byte is saved');
  await checkAccess(page, 'attachments that are not searched');
  await picture(page, 'progress-attachments', { fullPage: true });

  await page.keyboard.press('/');
  await page.keyboard.type('瑠璃沢荘');
  await page.keyboard.press('Enter');
  const hit = page.locator('.found__item--attachment');
  await hit.locator('mark', { hasText: '瑠璃沢荘' }).waitFor();
  await checkAccess(page, 'a hit in a file');
  await picture(page, 'search-attachment');
  await hit.getByRole('link', { name: '契約書.pdf' }).click();
  await page.locator('.record', { hasText: '契約書.pdf' }).first().waitFor();
  assert.deepEqual(faults, []);
});
