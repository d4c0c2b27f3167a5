/** Browsers, signing in, typing as an input method does, looking with axe, taking pictures. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { freshTotp } from './totp.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = process.env.MUSUBI_SCREENSHOTS;

/** One browser process per person, as on two desks. */
export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--lang=ja',
    ],
  });
}

/** A page that remembers what went wrong in it; `settle` fails the test when something did. */
export async function openPage(browser, url) {
  const context = await browser.newContext({
    viewport: { width: 1366, height: 900 },
    locale: 'ja-JP',
    timezoneId: 'Asia/Tokyo',
    acceptDownloads: true,
    baseURL: url,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    // 401 before signing in and refused steps are ordinary answers here.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      faults.push(`console: ${message.text()}`);
  });
  page.on('requestfinished', async (request) => {
    const { hostname } = new URL(request.url());
    if (
      !['127.0.0.1', 'localhost', new URL(url).hostname].includes(hostname) &&
      !request.url().startsWith('data:')
    )
      faults.push(`outside host: ${hostname}`);
  });
  return { page, faults };
}

export async function signIn(page, account) {
  await page.goto('/');
  await page.fill('#signin-id', account.login_id);
  await page.fill('#signin-password', account.password);
  await page.getByRole('button', { name: '次へ' }).click();
  await page.fill('#signin-totp', await freshTotp(account.totp_secret));
  await page.getByRole('button', { name: 'サインイン', exact: true }).click();
  await page.getByRole('navigation', { name: '全体' }).waitFor();
}

/** 0 violations, best practices included. */
export async function checkAccess(page, name) {
  await page.locator('h1').first().waitFor();
  // The content policy forbids added scripts; code given to the debugger is not subject to it.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map(
    (violation) =>
      `${violation.id}: ${violation.nodes.map((node) => node.target.join(' ')).join(' | ')}`,
  );
  assert.deepEqual(found, [], `axe on ${name}`);
}

let shots = 0;
export async function picture(page, name, { fullPage = false } = {}) {
  if (!PICTURES) return;
  await mkdir(PICTURES, { recursive: true });
  shots += 1;
  await page.screenshot({
    path: join(PICTURES, `${String(shots).padStart(2, '0')}-${name}.png`),
    fullPage,
  });
}

/** Composes kana and commits it as a Japanese input method does; `during` runs mid-composition. */
export async function compose(page, steps, committed, during = async () => {}) {
  const session = await page.context().newCDPSession(page);
  for (const text of steps) {
    await session.send('Input.imeSetComposition', {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    });
    await page.waitForTimeout(60);
  }
  await during();
  await session.send('Input.insertText', { text: committed });
  await session.detach();
}

/** Waits until `read` gives a value that satisfies `good`; fails with the last value. */
export async function eventually(read, good, what, timeout = 15_000) {
  const until = Date.now() + timeout;
  let last;
  for (;;) {
    last = await read();
    if (good(last)) return last;
    if (Date.now() > until) assert.fail(`${what}; last seen: ${JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Waits until `read` has given the same value for `quiet` ms (a scan runs 1–2 s after the last change). */
export async function settled(read, quiet = 4000, timeout = 60_000) {
  const until = Date.now() + timeout;
  let last = await read();
  let since = Date.now();
  while (Date.now() - since < quiet) {
    if (Date.now() > until) assert.fail(`never came to rest; last seen: ${JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 100));
    const now = await read();
    if (now !== last) [last, since] = [now, Date.now()];
  }
  return last;
}

/** A request with the page's own session. */
export function fetchJson(page, path, { method = 'GET', body } = {}) {
  return page.evaluate(
    async ([path, method, body]) => {
      const answer = await fetch(path, {
        method,
        headers: { 'X-Musubi': '1', ...(body ? { 'Content-Type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await answer.text();
      return {
        status: answer.status,
        text,
        json:
          text && /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : null,
      };
    },
    [path, method, body],
  );
}

/** The control of a sheet's field, by its path. */
export const field = (page, path) => page.locator(`[id="field-${path.replaceAll('/', '-')}"]`);

/** Waits until everything written is on the server's disk. */
export const saved = (page) => page.getByText('保存済み', { exact: true }).first().waitFor();
