/**
 * The sheets that are made when they are needed, in real browsers: a plan written by two at once with
 * values carried over, finalised, evaluated, planned anew, printed; and what a masked reader gets.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkAccess, eventually, fetchJson, field, picture, saved } from './browser.mjs';
import { desk, openOffice } from './desks.mjs';

/** A name that must never reach a masked reader. */
const CANARY = '鏑木澄江';

/** Two of the coordinator's staff, and a partner who reads masked. */
let sasaki;
let ishii;
let hidamari;
let caseId;
let planId;
let evaluationId;

/** One of a few options, which stand side by side. */
const choose = (page, path, label) => field(page, path).getByLabel(label, { exact: true }).check();
const sectionOf = async (page, name) => {
  const { json } = await fetchJson(page, `/api/v1/cases/${caseId}`);
  return json.sections.find((section) => section.section === name);
};
const projection = async (page, id) =>
  (await fetchJson(page, `/api/v1/documents/${id}/projection`)).json;

function quiet(...desks) {
  for (const { faults } of desks)
    assert.deepEqual(faults.splice(0), [], 'nothing went wrong in the page');
}

openOffice(async () => {
  sasaki = await desk('sasaki');
  ishii = await desk('ishii');
  hidamari = await desk('hidamari');
});

test('a partner is given the plan as masked text', async () => {
  const { page } = sasaki;
  const found = await fetchJson(page, '/api/v1/cases/search', {
    method: 'POST',
    body: { q: '2026-0147' },
  });
  caseId = found.json.items[0].id;
  const session = await fetchJson(hidamari.page, '/api/v1/session');
  const partner = session.json.membership.agency;
  const entries = ['plan', 'evaluation'].map((section) => ({
    agency_id: partner.id,
    section,
    level: 'masked',
  }));
  const path = `/api/v1/cases/${caseId}/disclosures`;
  let answer = await fetchJson(page, path, { method: 'PUT', body: { entries } });
  if (answer.status === 409) {
    const confirmation = { basis: 'life_protection', reason: '試験' };
    answer = await fetchJson(page, path, { method: 'PUT', body: { entries, confirmation } });
  }
  assert.ok(answer.status < 300, answer.text);
});

test('a screening sheet is made, filled from the assessment and checked', async () => {
  const { page } = sasaki;
  await page.goto(`/cases/${caseId}/screening`);
  await page.getByText('「スクリーニング」はまだありません').waitFor();
  await picture(page, 'screening-empty');
  await checkAccess(page, 'screening-empty');
  await page.getByRole('button', { name: 'スクリーニングを始める' }).click();
  await page.getByRole('heading', { name: 'スクリーニングシート', level: 2 }).waitFor();
  await page.getByText('つの欄に引き継げます').waitFor();
  await picture(page, 'screening-offers', { fullPage: true });
  await checkAccess(page, 'screening');
  await page.getByRole('button', { name: '内容を見てまとめて引き継ぐ' }).click();
  await page.getByRole('dialog').waitFor();
  await picture(page, 'screening-carry-dialog');
  await checkAccess(page, 'carry dialog');
  await page.getByRole('dialog').getByRole('button', { name: '引き継ぐ', exact: true }).click();
  await page.getByText(/件を引き継ぎました/).waitFor();
  await eventually(
    () => field(page, 'issue_field_count').inputValue(),
    (value) => Number(value) > 0,
    'the number of issues came from the assessment',
  );
  await page.getByRole('button', { name: '確定する' }).click();
  await page.getByText(/確定する前に直すところが/).waitFor();
  await page.getByRole('button', { name: '記録に戻る' }).click();
  await page.getByLabel('世帯員ごとに支援機関が分かれている').check();
  await field(page, 'result').selectOption({ value: 'accept' });
  await field(page, 'lead_by').selectOption({ index: 1 });
  const due = field(page, 'next_due_on');
  await due.fill('令和9年1月15日');
  await due.blur();
  await saved(page);
  await page.getByRole('button', { name: '確定する' }).click();
  await page.getByRole('button', { name: 'この内容で確定する' }).click();
  await page.getByText('確定した記録です').waitFor();
  await picture(page, 'screening-final', { fullPage: true });
  quiet(sasaki);
});

test('two people write the items of one plan at once', async () => {
  const [a, b] = [sasaki.page, ishii.page];
  await a.goto(`/cases/${caseId}/plan`);
  await a.getByRole('button', { name: '第1回のプランを作る' }).click();
  await a.waitForURL(/\/plan\/[0-9a-f]{32}$/);
  planId = /\/plan\/([0-9a-f]{32})$/.exec(a.url())[1];
  await a.getByRole('heading', { name: 'プランシート', level: 2 }).waitFor();
  await b.goto(`/cases/${caseId}/plan`);
  await b.getByRole('heading', { name: 'プランシート', level: 2 }).waitFor();
  assert.ok(!b.url().endsWith('/plan/new'));
  await picture(a, 'plan-new', { fullPage: true });

  // A person's words are taken over where nothing stands; what is written stays.
  await field(b, 'policy').fill('書きかけの方針');
  await saved(b);
  const taken = await fetchJson(a, `/api/v1/documents/${planId}/carry`, {
    method: 'POST',
    body: { take: [{ field: 'policy', from: 'intake_assessment.assessment_summary' }] },
  });
  assert.ok(['skipped_not_empty', 'unknown'].includes(taken.json.results.policy), taken.text);

  const add = (page) => page.getByRole('button', { name: '解決したい課題に行を足す' }).click();
  await Promise.all([add(a), add(b)]);
  const rows = await eventually(
    () => a.locator('[data-row]').evaluateAll((all) => all.map((row) => row.dataset.row)),
    (found) => found.length === 2,
    'both rows are there',
  );
  await eventually(
    () => b.locator('[data-row]').count(),
    (count) => count === 2,
    'both rows are at the other desk',
  );
  const write = async (page, row, words) => {
    for (const [column, text] of Object.entries(words))
      await field(page, `items/${row}/${column}`).fill(text);
  };
  await Promise.all([
    write(a, rows[0], {
      issue: '家賃を3か月滞納',
      goal: '分割で払う約束をする',
      action: '管理会社との話合いに同行する',
      frequency: '月1回',
    }),
    write(b, rows[1], {
      issue: '母の介護を1人で抱える',
      goal: '週2回、日中に休める',
      action: 'デイサービスの利用を調整する',
      staff: '田中',
    }),
  ]);
  for (const row of rows) await field(a, `items/${row}/org`).selectOption({ index: 1 });
  const due = field(a, `items/${rows[0]}/due`);
  await due.fill('R9.2.28');
  await due.blur();
  await Promise.all([saved(a), saved(b)]);
  const both = await projection(a, planId);
  const issues = both.fields.items.rows.map((row) => row.cells.issue.text);
  assert.deepEqual([...issues].sort(), ['家賃を3か月滞納', '母の介護を1人で抱える'].sort());
  await picture(b, 'plan-two-writers', { fullPage: true });

  await a.getByLabel('多機関協働事業', { exact: true }).check();
  await field(a, 'goal_long').fill(`${CANARY}さんと、いまの家で暮らしつづけたい。`);
  await field(a, 'lead_org').selectOption({ index: 1 });
  const review = field(a, 'next_review_on');
  await review.fill('令和9年3月31日');
  await review.blur();
  await saved(a);
  await checkAccess(a, 'plan');
  await a.getByRole('button', { name: '確定する' }).click();
  await a.getByRole('button', { name: 'この内容で確定する' }).click();
  await a.getByText('確定した記録です').waitFor();
  await picture(a, 'plan-final', { fullPage: true });
  quiet(sasaki, ishii);
});

test('the masked reader sees the plan without names, and prints only that', async () => {
  const { page } = hidamari;
  await eventually(
    async () => (await projection(page, planId))?.fields?.goal_long?.text ?? '',
    (text) => text.includes('［氏名') && !text.includes(CANARY),
    'the plan reaches the masked reader masked',
    60_000,
  );
  const seen = await fetchJson(page, `/api/v1/cases/${caseId}`);
  assert.ok(!seen.text.includes(CANARY));
  await page.goto(`/cases/${caseId}/plan`);
  await page.getByText('マスク済み').first().waitFor();
  await page.getByText('家賃を3か月滞納').first().waitFor();
  await picture(page, 'plan-masked', { fullPage: true });
  assert.equal(await page.getByRole('button', { name: /プランを作る/ }).count(), 0);
  await page.getByRole('link', { name: '印刷' }).click();
  await page.locator('.paper').waitFor();
  const paper = await page.locator('.paper').innerText();
  assert.ok(paper.includes('マスク済み') && !paper.includes(CANARY), paper);
  await picture(page, 'print-masked', { fullPage: true });
  await checkAccess(page, 'print-masked');
  quiet(hidamari);
});

test('the evaluation takes the items of the plan over, and the next plan follows', async () => {
  const { page } = sasaki;
  await page.goto(`/cases/${caseId}/evaluation`);
  await page.getByRole('button', { name: '第1回の評価を作る' }).click();
  await page.waitForURL(/\/evaluation\/[0-9a-f]{32}$/);
  evaluationId = /\/evaluation\/([0-9a-f]{32})$/.exec(page.url())[1];
  await page.getByRole('button', { name: /引き継ぐ.*課題ごとの達成状況、プランシート/ }).click();
  await page.locator('[data-row]').nth(1).waitFor();
  const rows = await page
    .locator('[data-row]')
    .evaluateAll((all) => all.map((row) => row.dataset.row));
  for (const [at, row] of rows.entries()) {
    await choose(page, `items/${row}/level`, at === 0 ? '達成' : '一部達成');
    const times = field(page, `items/${row}/times`);
    await times.fill(String(at + 2));
    await times.blur();
  }
  await eventually(
    () => field(page, 'times_total').innerText(),
    (text) => text.includes('5回'),
    'the sum of the visits is calculated',
  );
  await choose(page, 'goal_level', '概ね達成');
  await page.getByLabel('家計の改善').check();
  await choose(page, 'result', '再プランして継続');
  await field(page, 'remaining').fill('デイサービスの日数を増やす');
  await saved(page);
  await picture(page, 'evaluation', { fullPage: true });
  await checkAccess(page, 'evaluation');
  await page.getByRole('button', { name: '確定する' }).click();
  await page.getByRole('button', { name: 'この内容で確定する' }).click();
  await page.getByText('確定した記録です').waitFor();

  await page.goto(`/cases/${caseId}/plan`);
  await page.getByRole('button', { name: '第2回のプランを作る（再プラン）' }).click();
  await page
    .getByRole('button', { name: /引き継ぐ.*見直しの理由/ })
    .first()
    .click();
  await eventually(
    () => field(page, 'replan_reason').inputValue(),
    (text) => text === 'デイサービスの日数を増やす',
    'what remained stands in the next plan',
  );
  await page.getByRole('button', { name: /引き継ぐ.*解決したい課題、プランシート/ }).click();
  await page.locator('[data-row]').nth(1).waitFor();
  await picture(page, 'plan-second', { fullPage: true });
  const plans = await sectionOf(page, 'plan');
  assert.deepEqual(
    plans.sheets.map((sheet) => [sheet.number, sheet.state]),
    [
      [1, 'final'],
      [2, 'draft'],
    ],
  );
  await page.locator('.sheet__tools').getByRole('link', { name: '履歴', exact: true }).click();
  await page.getByRole('heading', { name: '「プラン 第2回」の履歴' }).waitFor();
  await picture(page, 'plan-history');
  quiet(sasaki);
});

test('a meeting is recorded', async () => {
  const { page } = sasaki;
  await page.goto(`/cases/${caseId}/meeting`);
  await page.getByRole('button', { name: '会議の記録を作る' }).click();
  await page.getByRole('heading', { name: '会議記録', level: 2 }).waitFor();
  await field(page, 'kind').selectOption({ value: 'jyuso' });
  await field(page, 'title').fill('第1回 重層的支援会議');
  await saved(page);
  await page.getByRole('button', { name: '内容を確認' }).click();
  await picture(page, 'meeting', { fullPage: true });
  await checkAccess(page, 'meeting');
  quiet(sasaki);
});

test('every sheet comes out on A4', async () => {
  const { page } = sasaki;
  const plan = await projection(page, planId);
  for (const [name, id] of [
    ['plan', planId],
    ['evaluation', evaluationId],
    ['screening', (await sectionOf(page, 'screening')).document_id],
    ['intake', (await sectionOf(page, 'intake')).document_id],
    ['assessment', (await sectionOf(page, 'assessment')).document_id],
  ]) {
    await page.goto(`/print/${id}`);
    await page.locator('.paper').waitFor();
    const paper = await page.locator('.paper').innerText();
    assert.ok(paper.includes('未検証'), `${name} says that its form is not verified`);
    if (name === 'plan') assert.ok(paper.includes(plan.fields.items.rows[0].cells.issue.text));
    await checkAccess(page, `print-${name}`);
    const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true });
    assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
    // A4 in points, whatever the printer of the machine is set to.
    assert.match(pdf.toString('latin1'), /MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]/);
    if (process.env.MUSUBI_SCREENSHOTS)
      await writeFile(join(process.env.MUSUBI_SCREENSHOTS, `print-${name}.pdf`), pdf);
  }
  const log = await fetchJson(page, `/api/v1/cases/${caseId}/access-log?limit=100`);
  assert.ok(log.text.includes('document.print'), 'a print is in the audit');
  quiet(sasaki);
});
