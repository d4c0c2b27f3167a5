/** 消去 in two browsers: one asks, the other approves, the record stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAccess, picture } from './browser.mjs';
import { desk, openOffice } from './desks.mjs';

const CASE = '2025-0024';
const REASON = '別の方の内容を書いてしまったため';

openOffice();

test('one person asks for an erasure, another approves it, the record stays', async () => {
  const asker = await desk('sasaki');
  const { page } = asker;
  await page.getByRole('link', { name: '消去' }).first().click();
  await page.getByText('承認待ちの申請はありません').waitFor();
  await checkAccess(page, 'erasures, none');
  await page.getByRole('button', { name: '消去を申請する' }).click();
  await page.getByRole('button', { name: '申請する', exact: true }).click();
  await page.getByText('事案番号を入力して「探す」を押してください。').first().waitFor();
  await checkAccess(page, 'what is missing');
  await page.fill('#erasure-case', CASE);
  await page.getByRole('button', { name: '探す' }).click();
  await page.getByText(`事案 ${CASE}`).waitFor();
  await page.selectOption('#erasure-document', { label: 'アセスメント' });
  await page.fill('#erasure-reason', REASON);
  await checkAccess(page, 'request');
  await picture(page, 'erasure-request');
  await page.getByRole('button', { name: '申請する', exact: true }).click();
  await page.getByText('申請した本人は承認できません').waitFor();
  assert.equal(await page.getByRole('button', { name: /消去を承認する$/ }).count(), 0);
  await checkAccess(page, 'own request');

  const approver = await desk('miyazaki');
  await approver.page.goto('/admin/erasures');
  await approver.page.getByText(REASON).waitFor();
  const approve = approver.page.getByRole('button', { name: /消去を承認する$/ });
  // By keyboard alone; the safe answer has the focus.
  await approve.focus();
  await approver.page.keyboard.press('Enter');
  const question = approver.page.getByRole('alertdialog');
  await question.waitFor();
  assert.equal(await approver.page.evaluate(() => document.activeElement?.textContent), 'やめる');
  await checkAccess(approver.page, 'approval');
  await picture(approver.page, 'erasure-approval');
  await approver.page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  await approve.click();
  await question.getByRole('button', { name: '承認して消去する' }).click();
  await approver.page.getByText('承認待ちの申請はありません').waitFor({ timeout: 60_000 });
  const record = approver.page.getByRole('row', { name: new RegExp(`事案 ${CASE}`) });
  await record.getByText('消去済み').waitFor();
  assert.equal(await approver.page.getByText(REASON).count(), 0, 'the reason went with it');
  await checkAccess(approver.page, 'record');
  await picture(approver.page, 'erasure-record');
  assert.deepEqual([...asker.faults, ...approver.faults], []);
});
