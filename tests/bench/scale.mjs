// A large municipality: how fast the index is made, and how fast lists, searches and case pages answer
// fifty people at once. `node scale.mjs [CASES]` (20,000 when missing; ten entries of 支援経過 each).
// BENCH_DATA keeps the data folder between runs, BENCH_SECONDS and BENCH_USERS set the load.
// `CPU elsewhere` says how busy others kept the machine: read the figures when it is small.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const binary = process.env.MUSUBI_BINARY ?? join(root, 'target/release/musubi')
const environment = { MUSUBI_ASSETS: join(root, 'target/assets'), ...process.env, MUSUBI_LOG: 'warn,api=info,store=info' }
const CASES = Number(process.argv[2] ?? 20_000)
const USERS = Number(process.env.BENCH_USERS ?? 50)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 60)
/** Between two steps of a person, in ms: reading. */
const THINK = Number(process.env.BENCH_THINK ?? 1000)
const WORDS = ['家賃', '訪問', '眠れない', '佐藤', '年金 手続き', '通院', 'さいとう', '滞納', '見学の日程', '長男']

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const kept = process.env.BENCH_DATA
const data = kept ?? mkdtempSync(join(tmpdir(), 'musubi-scale-'))
const command = (...words) => execFileSync(binary, [...words, '--data', data], { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 })

function busy() {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softirq) / 100
}
const spent = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
const memory = (pid, name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

let began = performance.now()
if (!existsSync(join(data, 'musubi.sqlite'))) {
  command('demo', '--load-only')
  began = performance.now()
  const said = execFileSync(binary, ['demo', '--load-only', '--cases', String(CASES), '--data', data], { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const seconds = (performance.now() - began) / 1000
  console.log(`made      ${CASES} cases in ${seconds.toFixed(0)} s: ${(CASES / seconds).toFixed(0)} a second ${said.trim()}`)
}
const size = ['musubi.sqlite', 'documents.sqlite'].map((file) => statSync(join(data, file)).size / 2 ** 20)
console.log(`databases ${size.map((mib) => mib.toFixed(0)).join(' + ')} MiB`)

const logins = JSON.parse(command('demo', '--accounts')).map((account) => account.login_id)
const tokens = []
for (const login of logins) {
  try {
    tokens.push([login, command('token', 'create', '--user', login, '--ttl', '6h', '--scope', 'read_cases').trim()])
  } catch {
    // Of several memberships one would have to be named.
  }
}

const server = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
process.once('exit', () => server.kill('SIGKILL'))
createInterface({ input: server.stderr }).on('line', (line) => {
  if (/search index made|lists of cases made|ERROR|WARN/.test(line)) console.log(`server    ${line}`)
})
const url = await new Promise((resolve, reject) => {
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  createInterface({ input: server.stdout }).on('line', (line) => {
    const found = /http:\/\/[^\s/]+/.exec(line)
    if (found) resolve(found[0])
  })
})
const agent = new Agent({ keepAlive: true, maxSockets: USERS })

function ask(token, method, path, body) {
  return new Promise((resolve, reject) => {
    const sent = body === undefined ? undefined : JSON.stringify(body)
    const headers = { authorization: `Bearer ${token}`, ...(sent && { 'content-type': 'application/json' }) }
    const asked = request(`${url}/api/v1/${path}`, { method, agent, headers }, (reply) => {
      const parts = []
      reply.on('data', (part) => parts.push(part))
      reply.on('end', () => {
        const text = Buffer.concat(parts).toString()
        resolve({ status: reply.statusCode, json: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : null })
      })
    })
    asked.on('error', reject)
    asked.end(sent)
  })
}

// Only who reads cases has lists; the first answers wait until those are made.
began = performance.now()
const readers = []
for (const [login, token] of tokens) {
  const { status } = await ask(token, 'GET', 'cases?limit=1')
  if (status === 200) readers.push([login, token])
}
console.log(`lists     after ${((performance.now() - began) / 1000).toFixed(0)} s, for ${readers.length} people`)

began = performance.now()
for (;;) {
  const { json } = await ask(readers[0][1], 'POST', 'search', { q: '家賃' })
  if (json && 'total' in json && json.notice === null) break
  if (performance.now() - began > 3_600_000) throw new Error('no index after an hour')
  await sleep(1000)
}
console.log(`index     whole after ${((performance.now() - began) / 1000).toFixed(0)} s`)

class Samples {
  values = []
  failed = 0
  at(share) {
    const sorted = Float64Array.from(this.values).sort()
    return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] : Number.NaN
  }
}
const steps = new Map(['list', 'next page', 'filter', 'search', 'case page'].map((name) => [name, new Samples()]))
let until = Infinity
let counting = false

/** One step of a person: all its requests, as the screen makes them. */
async function step(name, requests) {
  const started = performance.now()
  const replies = []
  for (const together of requests) replies.push(...(await Promise.all(together.map((one) => ask(...one)))))
  if (counting) {
    const samples = steps.get(name)
    samples.values.push(performance.now() - started)
    samples.failed += replies.filter((reply) => reply.status !== 200).length
  }
  await sleep(THINK * (0.5 + Math.random()))
  return replies
}

async function person(token) {
  await sleep(Math.random() * THINK)
  while (performance.now() < until) {
    const [list] = await step('list', [[[token, 'GET', 'cases?limit=50']]])
    const cursor = list.json?.next_cursor
    if (cursor) await step('next page', [[[token, 'GET', `cases?limit=50&cursor=${encodeURIComponent(cursor)}`]]])
    await step('filter', [[[token, 'GET', 'cases?limit=50&stage=planning,active']]])
    const words = WORDS[Math.floor(Math.random() * WORDS.length)]
    await step('search', [[[token, 'POST', 'search', { q: words }]]])
    const items = list.json?.items ?? []
    for (let opened = 0; opened < 2 && items.length; opened++) {
      const { id } = items[Math.floor(Math.random() * items.length)]
      await step('case page', [
        [[token, 'GET', `cases/${id}`]],
        [[token, 'GET', `cases/${id}/progress-records`]],
      ])
    }
  }
}

until = performance.now() + (SECONDS + 10) * 1000
const people = Array.from({ length: USERS }, (_, n) => person(readers[n % readers.length][1]))
await sleep(10_000)
counting = true
const [all, own, ours] = [busy(), spent(server.pid), process.cpuUsage()]
await Promise.all(people)
const elsewhere = busy() - all - (spent(server.pid) - own) - (process.cpuUsage(ours).user + process.cpuUsage(ours).system) / 1e6
console.log(`load      ${USERS} people, ${SECONDS} s, ${THINK} ms between steps; server ${(spent(server.pid) - own).toFixed(0)} CPU-s, CPU elsewhere ${elsewhere.toFixed(0)} s`)
for (const [name, samples] of steps) {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => `${samples.at(share).toFixed(0).padStart(5)}`)
  console.log(`${name.padEnd(10)}p50 ${p50} ms  p95 ${p95} ms  p99 ${p99} ms  n ${samples.values.length}${samples.failed ? `  FAILED ${samples.failed}` : ''}`)
}
console.log(`memory    ${memory(server.pid, 'VmRSS').toFixed(0)} MiB, ${memory(server.pid, 'RssAnon').toFixed(0)} of it its own, at most ${memory(server.pid, 'VmHWM').toFixed(0)}`)
server.kill('SIGTERM')
await new Promise((resolve) => server.once('exit', resolve))
if (!kept) rmSync(data, { recursive: true })
process.exit(0)
