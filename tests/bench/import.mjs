// How long a file of persons takes: sent, checked against the register, written, found again.
// `node import.mjs [PERSONS]` (10,000 when missing). BENCH_DATA keeps and reuses a data folder.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const binary = process.env.MUSUBI_BINARY ?? join(root, 'target/release/musubi')
const environment = { MUSUBI_ASSETS: join(root, 'target/assets'), ...process.env, MUSUBI_LOG: 'error' }
const PERSONS = Number(process.argv[2] ?? 10_000)
const LOGIN = process.env.BENCH_LOGIN ?? 'sasaki'
const kept = process.env.BENCH_DATA
const data = kept ?? mkdtempSync(join(tmpdir(), 'musubi-import-'))
const command = (...words) => execFileSync(binary, [...words, '--data', data], { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

if (!existsSync(join(data, 'musubi.sqlite'))) command('demo', '--load-only')
const token = command('token', 'create', '--user', LOGIN, '--ttl', '6h').trim()
const server = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
process.once('exit', () => server.kill('SIGKILL'))
const url = await new Promise((resolve, reject) => {
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  createInterface({ input: server.stdout }).on('line', (line) => {
    const found = /http:\/\/[^\s/]+/.exec(line)
    if (found) resolve(found[0])
  })
})
async function ask(method, path, body) {
  const reply = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(typeof body === 'string' && { 'content-type': 'application/json' }) },
    body,
  })
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`)
  return reply.json()
}

const FAMILY = [['架空', 'カクウ'], ['鶸谷', 'ヒワタニ'], ['鴇田', 'トキタ'], ['柊木', 'ヒイラギ'], ['榎並', 'エナミ'], ['樫村', 'カシムラ'], ['椋野', 'ムクノ'], ['櫟原', 'イチハラ']]
const GIVEN = [['一郎', 'イチロウ'], ['花子', 'ハナコ'], ['誠', 'マコト'], ['澄江', 'スミエ'], ['陽菜', 'ヒナ'], ['克己', 'カツミ'], ['千鶴', 'チヅル']]
const pad = (number, length) => String(number).padStart(length, '0')
const lines = ['氏名,ふりがな（フリガナ）,生年月日,電話（携帯）,郵便番号']
for (let at = 0; at < PERSONS; at += 1) {
  const [family, familyKana] = FAMILY[at % FAMILY.length]
  const [given, givenKana] = GIVEN[Math.floor(at / FAMILY.length) % GIVEN.length]
  const born = `${1930 + (at % 80)}-${pad(1 + (at % 12), 2)}-${pad(1 + (Math.floor(at / 12) % 28), 2)}`
  lines.push(`${family} ${given},${familyKana} ${givenKana},${born},090-${pad(at % 10_000, 4)}-${pad((at * 7) % 10_000, 4)},100-0001`)
}
const form = new FormData()
form.set('file', new Blob([`${lines.join('\r\n')}\r\n`]), 'persons.csv')

/** Waits for a state. */
async function until(id, state) {
  for (;;) {
    const entry = await ask('GET', `imports/${id}`)
    if (entry.state === state) return entry
    if (entry.state === 'failed') throw new Error(JSON.stringify(entry))
    await sleep(200)
  }
}
const began = performance.now()
let since = began
const sent = await ask('POST', 'imports?table=person', form)
console.log(`sent      ${seconds(since)}, ${PERSONS} persons`)
since = performance.now()
const ready = await until(sent.id, 'ready')
console.log(`checked   ${seconds(since)}  ${JSON.stringify(ready.counts ?? {})}`)
since = performance.now()
await ask('POST', `imports/${sent.id}/apply`, '{"skip_errors": false}')
await until(sent.id, 'done')
console.log(`written   ${seconds(since)}`)
since = performance.now()
const last = '090-' + pad((PERSONS - 1) % 10_000, 4) + '-' + pad(((PERSONS - 1) * 7) % 10_000, 4)
for (;;) {
  const found = await ask('POST', 'search', JSON.stringify({ q: last, kinds: ['person'] }))
  if (found.hits?.length) break
  await sleep(500)
}
console.log(`found     ${seconds(since)}`)
console.log(`in all    ${seconds(began)}`)
const memory = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]
console.log(`memory    at most ${(memory / 1024).toFixed(0)} MiB`)
server.removeAllListeners('exit')
server.kill()
if (!kept) rmSync(data, { recursive: true, force: true })
