/**
 * A telephone call is taken down and an entry is written by keyboard alone, from the sign-in to what is
 * saved; keys, page loads and the estimated time are printed and bounded (docs/keyboard.md).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchJson, picture, saved } from './browser.mjs';
import { address, desk, emptyDesk, openOffice } from './desks.mjs';
import { freshTotp } from './totp.mjs';
import { between, line, Typist } from './typist.mjs';

openOffice();

/** The sign-in screen, and the way through it. */
async function signedIn(login) {
  const { page, faults, account } = await emptyDesk(login);
  await page.goto(address());
  await page.locator('#signin-id').waitFor();
  const typist = new Typist(page);
  await typist.tabTo('signin-id');
  await typist.type(account.login_id);
  await typist.press('Tab');
  await typist.type(account.password);
  await typist.press('Enter');
  await typist.until(() => page.locator('#signin-totp:focus').waitFor());
  await typist.code(await freshTotp(account.totp_secret));
  await typist.press('Enter');
  await typist.until(() => page.getByRole('navigation', { name: '全体' }).waitFor());
  return { page, faults, typist };
}

/** Chooses the n-th option of a list that has the focus. */
async function choose(typist, n) {
  typist.think();
  await typist.press('ArrowDown', n);
}

test('a telephone call becomes a reception in less than five minutes', async () => {
  const { page, faults, typist } = await signedIn('sasaki');
  const start = typist.mark();
  await typist.until(() => page.getByRole('link', { name: '新しい相談を受け付ける' }).waitFor());
  typist.think();
  await typist.press('n');
  await typist.until(() => page.locator('#name-0:focus').waitFor());

  // Who it is about.
  await typist.write(['まつうら', '松浦'], ['　', '　'], ['よしこ', '佳子']);
  assert.equal(await page.locator('#kana-0').inputValue(), 'まつうら よしこ', 'filled in');
  await typist.tabTo('birth-0');
  await typist.type('s23.4.12');
  await typist.press('Tab');
  // 女
  await choose(typist, 2);
  await typist.tabTo('phone-0');
  await typist.type('0422000011');
  await typist.press('Tab');
  await typist.type('2730005');
  await typist.until(() => page.getByRole('button', { name: /住所に入れる/ }).waitFor());
  await typist.press('Tab');
  typist.think();
  await typist.press('Enter');
  assert.equal(await typist.focused(), 'address-0');
  await typist.type('1-2-3');
  // How it came in.
  await typist.tabTo('received-on');
  await typist.press('Tab');
  // 家族・知人（電話・メール等）
  await choose(typist, 4);
  await typist.press('Tab');
  // 中
  typist.think();
  await typist.press('ArrowDown', 2);
  await typist.press('Tab');
  await typist.write(['ろうろうかいご', '老老介護'], ['と', 'と'], ['しっきん', '失禁']);
  await picture(page, 'keyboard-reception');
  typist.think();
  await typist.press('Control+Enter');
  // Straight into the sheet, at the first box that is still empty.
  await typist.until(() => page.locator('#field-contact_method:focus').waitFor());
  const received = between(start, typist.mark());
  const id = /cases\/([0-9a-f]{32})\/intake/.exec(page.url())[1];

  // The sheet: 電話, from the daughter.
  await choose(typist, 2);
  await typist.tabTo('field-visitor_relation');
  typist.think();
  await typist.press('ArrowDown');
  await typist.tabTo('field-visitor_relation_note');
  await typist.write(['ちょうじょ', '長女']);
  await typist.tabTo('field-visitor_name');
  await typist.write(['まつうら', '松浦'], ['　', '　'], ['ともこ', '智子']);
  await typist.tabTo('field-visitor_phone');
  await typist.type('09000000022');
  // 病気や健康、障害のこと; 家族との関係について; 介護のこと
  await typist.tabTo('field-topics');
  typist.think(3);
  await typist.press('Space');
  await typist.press('Tab', 9);
  await typist.press('Space');
  await typist.press('Tab', 2);
  await typist.press('Space');
  await typist.tabTo('field-topic_primary');
  await choose(typist, 12);
  await typist.press('Tab');
  await typist.write(
    ['ちちが', '父が'],
    ['のうこうそくで', '脳梗塞で'],
    ['たおれ、', '倒れ、'],
    ['ははが', '母が'],
    ['ひとりで', 'ひとりで'],
    ['かいごしている。', '介護している。'],
    ['ははは', '母は'],
    ['ものわすれが', 'もの忘れが'],
    ['ふえ、', '増え、'],
    ['ひを', '火を'],
    ['けしわすれたことが', '消し忘れたことが'],
    ['せんげつ', '先月'],
    ['にかい', '2回'],
    ['あった。', 'あった。'],
    ['むすめは', '娘は'],
    ['けんがいに', '県外に'],
    ['すみ、', '住み、'],
    ['つきに', '月に'],
    ['いちどしか', '一度しか'],
    ['かえれない。', '帰れない。'],
    ['かいごほけんは', '介護保険は'],
    ['もうしこんでいない。', '申し込んでいない。'],
    ['どこに', 'どこに'],
    ['そうだんすれば', '相談すれば'],
    ['よいか', 'よいか'],
    ['わからない。', '分からない。'],
  );
  await typist.tabTo('field-consent_status');
  // 口頭
  await choose(typist, 4);
  await typist.until(() => saved(page));
  await picture(page, 'keyboard-sheet', { fullPage: true });
  const whole = typist.mark();
  const after = between(start, whole);
  console.log(line('reception, to the sheet', received));
  console.log(line('reception, from being signed in to 保存済み', after));
  console.log(line('reception, with the sign-in', whole));

  const { json } = await fetchJson(page, `/api/v1/cases/${id}`);
  const person = await fetchJson(page, `/api/v1/persons/${json.clients[0].person_id}`);
  assert.equal(json.urgency, 'b');
  const {
    name,
    name_kana,
    birth_date,
    gender,
    phone_home,
    postal_code,
    address: where,
  } = person.json.fields;
  assert.deepEqual(
    { name, name_kana, birth_date, gender, phone_home },
    {
      name: '松浦　佳子',
      name_kana: 'マツウラ ヨシコ',
      birth_date: '1948-04-12',
      gender: '2',
      phone_home: '0422000011',
    },
  );
  assert.equal(postal_code, '2730005');
  assert.equal(where, '千葉県船橋市本町1-2-3');
  const sheet = json.sections.find((section) => section.section === 'intake').document_id;
  const { fields } = (await fetchJson(page, `/api/v1/documents/${sheet}/projection`)).json;
  assert.match(JSON.stringify(fields), /脳梗塞で倒れ、母がひとりで介護している。.*分からない。/);
  assert.ok(whole.loads === 0, 'no page is loaded again');
  assert.ok(whole.seconds < 300, line('reception', whole));
  assert.deepEqual(faults, []);
});

test('an entry is saved within a minute of signing in', async () => {
  const { page, faults, typist } = await signedIn('sasaki');
  const start = typist.mark();
  const { json } = await fetchJson(page, '/api/v1/cases?mine=true');
  const wanted = json.items[0];
  const who = await fetchJson(page, `/api/v1/persons/${wanted.clients[0].person_id}`);
  const kana = who.json.fields.name_kana
    .split(/\s/)[0]
    .replace(/[ァ-ヶ]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60));
  // Whoever calls is found by how the name is read.
  await typist.press('/');
  await typist.write([kana, kana]);
  await typist.press('Enter');
  await typist.until(() => page.locator('.found:focus').waitFor());
  await typist.press('Tab');
  typist.think();
  await typist.press('Enter');
  await typist.until(() => page.locator('.case-head__no').waitFor());
  await typist.press('n');
  await typist.until(() => page.locator('#progress-method input:focus').waitFor());
  typist.think();
  await typist.press('Space');
  await typist.tabTo('progress-content');
  const chores = between(start, typist.mark());
  await typist.write(
    ['ほんにんから', '本人から'],
    ['でんわ。', '電話。'],
    ['やちんの', '家賃の'],
    ['とくそくじょうが', '督促状が'],
    ['とどいたとのこと。', '届いたとのこと。'],
    ['あす', 'あす'],
    ['ほうもんして', '訪問して'],
    ['かくにんする。', '確認する。'],
  );
  await typist.press('Control+Enter');
  await typist.until(() => page.getByText('記録を確定しました').waitFor());
  const whole = typist.mark();
  const after = between(start, whole);
  console.log(line('entry, to the text box', chores));
  console.log(line('entry, from being signed in to the record', after));
  console.log(line('entry, with the sign-in', whole));
  await page.locator('.record', { hasText: '督促状が届いたとのこと' }).first().waitFor();
  assert.equal(whole.loads, 0, 'no page is loaded again');
  assert.ok(after.seconds < 60, line('entry', after));
  assert.deepEqual(faults, []);
});

test('whoever is in the register already is chosen from the box one types in', async () => {
  const { page, faults } = await desk('sasaki');
  await page.goto('/cases/new');
  await page.locator('#name-0:focus').waitFor();
  const typist = new Typist(page);
  await typist.write(['やまもと', '山本'], ['　', '　'], ['けんいち', '健一']);
  await page.getByText('この方ではありませんか').waitFor();
  await typist.press('ArrowDown');
  await typist.press('Enter');
  await page.getByText('台帳の方').waitFor();
  const at = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  assert.match(await at(), /山本 健一/, 'the keys go on from whoever was chosen');
  await typist.press('Tab');
  assert.equal(await at(), '選び直す');
  assert.deepEqual(faults, []);
});
