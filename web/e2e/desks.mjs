/** The server of one file of tests, and the browsers at the desks of those who work in it. */
import { after, before } from 'node:test';
import { openBrowser, openPage, signIn } from './browser.mjs';
import { startServer } from './server.mjs';

let server;
const browsers = [];

/** Starts the server before the tests of this file, then what else they need; ends all of it after them. */
export function openOffice(prepare = async () => {}) {
  before(
    async () => {
      server = await startServer();
      await prepare();
    },
    { timeout: 330_000 },
  );
  after(async () => {
    for (const browser of browsers) await browser.close().catch(() => undefined);
    await server?.stop();
  });
}

export const address = () => server.url;

/** A browser of its own in which nobody has signed in, at another address if there is one in front. */
export async function emptyDesk(login, url = address()) {
  const browser = await openBrowser();
  browsers.push(browser);
  const { page, faults } = await openPage(browser, url);
  return { page, faults, account: login ? server.account(login) : null };
}

/** Somebody signed in, in a browser of its own. */
export async function desk(login) {
  const opened = await emptyDesk(login);
  await signIn(opened.page, opened.account);
  return opened;
}
