/**
 * Two entries of the register become one and are taken apart again by hand; what went to whom; what
 * comes due; 経過一覧 and 同意書 on paper. In a real browser, wide and on a phone, with the keyboard.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAccess, fetchJson, picture } from './browser.mjs';
import { desk, openOffice } from './desks.mjs';

const WIDTHS = [1280, 390];

let page;
let faults;
let caseId;
let kept;
let other;

/** Looks at a screen at both widths. */
async function look(name, fullPage = true) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await page.waitForTimeout(150);
    const wider = await page.evaluate(
      () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
    );
    assert.equal(wider, false, `${name} at ${width} is wider than the screen`);
    await picture(page, `${name}-${width}`, { fullPage });
    await checkAccess(page, `${name} at ${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

const post = async (path, body) => {
  const answer = await fetchJson(page, `/api/v1/${path}`, { method: 'POST', body });
  assert.ok(answer.status < 300, `${path}: ${answer.text}`);
  return answer.json;
};

openOffice(async () => {
  ({ page, faults } = await desk('sasaki'));
});

test('two entries that are one person', async () => {
  const own = { kana: 'しのだ まどか', birth_date: '1961-04-05' };
  kept = await post('persons', {
    ...own,
    name: '篠田 円',
    phone_mobile: '090-0000-2233',
    contact_caution: '昼は電話に出られない',
    risk_flags: ['two_staff'],
  });
  other = await post('persons', {
    ...own,
    name: '篠田 圓',
    address: '架空市東町2-2',
    contact_caution: '夫に知られないように',
  });
  const received = await post('cases', {
    received_on: '2026-11-20',
    clients: [{ person_id: other.id }],
  });
  caseId = received.id;
});

test('they are compared and merged', async () => {
  await page.goto(`/cases/${caseId}/overview`);
  await page.getByRole('button', { name: '篠田 圓さんの台帳を開く' }).press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('同じ方かもしれない登録があります').waitFor();
  await look('person', false);
  await dialog.getByRole('button', { name: /見比べる/ }).press('Enter');
  await dialog.getByText('違っている内容').waitFor();
  await dialog.getByText('まとめると、こうなります').waitFor();
  await look('compare', false);
  await dialog.getByRole('button', { name: '1人にまとめる' }).press('Enter');
  await dialog.getByText('同じ人と判断した理由を書いてください。').first().waitFor();
  await dialog.getByLabel('同じ人と判断した理由').fill('本人に生年月日と旧字を確認した');
  await dialog.getByRole('button', { name: '1人にまとめる' }).press('Enter');
  await page.getByText('1人にまとめました').first().waitFor();
  const { json } = await fetchJson(page, `/api/v1/cases/${caseId}`);
  assert.deepEqual(json.persons[0].former_ids, [kept.id]);
  const person = await fetchJson(page, `/api/v1/persons/${kept.id}`);
  assert.equal(person.json.id, other.id, 'the old id leads to who was kept');
  assert.match(person.json.fields.contact_caution, /夫に知られない[\s\S]*昼は電話に出られない/);
});

test('and taken apart again', async () => {
  await page.getByRole('button', { name: '篠田 圓さんの台帳を開く' }).press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('本人に生年月日と旧字を確認した').waitFor();
  await look('history', false);
  await dialog.getByRole('button', { name: '元に戻す' }).press('Enter');
  await dialog.getByText('統合を元に戻しますか').waitFor();
  await dialog.getByRole('button', { name: '2人に戻す' }).press('Enter');
  await page.getByText('統合を元に戻しました').first().waitFor();
  const person = await fetchJson(page, `/api/v1/persons/${kept.id}`);
  assert.equal(person.json.id, kept.id);
  await page.keyboard.press('Escape');
});

test('two households of one person, and a move', async () => {
  await page.goto(`/cases/${caseId}/overview`);
  await page.getByRole('button', { name: '篠田 圓さんの台帳を開く' }).press('Enter');
  const dialog = page.getByRole('dialog').last();
  await dialog.getByRole('button', { name: /世帯を登録する.*住民票世帯/ }).press('Enter');
  await page.getByRole('heading', { name: '住民票世帯：篠田 圓さん' }).waitFor();
  await page
    .getByRole('dialog')
    .last()
    .getByRole('button', { name: '世帯を登録する' })
    .press('Enter');
  await page.getByText('住民票世帯を登録しました').first().waitFor();
  // In truth she lives with somebody of whom no household is known yet.
  const host = await post('persons', {
    name: '篠田 晶',
    kana: 'しのだ あきら',
    birth_date: '1955~',
  });
  await page.getByRole('button', { name: /世帯を登録する.*実世帯/ }).press('Enter');
  const form = page.getByRole('dialog').last();
  await form.getByRole('radio', { name: /ほかの方の世帯に入る/ }).check();
  await form.getByLabel('どなたの世帯ですか').fill('しのだ あ');
  await form.getByLabel('どなたの世帯ですか').press('Enter');
  await form.getByText('昭和30年頃生まれ・約71歳').waitFor();
  await form.getByRole('button', { name: /この方の世帯.*篠田 晶/ }).press('Enter');
  await form.getByText('篠田 晶さんを世帯主とする世帯をつくり').waitFor();
  await form.getByLabel('世帯主から見た続柄').selectOption('elder_sis');
  await form.getByLabel('世帯に入った日').fill('R8.10.1');
  await form.getByLabel('理由').fill('実家の売却');
  await look('household-enter', false);
  await form.getByRole('button', { name: '世帯を登録する', exact: true }).press('Enter');
  await page.getByText('住民票と実際が違います').waitFor();
  await look('households', false);
  const { json } = await fetchJson(page, `/api/v1/persons/${other.id}`);
  assert.deepEqual(
    json.households.map((home) => [home.kind, home.stays.map((stay) => stay.person_id)]),
    [
      ['registered', [other.id]],
      ['actual', [host.id, other.id]],
    ],
  );
  await page.keyboard.press('Escape');
  // The case asks whoever lives there by name.
  await page.getByRole('button', { name: '家族・関係者を加える' }).press('Enter');
  const adding = page.getByRole('dialog');
  await adding.getByRole('button', { name: /この方を選ぶ.*篠田 晶/ }).press('Enter');
  await adding.getByText('台帳の方').waitFor();
  await look('household-case', false);
  assert.equal(await adding.getByRole('radio', { name: '同居の家族' }).isChecked(), true);
  await page.keyboard.press('Escape');
});

test('who comes second sees what the first one changed, and goes on', async () => {
  await page.goto(`/cases/${caseId}/overview`);
  await page.getByRole('button', { name: '篠田 圓さんの台帳を開く' }).press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('通称・旧姓', { exact: true }).fill('篠田 まる');
  const { json } = await fetchJson(page, `/api/v1/persons/${other.id}`);
  const body = { version: json.version, set: { address: '架空市西町8-8' } };
  await fetchJson(page, `/api/v1/persons/${other.id}`, { method: 'PATCH', body });
  await dialog.getByRole('button', { name: '台帳に保存する' }).press('Enter');
  await dialog.getByText('住所：架空市東町2-2 → 架空市西町8-8').waitFor();
  await look('overtaken', false);
  await dialog.getByRole('button', { name: '最新の内容に重ねる' }).press('Enter');
  await dialog.getByRole('button', { name: '台帳に保存する' }).press('Enter');
  await page.getByText('台帳に保存しました').first().waitFor();
  const saved = await fetchJson(page, `/api/v1/persons/${other.id}`);
  assert.equal(saved.json.fields.address, '架空市西町8-8');
  assert.equal(saved.json.fields.alias, '篠田 まる');
});

test('the candidates stand in a list', async () => {
  await page.goto('/persons/duplicates');
  await page.getByRole('row', { name: /篠田 円/ }).waitFor();
  await look('duplicates');
});

test('what went to whom, and what comes due', async () => {
  await post(`cases/${caseId}/consents`, {
    person_id: other.id,
    status: 'full',
    obtained_on: '2026-01-10',
    expires_on: '2026-02-10',
    method: 'paper',
    purpose: '生活の立て直しのため',
    policy_version: '説明書 令和8年1月版',
  });
  await post(`cases/${caseId}/progress-records`, {
    performed_on: '2026-11-21',
    method: 'tel',
    content: '篠田 圓さんから電話。来週の訪問を約束した。',
  });
  await page.goto('/');
  await page.getByRole('link', { name: '篠田 圓さんの同意' }).waitFor();
  await page.getByText('担当事案を読み込んで').waitFor({ state: 'detached' });
  await look('home');
  const list = await fetchJson(page, '/api/v1/cases?limit=50');
  const shared = list.json.items.find((item) => item.id !== caseId);
  const agencies = await fetchJson(page, '/api/v1/agencies');
  const partners = new Set(
    agencies.json.items.filter((one) => one.class === 'agency').map((one) => one.id),
  );
  let open;
  for (const item of list.json.items) {
    const rows = await fetchJson(page, `/api/v1/cases/${item.id}/disclosures`);
    if (rows.json.items.some((row) => partners.has(row.agency_id) && row.effective !== 'none')) {
      open = item.id;
      break;
    }
  }
  await page.goto(`/cases/${open}/sharing/matrix`);
  await page
    .getByRole('button', { name: /期間を決める/ })
    .first()
    .press('Enter');
  const days = page.getByRole('dialog');
  await days.getByLabel('すべての記録：終わりの日').fill('R9.3.31');
  await days.getByRole('button', { name: 'すべてに入れる' }).press('Enter');
  await look('days', false);
  await days.getByRole('button', { name: '期間を入れる' }).press('Enter');
  await page.getByText('令和9年3月31日').first().waitFor();
  await look('matrix');
  await page
    .getByRole('link', { name: /見え方.*から見た「/ })
    .first()
    .press('Enter');
  await page.getByText('からの見え方').first().waitFor();
  await look('view-as', false);
  await page.goto(`/cases/${shared.id}/sharing/passed`);
  await page.getByText('同意のない共有の記録').first().waitFor();
  await page.getByText('すでに渡った範囲を読み込んで').waitFor({ state: 'detached' });
  await look('passed');
});

test('on paper', async () => {
  const received = await fetchJson(page, `/api/v1/cases/${caseId}`);
  const intake = received.json.sections.find((section) => section.section === 'intake').sheets[0];
  await page.goto(`/print/${intake.document_id}`);
  await page.getByRole('heading', { name: '本人基本情報' }).first().waitFor();
  await page.getByText('架空市西町8-8').waitFor();
  await look('paper-intake');
  await page.goto(`/print/cases/${caseId}/progress`);
  await page.getByRole('heading', { name: '支援経過一覧' }).waitFor();
  await page.getByText('来週の訪問を約束した').waitFor();
  await look('paper-progress');
  await page.goto(`/print/cases/${caseId}/consent/${other.id}`);
  await page.getByRole('heading', { name: '個人情報の共有に関する同意書' }).waitFor();
  await look('paper-consent');
  assert.deepEqual(faults, [], 'nothing went wrong in the page');
});

test('a municipality defines a preset of its own', async () => {
  const { page: office } = await desk('admin');
  page = office;
  await page.goto('/admin/presets');
  await page.getByText('はじめからあるひな型').waitFor();
  await page.getByRole('button', { name: 'ひな型を加える' }).press('Enter');
  const form = page.getByRole('dialog');
  await form.getByLabel('名前').fill('学校と共有する');
  await form.getByLabel('説明').fill('在籍する学校に、プランと支援経過を。');
  await form.getByLabel('支援経過').first().selectOption('masked');
  await form.getByRole('button', { name: '機関種別ごとの行を加える' }).press('Enter');
  await form.getByRole('checkbox', { name: /学校・教育委員会/ }).check();
  await form.getByLabel('プラン').last().selectOption('read');
  await form.getByRole('button', { name: 'ひな型を保存する' }).press('Enter');
  await page.getByText('ひな型を保存しました').first().waitFor();
  await look('presets');
  const { json } = await fetchJson(page, '/api/v1/disclosure-presets');
  const own = json.items.filter((preset) => preset.version);
  assert.deepEqual(
    own.map((preset) => preset.rows),
    [
      [
        { org_types: [], levels: { progress: 'masked' } },
        { org_types: ['kyoiku'], levels: { plan: 'read' } },
      ],
    ],
  );
});
