/**
 * One case from 受付 to 終結, in real browsers: the coordinator, two agencies that are asked in, and the
 * 市町村所管課 that decides. At each stage: what is missing is said, what is there lets it go on.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAccess, eventually, fetchJson, field, picture, saved } from './browser.mjs';
import { desk, openOffice } from './desks.mjs';

/** Stands in the register and in what is asked; must not reach an agency before its time. */
const NAME = '雲雀丘 とよ';

/** Business date of the demo municipality: dates that follow each other are no warning. */
const TODAY = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Tokyo' }).format(new Date());

let coordinator;
let houkatsu;
let hidamari;
let department;
let caseId;
let planId;

/** One of the options of a field, whether they stand in a list or side by side. */
async function pick(page, path, label) {
  const control = field(page, path);
  if ((await control.evaluate((element) => element.tagName)) === 'SELECT')
    await control.selectOption({ label });
  else await control.getByLabel(label, { exact: true }).check();
}
async function fillDate(page, path, text) {
  await field(page, path).fill(text);
  await field(page, path).blur();
}
async function finalise(page) {
  await saved(page);
  await page.getByRole('button', { name: '確定する' }).click();
  await page.getByRole('button', { name: 'この内容で確定する' }).click();
  await page.getByText('確定した記録です').waitFor();
}

/** The same screen on a desk and on a telephone, each looked at with axe. */
async function look(page, name) {
  await picture(page, name, { fullPage: true });
  await checkAccess(page, name);
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.ok(wide <= 0, `${name} at 390 px is ${wide} px too wide`);
  await picture(page, `${name}-390`, { fullPage: true });
  await checkAccess(page, `${name} at 390 px`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

const stage = async () => (await fetchJson(coordinator.page, `/api/v1/cases/${caseId}`)).json.stage;

/** Goes on to a stage by the button of the view; with a reason where something is missing. */
async function goOn(label, code, reason) {
  const { page } = coordinator;
  await page.goto(`/cases/${caseId}/flow`);
  await page.getByRole('button', { name: `${label}に進める` }).click();
  const dialog = page.getByRole('dialog');
  if (reason) {
    await dialog.getByRole('button', { name: '変更を保存する' }).click();
    await dialog
      .getByText('済んでいないことがあるまま進める理由を書いてください。')
      .first()
      .waitFor();
    await dialog.getByLabel(/このまま進める理由/).fill(reason);
  }
  await dialog.getByRole('button', { name: '変更を保存する' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await stage(), code);
}

function quiet() {
  for (const { faults } of [coordinator, houkatsu, hidamari, department])
    assert.deepEqual(faults.splice(0), [], 'nothing went wrong in the page');
}

openOffice(async () => {
  coordinator = await desk('sasaki');
  houkatsu = await desk('tanaka');
  hidamari = await desk('hidamari');
  department = await desk('miyazaki');
  for (const { page } of [coordinator, houkatsu, hidamari, department])
    await page.setViewportSize({ width: 1280, height: 900 });
});

test('受付: the view says where the case stands and what the next steps need', async () => {
  const { page } = coordinator;
  const made = await fetchJson(page, '/api/v1/cases', {
    method: 'POST',
    body: {
      received_on: '2026-10-01',
      urgency: 'b',
      clients: [{ person: { name: NAME, kana: 'ひばりがおか とよ' } }],
    },
  });
  assert.equal(made.status, 201, made.text);
  caseId = made.json.id;
  await page.goto(`/cases/${caseId}/flow`);
  await page.getByRole('heading', { name: 'いまの段階：受付' }).waitFor();
  await page.getByRole('img', { name: /現在地は「受付」です/ }).waitFor();
  const list = page.locator('.flow-list [aria-current="step"]');
  assert.match(await list.innerText(), /受付[\s\S]*いまここ/);
  await look(page, 'flow-received');
  quiet();
});

test('つなぐ: without consent a basis is asked for; the agency sees the request and not the case', async () => {
  const { page } = coordinator;
  await page.goto(`/cases/${caseId}/requests`);
  await page.getByRole('button', { name: 'つなぐ', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/相手の機関/).selectOption({ label: '東地域包括支援センター' });
  await dialog.getByLabel(/受諾されたあとに見える範囲/).selectOption({ label: '助言をもらう' });
  await dialog
    .getByLabel(/依頼の内容/)
    .fill(`${NAME}さんの見守りの方法について、助言をお願いします。`);
  await dialog.getByLabel(/返事の期限/).fill('令和12年1月31日');
  await dialog.getByLabel(/返事の期限/).blur();
  await look(page, 'refer-dialog');
  await dialog.getByRole('button', { name: 'つなぐ依頼を出す' }).click();
  const question = page.getByRole('alertdialog').or(page.getByRole('dialog'));
  await question.getByText(/同意/).first().waitFor();
  await picture(page, 'refer-consent');
  await checkAccess(page, 'consent question of a request');
  await question.getByRole('radio', { name: /個人を特定しない/ }).check();
  await question.getByLabel(/^理由/).fill('氏名を伏せて相談するため');
  await question.getByRole('button', { name: 'この根拠で共有する' }).click();
  await page.getByText('依頼中').first().waitFor();
  await look(page, 'requests-sent');

  const other = houkatsu.page;
  await other.goto('/');
  await other.getByRole('heading', { name: /^依頼/ }).waitFor();
  await other.getByText('未回答').first().waitFor();
  await look(other, 'home-request');
  await other.goto('/requests');
  await other.getByText('助言をお願いします').first().waitFor();
  const body = await other.locator('main').innerText();
  assert.ok(!body.includes('雲雀丘') && body.includes('［氏名1］'), body);
  assert.ok(body.includes('受諾すると表示されます'), 'no case number yet');
  await look(other, 'requests-received');
  assert.equal((await fetchJson(other, `/api/v1/cases/${caseId}`)).status, 404);
  // By keyboard alone.
  await other.getByRole('button', { name: '受諾する' }).focus();
  await other.keyboard.press('Enter');
  const answer = other.getByRole('dialog');
  await answer.getByLabel(/伝えること/).fill('来週、電話で相談しましょう。');
  await picture(other, 'accept-dialog');
  await checkAccess(other, 'accept dialog');
  await answer.getByRole('button', { name: '受諾する' }).focus();
  await other.keyboard.press('Enter');
  await answer.waitFor({ state: 'detached' });
  assert.equal((await fetchJson(other, `/api/v1/cases/${caseId}`)).status, 200);
  await other.goto(`/cases/${caseId}/flow`);
  await other.getByRole('heading', { name: 'いまの段階：受付' }).waitFor();
  await look(other, 'flow-masked-agency');

  await page.goto('/');
  await page.getByText('東地域包括支援センターの返事').waitFor();
  await look(page, 'home-answered');
  await page.goto(`/cases/${caseId}/requests`);
  await page.getByRole('button', { name: '返事を確認した' }).click();
  await page.getByRole('button', { name: '返事を確認した' }).waitFor({ state: 'detached' });
  quiet();
});

test('スクリーニングとプラン: a final sheet lets the case go on', async () => {
  const { page } = coordinator;
  await goOn('スクリーニング中', 'screening', '受付票は訪問のあとに確定します');
  await page.goto(`/cases/${caseId}/flow`);
  await page.getByText('必須が残り').first().waitFor();
  await page.getByText('受付票は訪問のあとに確定します').waitFor();
  await look(page, 'flow-screening');

  const { json } = await fetchJson(page, `/api/v1/cases/${caseId}`);
  const consent = await fetchJson(page, `/api/v1/cases/${caseId}/consents`, {
    method: 'POST',
    body: {
      person_id: json.persons[0].person_id,
      status: 'full',
      obtained_on: '2026-10-05',
      method: 'paper',
    },
  });
  assert.ok(consent.status < 300, consent.text);
  await page.goto(`/cases/${caseId}/screening`);
  await page.getByRole('button', { name: 'スクリーニングを始める' }).click();
  await page.getByLabel('課題が複数分野にまたがる').check();
  await field(page, 'urgency').selectOption({ value: 'b' });
  await field(page, 'result').selectOption({ value: 'accept' });
  await field(page, 'lead_by').selectOption({ index: 1 });
  await fillDate(page, 'next_due_on', '令和9年1月15日');
  await finalise(page);
  await goOn('プラン作成中', 'planning');

  await page.goto(`/cases/${caseId}/plan`);
  await page.getByRole('button', { name: '第1回のプランを作る' }).click();
  await page.waitForURL(/\/plan\/[0-9a-f]{32}$/);
  planId = /\/plan\/([0-9a-f]{32})$/.exec(page.url())[1];
  await page.getByRole('button', { name: '解決したい課題に行を足す' }).click();
  await page.locator('[data-row]').first().waitFor();
  const row = await page.locator('[data-row]').first().getAttribute('data-row');
  for (const [column, text] of Object.entries({
    issue: '一人で暮らし、食事がとれていない',
    goal: '1日2回食べる',
    action: '配食と見守りを調整する',
  }))
    await field(page, `items/${row}/${column}`).fill(text);
  await field(page, `items/${row}/org`).selectOption({ index: 1 });
  await page.getByLabel('多機関協働事業', { exact: true }).check();
  await field(page, 'goal_long').fill('いまの家で暮らしつづけたい。');
  await field(page, 'policy').fill('食事と見守りを整える。');
  await field(page, 'lead_org').selectOption({ index: 1 });
  await fillDate(page, 'next_review_on', '令和9年3月31日');
  await finalise(page);
  await goOn('会議付議中', 'meeting');
  quiet();
});

test('支援決定: asked by the coordinator, made by the 所管課, shown and printed', async () => {
  const { page } = coordinator;
  await page.goto(`/cases/${caseId}/flow`);
  await page.getByText('支援決定を依頼する前に必要なこと').waitFor();
  await look(page, 'flow-before-decision');
  await page.goto(`/cases/${caseId}/meeting`);
  await page.getByRole('button', { name: '会議の記録を作る' }).click();
  await page.getByRole('heading', { name: '会議記録', level: 2 }).waitFor();
  await pick(page, 'kind', '重層的支援会議');
  await field(page, 'title').fill('第1回 重層的支援会議');
  await field(page, 'held_at').fill(`${TODAY}T10:00`);
  await field(page, 'host_org').selectOption({ index: 1 });
  await pick(page, 'consent', '同意あり（範囲の限定なし）');
  await page.getByRole('button', { name: '出席者に行を足す' }).click();
  await page.locator('[data-row]').first().waitFor();
  const row = await page.locator('[data-row]').first().getAttribute('data-row');
  await field(page, `attendees/${row}/org`).selectOption({ index: 1 });
  await page.getByLabel('プランの適切性の協議（重層的支援会議）').check();
  await field(page, 'conclusion').fill('プランのとおり進める。');
  await pick(page, 'plan_result', '適切である');
  await finalise(page);

  await page.goto(`/cases/${caseId}/flow`);
  await page.getByRole('button', { name: '支援決定を依頼する' }).click();
  const dialog = page.getByRole('dialog');
  await dialog
    .getByLabel(/依頼の内容/)
    .fill('会議で了承されたプランについて、支援決定をお願いします。');
  await picture(page, 'decision-dialog');
  await checkAccess(page, 'decision dialog');
  await dialog.getByRole('button', { name: '支援決定を依頼する' }).click();
  await dialog.waitFor({ state: 'detached' });

  const office = department.page;
  await office.goto('/');
  await office.getByRole('link', { name: '支援決定の依頼' }).waitFor();
  await look(office, 'home-department');
  await office.goto('/requests');
  await office.getByRole('button', { name: '支援決定を記録する' }).click();
  const decide = office.getByRole('dialog');
  await decide.getByRole('button', { name: '支援決定を記録する' }).click();
  await decide.getByText('文書番号を入力してください。').first().waitFor();
  await decide.getByLabel(/文書番号/).fill('み福第123号');
  await decide.getByLabel(/決裁者/).fill('福祉部長 宮崎');
  await look(office, 'decide-dialog');
  await decide.getByRole('button', { name: '支援決定を記録する' }).click();
  await decide.waitFor({ state: 'detached' });
  assert.equal(await stage(), 'decided');

  await page.goto('/');
  await page.getByText('みどり野市 福祉政策課の返事').waitFor();
  await page.goto(`/cases/${caseId}/overview`);
  await page.getByText('み福第123号').waitFor();
  await look(page, 'overview-decided');
  await page.goto(`/print/${planId}`);
  await page.locator('.paper').waitFor();
  const paper = await page.locator('.paper').innerText();
  for (const words of ['☑ 市町村支援決定', '福祉部長 宮崎', 'み福第123号'])
    assert.ok(paper.includes(words), `${words}: ${paper}`);
  await picture(page, 'print-decided', { fullPage: true });
  quiet();
});

test('実施から終結まで: a second agency joins with consent, and the evaluation closes the case', async () => {
  const { page } = coordinator;
  await goOn('支援中', 'active');
  await page.goto(`/cases/${caseId}/requests`);
  await page.getByRole('button', { name: '主担当機関の引継ぎ' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/相手の機関/).selectOption({ label: '基幹相談支援センター ひだまり' });
  await dialog.getByLabel(/依頼の内容/).fill(`${NAME}さんの伴走をお願いします。`);
  await dialog.getByRole('button', { name: '引継ぎを依頼する' }).click();
  await dialog.waitFor({ state: 'detached' });
  const other = hidamari.page;
  await other.goto('/requests');
  // Consent covers the agency: the words are as they were written.
  await other.getByText(`${NAME}さんの伴走をお願いします。`).waitFor();
  await other.getByRole('button', { name: '受諾する' }).click();
  await other.getByRole('dialog').getByRole('button', { name: '受諾する' }).click();
  await other.getByRole('dialog').waitFor({ state: 'detached' });
  await eventually(
    async () => (await fetchJson(page, `/api/v1/cases/${caseId}`)).json.lead_agency?.name,
    (name) => name === '基幹相談支援センター ひだまり',
    'the lead agency changed when it accepted',
  );

  await goOn('評価中', 'evaluating');
  await page.goto(`/cases/${caseId}/evaluation`);
  await page.getByRole('button', { name: '第1回の評価を作る' }).click();
  await page.waitForURL(/\/evaluation\/[0-9a-f]{32}$/);
  await pick(page, 'goal_level', '概ね達成');
  await page.getByLabel('生活習慣の改善').check();
  await pick(page, 'result', '終結');
  await pick(page, 'close_reason', '目標を達成した・課題が解決した');
  await fillDate(page, 'closed_on', TODAY);
  await finalise(page);
  await page.goto(`/cases/${caseId}/flow`);
  await page.getByRole('heading', { name: 'いまの段階：評価中' }).waitFor();
  await look(page, 'flow-evaluating');
  await goOn('終結', 'closed');
  await page.goto(`/cases/${caseId}/flow`);
  await page.getByRole('img', { name: /現在地は「終結」です/ }).waitFor();
  for (const passed of ['受付', 'スクリーニング中', '会議付議中', '支援決定', '評価中'])
    assert.match(
      await page.locator('.flow-list li', { hasText: passed }).first().innerText(),
      /通った/,
    );
  await look(page, 'flow-closed');
  quiet();
});
