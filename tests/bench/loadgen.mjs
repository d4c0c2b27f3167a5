// Load generator for servers that speak the y-websocket sync protocol (framing "yws": one socket per
// document) or the Hocuspocus variant (framing "hocuspocus": every message is prefixed with the document's
// name). Modes and flags: README.md beside this file.
import WebSocket from 'ws'
import * as Y from 'yjs'
import * as encoding from 'lib0/encoding'
import * as decoding from 'lib0/decoding'
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { performance } from 'node:perf_hooks'

// ---------------------------------------------------------------- flags
const args = {}
for (let i = 2; i < process.argv.length; i++) {
  const a = process.argv[i]
  if (!a.startsWith('--')) { console.error('unexpected argument ' + a); process.exit(2) }
  const eq = a.indexOf('=')
  let k, v
  if (eq > 0) { k = a.slice(2, eq); v = a.slice(eq + 1) }
  else if (i + 1 < process.argv.length && !process.argv[i + 1].startsWith('--')) { k = a.slice(2); v = process.argv[++i] }
  else { k = a.slice(2); v = 'true' }
  if (k === 'header') (args.header ||= []).push(v); else args[k] = v
}
const S = (k, d) => args[k] ?? d
const N = (k, d) => args[k] === undefined ? d : Number(args[k])
const B = (k, d = false) => args[k] === undefined ? d : args[k] !== 'false' && args[k] !== '0'

const MODE = S('mode', 'latency')
const URL_T = S('url', 'ws://127.0.0.1:1234')       // may hold {doc}, {token}
const FRAMING = S('framing', 'yws')                 // yws | hocuspocus
const ACK = S('ack', FRAMING === 'hocuspocus' ? 'hocuspocus' : 'none') // none | hocuspocus | custom:<type>[:<flag>]
const DOCS = N('docs', 1)
const CLIENTS = N('clients', 10)                    // total over all docs
const RATE = N('rate', 5)                           // edits per second per writer
const WRITERS = N('writers', CLIENTS)               // how many of the clients write
const SECONDS = N('seconds', 10)
const WARMUP = N('warmup', 2)
const DRAIN = N('drain', 3)
const CHARS = N('chars', 1)                         // characters per edit
const PREFIX = S('prefix', 'lg' + Date.now().toString(36) + '-')
const TOKEN = S('token', 'loadgen')
const FIELD = S('field', 'content')
const PROTO = S('subprotocol', undefined)
const OUT = S('out', undefined)
const PID = N('pid', 0)
const LABEL = S('label', '')
const SERVER_CMD = S('server-cmd', undefined)
const READY_MS = N('ready-ms', 30000)
const SETTLE = N('settle', 5)
const AWARE = N('awareness-hz', 0)                  // awareness updates per second per client
const PRE = S('pre-http', undefined)                // e.g. "POST http://127.0.0.1:8080/doc/new {\"docId\":\"{doc}\"}"
const HEADERS = Object.fromEntries((args.header || []).map(h => { const i = h.indexOf(':'); return [h.slice(0, i).trim(), h.slice(i + 1).trim()] }))
const VERIFY = B('verify', true)
const STAGGER = B('stagger', true)                  // false: all clients open a new document at the same moment
const MAXP99 = N('max-p99', 250)

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const now = () => performance.now()
// Documents whose id the server chose (an `id` in the answer to --pre-http), by our name for them.
const ids = new Map()
const fill = (t, doc) => t.replaceAll('{doc}', encodeURIComponent(ids.get(doc) ?? doc)).replaceAll('{token}', encodeURIComponent(TOKEN))

// ---------------------------------------------------------------- histogram (log buckets, 1 %)
class Hist {
  constructor () { this.b = new Uint32Array(2200); this.n = 0; this.max = 0; this.sum = 0 }
  add (ms) { if (ms < 0) ms = 0; this.n++; this.sum += ms; if (ms > this.max) this.max = ms; const i = ms <= 0.001 ? 0 : Math.min(2199, Math.floor(Math.log(ms / 0.001) / Math.log(1.01))); this.b[i]++ }
  q (p) { if (!this.n) return null; let left = Math.ceil(this.n * p); for (let i = 0; i < 2200; i++) { left -= this.b[i]; if (left <= 0) return +Math.min(this.max, 0.001 * Math.pow(1.01, i + 1)).toFixed(3) } return +this.max.toFixed(3) }
  json () { return { n: this.n, mean: this.n ? +(this.sum / this.n).toFixed(3) : null, p50: this.q(0.5), p90: this.q(0.9), p99: this.q(0.99), p999: this.q(0.999), max: +this.max.toFixed(3) } }
}

// ---------------------------------------------------------------- /proc
const pidTree = root => {
  const out = [root]
  for (let i = 0; i < out.length; i++) {
    try { for (const t of fs.readdirSync(`/proc/${out[i]}/task`)) for (const c of fs.readFileSync(`/proc/${out[i]}/task/${t}/children`, 'utf8').trim().split(' ')) if (c) out.push(+c) } catch {}
  }
  return out
}
const rssKb = root => { let s = 0; if (!root) return null; for (const p of pidTree(root)) { try { s += +/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${p}/status`, 'utf8'))[1] } catch {} } return s }
const HZ = (() => { try { return +execFileSync('getconf', ['CLK_TCK']).toString() } catch { return 100 } })()
const cpuS = root => { let s = 0; if (!root) return null; for (const p of pidTree(root)) { try { const f = fs.readFileSync(`/proc/${p}/stat`, 'utf8'); const a = f.slice(f.lastIndexOf(')') + 2).split(' '); s += (+a[11] + +a[12]) / HZ } catch {} } return s }

const machineBusyS = () => { const a = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number); return (a[0] + a[1] + a[2] + a[5] + a[6] + a[7]) / HZ }

// ---------------------------------------------------------------- update scanning
// Calls cb(client, clock, len) for each struct carried by a v1 update. A fast
// path parses single plain-string structs; anything else goes through yjs.
const scan = (u, cb) => {
  try {
    const d = decoding.createDecoder(u)
    if (decoding.readVarUint(d) === 1 && decoding.readVarUint(d) === 1) {
      const client = decoding.readVarUint(d); const clock = decoding.readVarUint(d)
      const info = decoding.readUint8(d)
      if ((info & 31) === 4) {
        if (info & 128) { decoding.readVarUint(d); decoding.readVarUint(d) }
        if (info & 64) { decoding.readVarUint(d); decoding.readVarUint(d) }
        if (!(info & 192)) {
          if (decoding.readVarUint(d) === 1) decoding.readVarString(d); else { decoding.readVarUint(d); decoding.readVarUint(d) }
          if (info & 32) decoding.readVarString(d)
        }
        cb(client, clock, decoding.readVarUint(d)) // byte length; loadgen text is ASCII
        return
      }
    }
  } catch {}
  for (const s of Y.decodeUpdate(u).structs) if (!(s.constructor.name === 'Skip')) cb(s.id.client, s.id.clock, s.length)
}

// ---------------------------------------------------------------- connection
const SYNC = 0; const AWARENESS = 1; const AUTH = 2; const SYNC_REPLY = 4; const SYNC_STATUS = 8; const PING = 9; const PONG = 10
const stats = { sent: 0, msgsIn: 0, bytesIn: 0, bytesOut: 0, acks: 0, nacks: 0, errors: 0, closes: 0, connects: 0 }

class Conn {
  // opts: onUpdate(u8), onSynced(u8 diff), onAck(ok, data), stateVector
  constructor (docName, opts = {}) {
    this.doc = docName; this.o = opts; this.synced = false; this.open = false; this.closed = false
    this.ready = new Promise((resolve, reject) => { this._res = resolve; this._rej = reject })
    this.ready.catch(() => {})
    this.t0 = now()
    const ws = this.ws = new WebSocket(fill(URL_T, docName), PROTO ? PROTO.split(',') : undefined, { perMessageDeflate: false, headers: HEADERS, maxPayload: 1 << 30 })
    ws.binaryType = 'nodebuffer'
    ws.on('open', () => {
      this.tOpen = now(); this.open = true; stats.connects++
      if (FRAMING === 'hocuspocus') this.frame(AUTH, e => { encoding.writeVarUint(e, 0); encoding.writeVarString(e, TOKEN) })
      this.step1()
    })
    ws.on('message', (data, isBinary) => { if (isBinary) this.msg(data) })
    ws.on('error', e => { stats.errors++; this.err = e; this._rej(e) })
    ws.on('close', (c, r) => { this.closed = true; if (!this.quiet) { stats.closes++; this.closeInfo = c + ' ' + r }; this._rej(new Error('closed ' + c + ' ' + r)); this.o.onClose && this.o.onClose(c) })
  }
  step1 () { this.frame(SYNC, e => { encoding.writeVarUint(e, 0); encoding.writeVarUint8Array(e, this.o.stateVector || Uint8Array.of(0)) }) }
  frame (type, body) {
    const e = encoding.createEncoder()
    if (FRAMING === 'hocuspocus') encoding.writeVarString(e, this.doc)
    encoding.writeVarUint(e, type); body(e)
    const m = encoding.toUint8Array(e); stats.bytesOut += m.length
    if (this.ws.readyState === 1) this.ws.send(m)
  }
  update (u) { this.frame(SYNC, e => { encoding.writeVarUint(e, 2); encoding.writeVarUint8Array(e, u) }) }
  step2 (u) { this.frame(SYNC, e => { encoding.writeVarUint(e, 1); encoding.writeVarUint8Array(e, u) }) }
  awareness (client, clock, state) {
    this.frame(AWARENESS, e => {
      const a = encoding.createEncoder(); encoding.writeVarUint(a, 1); encoding.writeVarUint(a, client); encoding.writeVarUint(a, clock); encoding.writeVarString(a, JSON.stringify(state))
      encoding.writeVarUint8Array(e, encoding.toUint8Array(a))
    })
  }
  msg (data) {
    stats.msgsIn++; stats.bytesIn += data.length
    const d = decoding.createDecoder(data)
    if (FRAMING === 'hocuspocus') decoding.readVarString(d)
    const type = decoding.readVarUint(d)
    if (type === SYNC || (FRAMING === 'hocuspocus' && type === SYNC_REPLY)) {
      const sub = decoding.readVarUint(d); const payload = decoding.readVarUint8Array(d)
      if (sub === 0) this.step2(this.o.answer ? this.o.answer(payload) : Uint8Array.of(0, 0))
      else if (sub === 1) {
        if (!this.synced) { this.synced = true; this.tSynced = now(); this.syncBytes = payload.length; this.o.onSynced && this.o.onSynced(payload); this._res(this) } else this.o.onUpdate && this.o.onUpdate(payload)
      } else if (sub === 2) this.o.onUpdate && this.o.onUpdate(payload)
    } else if (FRAMING === 'hocuspocus' && type === SYNC_STATUS) {
      if (decoding.readVarUint(d)) { stats.acks++; this.o.onAck && this.o.onAck(true) } else { stats.nacks++; this.o.onAck && this.o.onAck(false) }
    } else if (FRAMING === 'hocuspocus' && type === PING) this.frame(PONG, () => {})
    else if (ACK.startsWith('custom:') && type === +ACK.split(':')[1]) { stats.acks++; this.o.onAck && this.o.onAck(true, data.subarray(d.pos)) }
    else if (type === AUTH && FRAMING === 'hocuspocus') { if (decoding.readVarUint(d) === 1) this._rej(new Error('permission denied: ' + decoding.readVarString(d))) }
  }
  close () { this.quiet = true; try { this.ws.terminate() } catch {} }
}

// A writer types into its own run of characters: its own Y.Doc, remote content
// is never merged into it, which keeps the generator cheap and the updates valid.
class Writer {
  constructor (conn) {
    this.conn = conn; this.doc = new Y.Doc({ gc: false }); this.t = this.doc.getText(FIELD); this.clock = 0; this.sentAt = []; this.acked = 0; this.inflight = []
    this.doc.on('update', u => { this.last = u })
  }
  edit () {
    let s = ''; for (let i = 0; i < CHARS; i++) s += String.fromCharCode(97 + Math.floor(Math.random() * 26))
    this.t.insert(this.t.length, s)
    this.sentAt.push(now()); this.inflight.push(this.clock + CHARS); this.clock += CHARS; stats.sent++
    this.conn.update(this.last)
    if (ACK.startsWith('custom:')) this.conn.frame(+ACK.split(':')[1], e => { const p = encoding.createEncoder(); encoding.writeVarUint(p, this.clock); encoding.writeVarUint8Array(e, encoding.toUint8Array(p)) })
  }
}

// A reader holding a full replica; keeps applying what arrives after the first sync.
const reader = name => {
  const d = new Y.Doc()
  const ap = u => { const a = now(); Y.applyUpdate(d, u); c.applyMs += now() - a; c.rxBytes += u.length; c.tLast = now() }
  const c = new Conn(name, { onSynced: ap, onUpdate: ap })
  c.applyMs = 0; c.rxBytes = 0; c.d = d; c.state = client => Y.getState(d.store, client)
  return c
}

const preHttp = async doc => {
  if (!PRE) return
  const [m, u, ...b] = PRE.split(' ')
  const r = await fetch(fill(u, doc), { method: m, headers: { 'content-type': 'application/json', ...HEADERS }, body: b.length ? fill(b.join(' '), doc) : undefined })
  if (!r.ok) throw new Error(`pre-http ${r.status} ${await r.text()}`)
  const answer = await r.json().catch(() => null)
  if (answer?.id) ids.set(doc, String(answer.id))
}
const docName = i => PREFIX + i

// ---------------------------------------------------------------- optional server process
let child = null
const httpOk = async () => {
  const u = new URL(fill(URL_T, 'x')); const { createConnection } = await import('node:net')
  return await new Promise(resolve => { const s = createConnection({ host: u.hostname, port: +u.port }, () => { s.destroy(); resolve(true) }); s.on('error', () => resolve(false)) })
}
const startServer = async () => {
  if (!SERVER_CMD) return PID
  for (let i = 0; await httpOk(); i++) { if (i > 20) throw new Error('something already listens on that port'); await sleep(100) }
  const t = now()
  const log = fs.openSync(S('server-log', '/dev/null'), 'a')
  child = spawn('bash', ['-c', 'exec ' + SERVER_CMD], { stdio: ['ignore', log, log], detached: false })
  child.exited = new Promise(resolve => child.on('exit', (c, s) => resolve(s || c)))
  while (now() - t < READY_MS) { if (child.exitCode !== null) throw new Error('server exited at start'); if (await httpOk()) { child.readyMs = +(now() - t).toFixed(1); return child.pid } await sleep(10) }
  throw new Error('server did not open its port')
}
const killServer = async (sig = 'SIGKILL') => { if (!child) return; const c = child; child = null; if (sig === 'SIGKILL') for (const p of pidTree(c.pid).reverse()) { try { process.kill(p, 'SIGKILL') } catch {} } else c.kill(sig); await c.exited }

// ---------------------------------------------------------------- the typing run (latency / throughput)
const typingRun = async (pid, rate, seconds, warmup, prefix) => {
  const hist = new Hist(); const slip = new Hist(); const ackHist = new Hist()
  let delivered = 0; let measuring = false; let tA = 0; let tB = Infinity
  const byClient = new Map(); const writers = []; const conns = []
  const perDoc = Array.from({ length: DOCS }, () => 0)
  for (const k of Object.keys(stats)) stats[k] = 0
  for (let i = 0; i < DOCS; i++) await preHttp(prefix + i)
  for (let i = 0; i < CLIENTS; i++) {
    const di = i % DOCS; perDoc[di]++
    let me = null
    const onUpdate = u => scan(u, (client, clock, len) => {
      const w = byClient.get(client); if (!w || w === me) return
      const t = now()
      for (let c = clock - clock % CHARS; c < clock + len; c += CHARS) { if (c < clock) continue; const at = w.sentAt[c / CHARS]; if (tA && at >= tA && at < tB) { hist.add(t - at); delivered++ } }
    })
    const c = new Conn(prefix + di, { onUpdate, onAck: ok => { if (me && ok) { const end = me.inflight.shift(); if (end !== undefined) { me.acked = end; const at = me.sentAt[end / CHARS - 1]; if (tA && at >= tA && at < tB) ackHist.add(now() - at) } } } })
    conns.push(c)
    if (i < WRITERS) { me = new Writer(c); byClient.set(me.doc.clientID, me); writers.push(me); me.di = di }
    if (STAGGER && i < DOCS) await c.ready // the first client of each document alone
    if (i % 50 === 49) await Promise.all(conns.slice(-50).map(x => x.ready))
  }
  await Promise.all(conns.map(c => c.ready))
  await sleep(300)
  const rss0 = rssKb(pid)
  const gap = 1000 / rate
  const start = now()
  for (const w of writers) w.next = start + Math.random() * gap
  let stop = false
  const aw = AWARE > 0 ? setInterval(() => { conns.forEach((c, i) => { c._ac = (c._ac || 0) + 1; c.awareness(1e6 + i, c._ac, { user: { name: 'u' + i }, cursor: c._ac }) }) }, 1000 / AWARE) : null
  let cpu0 = 0; let busy0 = 0; let gcpu0 = null; let wall0 = 0; let sentA = 0; let sentB = 0; let bytesIn0 = 0; let msgs0 = 0
  const endWarm = start + warmup * 1000; const end = endWarm + seconds * 1000
  while (!stop) {
    const t = now()
    if (!measuring && !tA && t >= endWarm) { tA = t; measuring = true; cpu0 = cpuS(pid); busy0 = machineBusyS(); gcpu0 = process.cpuUsage(); wall0 = t; sentA = stats.sent; bytesIn0 = stats.bytesIn; msgs0 = stats.msgsIn }
    if (t >= end) { tB = t; measuring = false; stop = true; break }
    let burst = 0
    for (const w of writers) { while (w.next <= t && burst < 5000) { if (measuring) slip.add(t - w.next); w.edit(); w.next += gap; burst++ } }
    let soon = Infinity; for (const w of writers) if (w.next < soon) soon = w.next
    const wait = soon - now()
    await (wait > 1.5 ? sleep(Math.min(wait - 0.5, 20)) : new Promise(resolve => setImmediate(resolve)))
  }
  sentB = stats.sent
  const gcpu = process.cpuUsage(gcpu0); const wall = (now() - wall0) / 1000
  const cpu = pid ? cpuS(pid) - cpu0 : null
  const other = machineBusyS() - busy0 - (cpu || 0) - (gcpu.user + gcpu.system) / 1e6
  const deliveredInWindow = delivered; const bytesW = stats.bytesIn - bytesIn0; const msgsW = stats.msgsIn - msgs0
  if (aw) clearInterval(aw)
  const sentW = sentB - sentA
  // expected deliveries of the measured edits: to everyone else in the same doc
  let expected = 0
  for (const w of writers) { let k = 0; for (const at of w.sentAt) if (at >= tA && at < tB) k++; expected += k * (perDoc[w.di] - 1) }
  const dEnd = now() + DRAIN * 1000
  while (now() < dEnd && delivered < expected) await sleep(20)
  const drainMs = now() - tB
  const rss1 = rssKb(pid)
  conns.forEach(c => c.close())
  // verification: a fresh reader must see each writer's every character
  let verify = null
  if (VERIFY) {
    verify = { docs: 0, missing_chars: 0, total_chars: 0 }
    for (let di = 0; di < DOCS; di++) {
      const mine = writers.filter(w => w.di === di)
      const c = reader(prefix + di)
      try { await Promise.race([c.ready, sleep(15000).then(() => { throw new Error('verify timeout') })]) } catch (e) { verify.error = String(e); c.close(); continue }
      const miss = () => mine.reduce((a, w) => a + Math.max(0, w.clock - c.state(w.doc.clientID)), 0)
      const first = miss(); if (first) verify.late_after_first_sync = (verify.late_after_first_sync || 0) + first
      for (const t = now(); miss() > 0 && now() - t < 3000;) await sleep(50)
      verify.docs++; verify.missing_chars += miss(); verify.total_chars += mine.reduce((a, w) => a + w.clock, 0)
      c.close()
    }
  }
  return {
    rate_per_writer: rate, offered_per_s: +(writers.length * rate).toFixed(1), sent_per_s: +(sentW / wall).toFixed(1),
    expected_deliveries: expected, delivered_total: delivered, delivered_pct: expected ? +(100 * delivered / expected).toFixed(2) : null,
    delivered_per_s_in_window: +(deliveredInWindow / wall).toFixed(1), ws_msgs_in_per_s: +(msgsW / wall).toFixed(1), mb_in_per_s: +(bytesW / wall / 1e6).toFixed(2), drain_ms: +drainMs.toFixed(0),
    latency_ms: hist.json(), ack_ms: ackHist.n ? ackHist.json() : null, gen_slip_ms: slip.json(),
    server_cpu_pct: cpu === null ? null : +(100 * cpu / wall).toFixed(1), gen_cpu_pct: +((gcpu.user + gcpu.system) / 1e4 / wall).toFixed(1), other_cpu_pct: +Math.max(0, 100 * other / wall).toFixed(1),
    server_cpu_us_per_edit: cpu === null || !sentW ? null : +(1e6 * cpu / sentW).toFixed(1), server_cpu_us_per_delivery: cpu === null || !deliveredInWindow ? null : +(1e6 * cpu / deliveredInWindow).toFixed(2), deliveries_per_server_cpu_s: cpu ? Math.round(deliveredInWindow / cpu) : null, rss_before_kb: rss0, rss_after_kb: rss1, errors: stats.errors, unexpected_closes: stats.closes, verify
  }
}

// ---------------------------------------------------------------- editing trace
const rng = seed => () => { seed |= 0; seed = seed + 0x6D2B79F5 | 0; let t = Math.imul(seed ^ seed >>> 15, 1 | seed); t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t; return ((t ^ t >>> 14) >>> 0) / 4294967296 }
const traceOps = function * () {
  const file = S('trace', undefined)
  if (file) { // y-crdt assets/bench-input/b4-editing-trace.bin: n, then (1 pos str | 2 pos len)*, all lib0 varints
    const d = decoding.createDecoder(fs.readFileSync(file)); const n = decoding.readVarUint(d)
    for (let i = 0; i < n; i++) { const tag = decoding.readVarUint(d); const pos = decoding.readVarUint(d); if (tag === 1) yield [pos, 0, decoding.readVarString(d)]; else if (tag === 2) yield [pos, decoding.readVarUint(d), '']; else throw new Error('bad trace') }
    return
  }
  const r = rng(N('seed', 7)); const ins = N('seed-inserts', 182315); const dels = N('seed-deletes', 77463)
  let len = 0; let cur = 0; let i = 0; let k = 0
  while (i < ins || k < dels) {
    if (r() < 0.01) cur = Math.floor(r() * (len + 1))
    if (k < dels && len > 0 && r() < dels / (ins + dels)) { if (cur === 0) cur = 1; yield [--cur, 1, '']; len--; k++ } else if (i < ins) { yield [cur++, 0, r() < 0.18 ? ' ' : String.fromCharCode(97 + Math.floor(r() * 26))]; len++; i++ }
  }
}

const modes = {
  async latency () { const pid = await startServer(); return await typingRun(pid, RATE, SECONDS, WARMUP, PREFIX) },

  async ramp () {
    const pid = await startServer(); const steps = []
    let best = null
    for (const r of S('rates', '1,2,5,10,20,50,100').split(',').map(Number)) {
      const x = await typingRun(pid, r, SECONDS, WARMUP, PREFIX + 'r' + r + '-'); steps.push(x)
      const ok = x.delivered_pct >= 99.9 && x.latency_ms.p99 <= MAXP99 && x.sent_per_s >= 0.95 * x.offered_per_s
      x.sustained = ok
      console.error(`rate ${r}/writer: sent ${x.sent_per_s}/s delivered ${x.delivered_per_s_in_window}/s p50 ${x.latency_ms.p50} p99 ${x.latency_ms.p99} ms srv ${x.server_cpu_pct}% gen ${x.gen_cpu_pct}% other ${x.other_cpu_pct}% ok=${ok}`)
      if (ok) best = x
      else if (x.latency_ms.p50 === null || x.latency_ms.p50 > 4 * MAXP99) break
      await sleep(500)
    }
    return { ceiling_delivered_per_s: best && best.delivered_per_s_in_window, ceiling_sent_per_s: best && best.sent_per_s, max_delivered_per_s_seen: Math.max(...steps.map(s => s.delivered_per_s_in_window)), steps }
  },

  async idle () {
    const pid = await startServer(); await sleep(1500)
    const base = rssKb(pid); const seedChars = N('seed-chars', 2000); const per = N('per-doc', 4)
    const conns = []
    for (let i = 0; i < DOCS; i++) {
      await preHttp(docName(i))
      const c = new Conn(docName(i)); conns.push(c); await c.ready
      const d = new Y.Doc(); d.getText(FIELD).insert(0, 'x'.repeat(seedChars)); c.update(Y.encodeStateAsUpdate(d))
    }
    await sleep(SETTLE * 1000); const r1 = rssKb(pid)
    for (let i = 0; i < DOCS * per; i++) { const c = new Conn(docName(i % DOCS)); conns.push(c); if (i % 50 === 49) await c.ready }
    await Promise.all(conns.map(c => c.ready)); await sleep(SETTLE * 1000)
    const r2 = rssKb(pid)
    const cpu0 = cpuS(pid); const t0 = now(); await sleep(5000); const idleCpu = 100 * (cpuS(pid) - cpu0) / ((now() - t0) / 1000)
    conns.forEach(c => c.close()); await sleep(N('unload-wait', 25) * 1000); const r3 = rssKb(pid)
    return { docs: DOCS, seed_chars: seedChars, rss_base_kb: base, rss_docs_kb: r1, rss_docs_conns_kb: r2, rss_after_close_kb: r3, kb_per_doc_with_one_conn: +((r1 - base) / DOCS).toFixed(2), kb_per_extra_conn: +((r2 - r1) / (DOCS * per)).toFixed(2), connections: conns.length, idle_cpu_pct: +idleCpu.toFixed(2) }
  },

  async coldload () {
    let pid = await startServer(); const name = S('doc', PREFIX + 'big'); await preHttp(name)
    const out = { doc: name, seed_batch: N('seed-batch', 1) }
    if (!B('skip-seed')) {
      const c = new Conn(name); await c.ready
      const d = new Y.Doc(); const t = d.getText(FIELD); let ops = 0; const batch = N('seed-batch', 1); let pend = []; let bytes = 0; let updates = 0
      d.on('update', u => { bytes += u.length; updates++; c.update(u) })
      const t0 = now(); const rep = N('repeat', 1)
      const flush = () => { d.transact(() => { for (const [pos, del, str] of pend) { if (del) t.delete(pos, del); if (str) t.insert(pos, str) } }); pend = [] }
      for (let k = 0; k < rep; k++) {
        for (const op of traceOps()) { pend.push(op); ops++; if (pend.length >= batch) flush(); if (ops % 500 === 0) { while (c.ws.bufferedAmount > 1 << 20) await sleep(1); await new Promise(resolve => setImmediate(resolve)) } }
      }
      flush()
      while (c.ws.bufferedAmount > 0) await sleep(5)
      out.seed = { ops, updates, update_bytes: bytes, final_chars: t.length, state_bytes: Y.encodeStateAsUpdate(d).length, send_s: +((now() - t0) / 1000).toFixed(2) }
      // wait until the server has it all: poll with fresh readers
      const want = Y.getState(d.store, d.clientID); const t1 = now(); let have = 0
      while (now() - t1 < N('seed-wait', 240) * 1000) { const r = reader(name); try { await Promise.race([r.ready, sleep(60000).then(() => { throw new Error('t') })]) } catch {} have = r.state(d.clientID); r.close(); if (have >= want) break; await sleep(500) }
      out.expect_chars = t.length
      out.seed.server_caught_up_s = +((now() - t0) / 1000).toFixed(2); out.seed.complete = have >= want
      out.rss_after_seed_kb = rssKb(pid); out.rss_peak_kb = (() => { try { return +/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1] } catch { return null } })()
      c.close(); await sleep(SETTLE * 1000)
    }
    const loads = []
    for (let k = 0; k < N('loads', 3); k++) {
      if (SERVER_CMD) { await killServer('SIGTERM').catch(() => {}); await sleep(300); pid = await startServer(); await sleep(500) }
      const rss0 = rssKb(pid); const want = out.expect_chars ?? N('expect-chars', 1)
      const c = reader(name); const len = () => c.d.getText(FIELD).length
      await Promise.race([c.ready, sleep(120000).then(() => { throw new Error('load timeout') })])
      // some servers answer before the stored document is loaded: wait for the content to arrive
      while (len() < want && now() - c.t0 < N('load-wait', 120) * 1000) await sleep(2)
      loads.push({ open_ms: +(c.tOpen - c.t0).toFixed(1), first_sync_ms: +(c.tSynced - c.t0).toFixed(1), content_ms: +(c.tLast - c.t0 - c.applyMs).toFixed(1), first_sync_bytes: c.syncBytes, rx_bytes: c.rxBytes, client_apply_ms: +c.applyMs.toFixed(1), chars: len(), complete: len() >= want })
      await sleep(500); loads.at(-1).rss_delta_kb = rssKb(pid) - rss0
      const w = now(); let warm = 0; const c2 = new Conn(name); await c2.ready; warm = now() - w; loads.at(-1).warm_sync_ms = +warm.toFixed(1); loads.at(-1).warm_sync_bytes = c2.syncBytes
      c.close(); c2.close(); await sleep(500)
    }
    out.loads = loads
    return out
  },

  // Typed text that was deleted again: is it still in the server's files, is it still served?
  async erase () {
    const path = S('data-path'); if (!path) throw new Error('--mode erase needs --data-path')
    const pid = await startServer(); const secret = 'ZQSECRET' + Math.random().toString(36).slice(2, 10).toUpperCase(); const secret2 = secret + 'MAP'
    const name = PREFIX + 'er'; await preHttp(name)
    const d = new Y.Doc(); let c = new Conn(name); await c.ready
    d.on('update', u => c.update(u))
    d.getText(FIELD).insert(0, 'before after'); const pad = N('pad', 0); for (let i = 0; i < pad; i += 1000) d.getText(FIELD).insert(d.getText(FIELD).length, Math.random().toString(36).repeat(100).slice(0, 1000)); d.getText(FIELD).insert(7, secret + ' ')
    d.getMap('m').set('k', secret2)
    await sleep(SETTLE * 1000)
    d.getText(FIELD).delete(7, secret.length + 1); d.getMap('m').set('k', 'masked')
    await sleep(SETTLE * 1000)
    const grep = needle => { try { return execFileSync('bash', ['-c', `grep -rlaF -- ${needle} ${path} | wc -l`]).toString().trim() * 1 } catch { return 0 } }
    const out = { data_path: path }
    out.files_holding_deleted_text_while_open = grep(secret + ' '); out.files_holding_overwritten_map_value_while_open = grep(secret2)
    c.close(); await sleep(SETTLE * 1000)
    const served = async () => { const parts = []; const r = new Conn(name, { onSynced: u => parts.push(Buffer.from(u)), onUpdate: u => parts.push(Buffer.from(u)) }); await r.ready; await sleep(1000); r.close(); const b = Buffer.concat(parts); return { bytes: b.length, text: b.includes(secret), map: b.includes(secret2) } }
    out.served_before_restart = await served()
    if (SERVER_CMD) { await killServer('SIGTERM'); await startServer(); await sleep(300); out.served_after_restart = await served(); await killServer('SIGTERM') }
    out.files_holding_deleted_text_after_restart = grep(secret); out.files_holding_overwritten_map_value_after_restart = grep(secret2)
    return out
  },

  // One reader stops reading while others type much; then it reads on. Server memory, and does it converge?
  async slowreader () {
    const pid = await startServer(); const name = PREFIX + 'slow'; await preHttp(name)
    const slow = reader(name); await slow.ready; const wc = new Conn(name); await wc.ready; const w = new Writer(wc)
    const n = N('edits', 20000); const size = N('edit-bytes', 2000)
    const rss0 = rssKb(pid); slow.ws._socket.pause()
    const d = w.doc; const t0 = now(); let peak = rss0
    if (S('fill') === 'awareness') { // fill the slow reader's queue with presence, then type a little
      const blob = 'p'.repeat(size)
      for (let i = 0; i < n; i++) { wc.awareness(777777, i + 1, { b: blob }); if (i % 100 === 99) { while (wc.ws.bufferedAmount > 1 << 20) await sleep(5); peak = Math.max(peak, rssKb(pid)); await new Promise(resolve => setImmediate(resolve)) } }
      for (let i = 0; i < 100 && wc.ws.bufferedAmount > 0; i++) await sleep(20)
      for (let i = 0; i < 200; i++) { w.edit(); await sleep(2) }
    } else
    for (let i = 0; i < n; i++) { d.getText(FIELD).insert(d.getText(FIELD).length, 'y'.repeat(size)); wc.update(w.last); if (i % 200 === 199) { while (wc.ws.bufferedAmount > 4 << 20) await sleep(5); peak = Math.max(peak, rssKb(pid)); await new Promise(resolve => setImmediate(resolve)) } }
    for (let i = 0; i < 200 && wc.ws.bufferedAmount > 0; i++) await sleep(20)
    for (let i = 0; i < 20; i++) { await sleep(200); peak = Math.max(peak, rssKb(pid)) }
    const want = Y.getState(d.store, d.clientID); const cut = slow.closed
    try { slow.ws._socket.resume() } catch {}
    for (const t = now(); slow.state(d.clientID) < want && now() - t < 20000 && !slow.closed;) await sleep(100)
    const got = slow.state(d.clientID); const fresh = reader(name); let have = 0; try { await fresh.ready; for (const t = now(); fresh.state(d.clientID) < want && now() - t < 5000;) await sleep(50); have = fresh.state(d.clientID) } catch {}
    return { edits: n, edit_bytes: size, sent_mb: +(n * size / 1e6).toFixed(1), send_s: +((now() - t0) / 1000).toFixed(1), rss_before_kb: rss0, rss_peak_kb: peak, rss_growth_mb: +((peak - rss0) / 1024).toFixed(1), slow_reader_cut_off: cut || slow.closed, slow_reader_converged: got >= want, slow_reader_missing_pct: +(100 * (want - got) / want).toFixed(2), slow_reader_pending_structs: !!slow.d.store.pendingStructs, fresh_reader_complete: have >= want }
  },

  // Single update of growing size: where does the server refuse it?
  async bigmsg () {
    const pid = await startServer(); const res = []
    for (const mb of S('sizes-mb', '1,4,16,32,64,100').split(',').map(Number)) {
      const name = PREFIX + 'big' + mb; await preHttp(name); const r = reader(name); await r.ready; const c = new Conn(name); await c.ready
      const d = new Y.Doc(); d.getText(FIELD).insert(0, 'z'.repeat(mb * 1024 * 1024)); const rss0 = rssKb(pid); const t = now(); c.update(Y.encodeStateAsUpdate(d)); const want = mb * 1024 * 1024
      while (r.state(d.clientID) < want && now() - t < 15000 && !c.closed) await sleep(20)
      res.push({ mb, accepted: r.state(d.clientID) >= want, ms: +(now() - t).toFixed(0), closed: c.closed ? c.closeInfo : false, rss_growth_mb: +((rssKb(pid) - rss0) / 1024).toFixed(1) })
      c.close(); r.close(); await sleep(200)
      if (!(await httpOk())) { res.at(-1).server_died = true; break }
    }
    return { steps: res }
  },

  // Malformed and forged frames against a document with a bystander in it.
  async hostile () {
    let pid = await startServer(); const name = PREFIX + 'h'; await preHttp(name); const out = {}
    const aw = new Map(); const by = reader(name); await by.ready
    const origMsg = by.msg.bind(by)
    by.ws.on('message', data => { try { const d = decoding.createDecoder(data); if (FRAMING === 'hocuspocus') decoding.readVarString(d); if (decoding.readVarUint(d) !== AWARENESS) return; const a = decoding.createDecoder(decoding.readVarUint8Array(d)); const n = decoding.readVarUint(a); for (let i = 0; i < n; i++) { const id = decoding.readVarUint(a); decoding.readVarUint(a); aw.set(id, JSON.parse(decoding.readVarString(a))) } } catch {} })
    const victim = new Conn(name); await victim.ready; victim.awareness(4242, 1, { user: { name: 'Victim', role: 'chair' } }); await sleep(400)
    out.awareness_seen = !!aw.get(4242)
    const evil = new Conn(name); await evil.ready
    evil.awareness(4242, 50, { user: { name: 'Forged', role: 'police' } }); await sleep(400)
    out.awareness_forged_for_other_client = aw.get(4242)?.user?.name === 'Forged'
    evil.awareness(4242, 51, null); await sleep(400); out.awareness_other_client_removed = aw.get(4242) === null
    // forged author: an update carrying another client's id
    const v = new Y.Doc(); v.clientID = 777; v.getText(FIELD).insert(0, 'forged'); evil.update(Y.encodeStateAsUpdate(v)); await sleep(500); out.update_with_foreign_client_id_accepted = by.state(777) > 0
    const shots = { garbage: Uint8Array.from([255, 255, 255, 255, 255, 1, 2, 3]), empty: new Uint8Array(0), unknown_type: Uint8Array.of(77, 1, 2) }
    for (const [k, b] of Object.entries(shots)) { const c = new Conn(name); await c.ready.catch(() => {}); c.ws.send(FRAMING === 'hocuspocus' && k !== 'garbage' && k !== 'empty' ? (() => { const e = encoding.createEncoder(); encoding.writeVarString(e, name); encoding.writeUint8Array(e, b); return encoding.toUint8Array(e) })() : b); await sleep(400); out['after_' + k] = (await httpOk() ? 'server up' : 'server DOWN') + (c.closed ? ', sender closed ' + c.closeInfo : ', sender kept'); c.close() }
    const bad = { truncated_update: Uint8Array.of(1, 5, 9, 0, 4), huge_count: Uint8Array.of(255, 255, 255, 255, 15, 1), random: Uint8Array.from({ length: 400 }, (_, i) => (i * 7919 + 13) & 255) }
    for (const [k, b] of Object.entries(bad)) { const c = new Conn(name); await c.ready.catch(() => {}); const rss0 = rssKb(pid); c.update(b); await sleep(600); out['after_' + k] = (await httpOk() ? 'server up' : 'server DOWN') + (c.closed ? ', sender closed ' + c.closeInfo : ', sender kept') + `, rss ${((rssKb(pid) - rss0) / 1024).toFixed(0)} MB`; c.close(); if (SERVER_CMD && !(await httpOk())) { await killServer().catch(() => {}); pid = await startServer() } }
    // a gap: an update that depends on a clock the server never saw (kept as pending for ever?)
    const g = new Y.Doc(); g.clientID = 888; let last; g.on('update', u => { last = u }); g.getText(FIELD).insert(0, 'aaaa'); g.getText(FIELD).insert(4, 'bbbb'); const c = new Conn(name); await c.ready; c.update(last); await sleep(400)
    const f = reader(name); await f.ready; await sleep(500); out.gap_update = { visible: f.state(888) > 0, relayed_as_pending: !!f.d.store.pendingStructs }
    const w = new Conn(name); await w.ready; const wd = new Y.Doc(); wd.getText(FIELD).insert(0, 'still works'); w.update(Y.encodeStateAsUpdate(wd)); await sleep(500); out.bystander_still_receives = by.state(wd.clientID) > 0
    return out
  },

  async durability () {
    if (!SERVER_CMD) throw new Error('--mode durability needs --server-cmd')
    const cycles = []; const nC = N('cycles', 5)
    for (let k = 0; k < nC; k++) {
      const run = async () => {
        await startServer(); const prefix = PREFIX + 'k' + k + '-'; const writers = []; const conns = []; const by = new Map()
        for (let i = 0; i < DOCS; i++) await preHttp(prefix + i)
        for (let i = 0; i < CLIENTS; i++) {
          let me = null
          const c = new Conn(prefix + i % DOCS, { onUpdate: u => scan(u, (cl, clock, len) => { const w = by.get(cl); if (w && w !== me && clock + len > w.seen) w.seen = clock + len }), onAck: ok => { if (ok && me.inflight.length) me.acked = me.inflight.shift() } })
          me = new Writer(c); me.di = i % DOCS; me.seen = 0; by.set(me.doc.clientID, me); writers.push(me); conns.push(c)
          if (STAGGER && i < DOCS) await c.ready
        }
        await Promise.all(conns.map(c => c.ready)); await sleep(200)
        const typing = S('typing-s', undefined) ? +S('typing-s') : 3 + Math.random() * 9
        const t0 = now(); const gap = 1000 / RATE; for (const w of writers) w.next = t0 + Math.random() * gap
        while (now() - t0 < typing * 1000) { const t = now(); for (const w of writers) while (w.next <= t) { w.edit(); w.next += gap } await sleep(2) }
        await sleep(N('kill-after-ms', 100)) // let acks and echoes of the last edits arrive
        const snap = writers.map(w => ({ sent: w.clock, seen: w.seen, acked: w.acked }))
        await killServer(S('signal', 'SIGKILL'))
        conns.forEach(c => c.close()); await sleep(200)
        await startServer(); const readyMs = child.readyMs
        const res = { typed_s: +typing.toFixed(2), restart_ready_ms: readyMs, sent: 0, peer_visible: 0, acked: 0, recovered: 0, lost_of_peer_visible: 0, lost_of_acked: 0, docs_unreadable: 0, lost_seconds_max: 0 }
        for (let di = 0; di < DOCS; di++) {
          let st = null; const c = reader(prefix + di)
          try { await Promise.race([c.ready, sleep(10000).then(() => { throw new Error('timeout') })]); await sleep(N('read-wait-ms', 500)); st = c.d.store } catch (e) { res.docs_unreadable++; res.err = String(e) }
          writers.forEach((w, i) => { if (w.di !== di) return; const have = st ? Y.getState(st, w.doc.clientID) : 0; res.sent += snap[i].sent; res.peer_visible += snap[i].seen; res.acked += snap[i].acked; res.recovered += have; res.lost_of_peer_visible += Math.max(0, snap[i].seen - have); res.lost_of_acked += Math.max(0, snap[i].acked - have); const lostAt = w.sentAt[Math.floor(have / CHARS)]; if (have < snap[i].seen && lostAt) res.lost_seconds_max = Math.max(res.lost_seconds_max, +((w.sentAt[Math.floor((snap[i].seen - 1) / CHARS)] - lostAt) / 1000).toFixed(2)) })
          c.close()
        }
        await killServer('SIGKILL')
        return res
      }
      const r = await run(); cycles.push(r); console.error(JSON.stringify(r))
      if (S('after-cycle', undefined)) try { execFileSync('bash', ['-c', S('after-cycle')]) } catch {}
    }
    const sum = k => cycles.reduce((a, c) => a + c[k], 0)
    return { cycles_n: nC, sent: sum('sent'), peer_visible: sum('peer_visible'), acked: sum('acked'), recovered: sum('recovered'), lost_of_peer_visible: sum('lost_of_peer_visible'), lost_pct_of_peer_visible: +(100 * sum('lost_of_peer_visible') / Math.max(1, sum('peer_visible'))).toFixed(2), lost_of_acked: sum('lost_of_acked'), docs_unreadable: sum('docs_unreadable'), worst_lost_seconds: Math.max(...cycles.map(c => c.lost_seconds_max)), cycles }
  }
}

const main = async () => {
  if (B('help') || !modes[MODE]) { console.log(fs.readFileSync(new URL('./README.md', import.meta.url), 'utf8')); process.exit(modes[MODE] ? 0 : 2) }
  const t0 = new Date()
  let result
  try { result = await modes[MODE]() } finally { await killServer('SIGKILL').catch(() => {}) }
  const doc = { label: LABEL, mode: MODE, started: t0.toISOString(), node: process.version, flags: args, result }
  const s = JSON.stringify(doc, null, 1)
  if (OUT) fs.writeFileSync(OUT, s + '\n')
  console.log(OUT && MODE !== 'ramp' ? JSON.stringify(result) : s)
  process.exit(0)
}
main().catch(e => { console.error(e); process.exit(1) })
