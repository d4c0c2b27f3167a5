/**
 * The server under test. With MUSUBI_URL a running one is used and MUSUBI_DEMO_ACCOUNTS names the
 * JSON file of its demo accounts; otherwise MUSUBI_BINARY is started on a free port with the demo
 * municipality in a temporary folder, and stopped and removed afterwards.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Loading the demo municipality includes masking it with the model. */
const READY_WITHIN = 300_000;

/**
 * @typedef {{ login_id: string, password: string, totp_secret: string, name: string }} Account
 * @returns {Promise<{ url: string, account: (login: string) => Account, stop: () => Promise<void> }>}
 */
export async function startServer() {
  if (process.env.MUSUBI_URL) {
    const file = process.env.MUSUBI_DEMO_ACCOUNTS;
    if (!file)
      throw new Error(
        'MUSUBI_URL is set: MUSUBI_DEMO_ACCOUNTS must name the JSON file of demo accounts',
      );
    const list = JSON.parse(await readFile(file, 'utf8'));
    return {
      url: process.env.MUSUBI_URL.replace(/\/$/, ''),
      account: finder(list),
      stop: async () => {},
    };
  }
  const binary = process.env.MUSUBI_BINARY;
  if (!binary) throw new Error('set MUSUBI_BINARY (or MUSUBI_URL): which server shall be driven?');
  const data = await mkdtemp(join(tmpdir(), 'musubi-e2e-'));
  const port = await freePort();
  const dataset = process.env.MUSUBI_DATASET ? ['--dataset', process.env.MUSUBI_DATASET] : [];
  const child = spawn(
    binary,
    ['demo', '--data', data, '--listen', `127.0.0.1:${port}`, ...dataset],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => (said = (said + bytes).slice(-20_000)));
  let ended = false;
  child.on('exit', () => (ended = true));
  const stop = async () => {
    if (!ended) {
      child.kill('SIGTERM');
      await Promise.race([
        new Promise((done) => child.once('exit', done)),
        new Promise((done) => setTimeout(done, 10_000)),
      ]);
      if (!ended) child.kill('SIGKILL');
    }
    await rm(data, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  const until = Date.now() + READY_WITHIN;
  for (;;) {
    if (ended || Date.now() > until) {
      await stop();
      throw new Error(`the server did not come up:\n${said}`);
    }
    const ready = await fetch(`${url}/readyz`)
      .then(async (answer) => answer.ok && (await answer.json()).models === 'ready')
      .catch(() => false);
    if (ready) break;
    await new Promise((done) => setTimeout(done, 300));
  }
  const { stdout } = await promisify(execFile)(binary, ['demo', '--data', data, '--accounts']);
  return { url, account: finder(JSON.parse(stdout)), stop };
}

function finder(list) {
  return (login) => {
    const found = list.find((entry) => entry.login_id === login);
    if (!found) throw new Error(`no demo account ${login}`);
    return found;
  };
}

function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once('error', fail);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
