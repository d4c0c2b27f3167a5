// The live documents' server beside its rivals, in one run: every scenario is run against each server in
// turn, each started fresh, by the same generator (loadgen.mjs). Prints one table per scenario and keeps
// what the generator said in target/bench/*.json.
//
//   node collab.mjs [scenario …]        all scenarios without a name
//   BENCH_SYSTEMS=musubi,ysweet         only these; y-sweet takes part when it is on the PATH
//   BENCH_ROUNDS=3                      each scenario so often; the table shows the median round
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')
const out = join(root, 'target/bench')
const binary = process.env.MUSUBI_BINARY ?? join(root, 'target/release/musubi')
const rounds = Number(process.env.BENCH_ROUNDS ?? 1)
const seconds = process.env.BENCH_SECONDS ?? '20'
mkdirSync(out, { recursive: true })

// Without models: what is measured is the server of live documents. With them the demo municipality would
// be masked and indexed in the background of the first scenario that starts.
const environment = { ...process.env, MUSUBI_LOG: 'warn', MUSUBI_ASSETS: join(here, 'no-assets') }
const onPath = (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
const rival = (file) => join(here, file)

/** Flags for the generator, given a fresh folder. */
const systems = {
  musubi(folder) {
    const data = join(folder, 'data')
    const musubi = (...words) => execFileSync(binary, [...words, '--data', data], { env: environment, encoding: 'utf8' }).trim()
    musubi('demo', '--load-only', '--dataset', join(root, 'tests/fixtures/aoba'))
    const token = musubi('token', 'create', '--user', 'aoba-coord', '--ttl', '8h')
    return [
      '--url', 'ws://127.0.0.1:7110/api/collab/{doc}?token={token}&acks=1', '--token', token, '--ack', 'custom:100',
      '--pre-http', 'POST http://127.0.0.1:7110/api/v1/documents {"kind":"note"}', '--header', `Authorization: Bearer ${token}`,
      '--server-cmd', `'${binary}' serve --listen 127.0.0.1:7110 --data '${data}'`,
    ]
  },
  ysweet: (folder) => ['--url', 'ws://127.0.0.1:7104/d/{doc}/ws/{doc}', '--pre-http', 'POST http://127.0.0.1:7104/doc/new {"docId":"{doc}"}',
    '--server-cmd', `env RUST_LOG=warn y-sweet serve '${folder}' --port 7104`],
  hocuspocus: (folder) => ['--framing', 'hocuspocus', '--url', 'ws://127.0.0.1:7101',
    '--server-cmd', `env PORT=7101 DB='${folder}/h.sqlite' node '${rival('hocuspocus.mjs')}'`],
  ywebsocket: (folder) => ['--url', 'ws://127.0.0.1:7102/{doc}',
    '--server-cmd', `env HOST=127.0.0.1 PORT=7102 YPERSISTENCE='${folder}/db' node '${rival('node_modules/y-websocket/bin/server.cjs')}'`],
}
const words = {
  musubi: 'Musubi (SQLite, every edit on disk before it is shown)',
  ysweet: 'y-sweet (writes later)',
  hocuspocus: 'Hocuspocus + SQLite (writes later)',
  ywebsocket: 'y-websocket + LevelDB (writes later)',
}

const typing = (docs, clients, rate) => ['--mode', 'latency', '--docs', docs, '--clients', clients, '--rate', rate, '--seconds', seconds]
const ms = (histogram, at) => (histogram?.[at] ?? Number.NaN).toFixed(1)
const typingRow = (r) => ({
  'edit → remote p50 / p99, ms': `${ms(r.latency_ms, 'p50')} / ${ms(r.latency_ms, 'p99')}`,
  'edit → acknowledged p50 / p99, ms': r.ack_ms ? `${ms(r.ack_ms, 'p50')} / ${ms(r.ack_ms, 'p99')}` : '–',
  'delivered/s': Math.round(r.delivered_per_s_in_window).toLocaleString('en'),
  'server CPU per delivery, µs': r.server_cpu_us_per_delivery,
  'deliveries per CPU-second': r.deliveries_per_server_cpu_s?.toLocaleString('en'),
  'generator late p99, ms': ms(r.gen_slip_ms, 'p99'),
  'CPU elsewhere, %': r.other_cpu_pct,
  'characters missing': r.verify?.missing_chars,
})
const scenarios = {
  'ten-in-one': { title: '10 clients in 1 document, 50 edits/s', flags: typing('1', '10', '5'), row: typingRow },
  'hundred-in-twenty': { title: '100 clients in 20 documents, 500 edits/s', flags: typing('20', '100', '5'), row: typingRow },
  'fifty-in-one': { title: '50 clients in 1 document, 100 edits/s', flags: typing('1', '50', '2'), row: typingRow },
  sustained: { title: '40 clients in 4 documents, 8,000 edits/s offered', flags: typing('4', '40', '200'), row: typingRow },
  'load-race': { title: '60 clients open 10 new documents at one moment', flags: [...typing('10', '60', '5'), '--stagger', 'false'], row: typingRow },
  memory: {
    title: '200 documents with one connection, then 800 connections more',
    flags: ['--mode', 'idle', '--docs', '200', '--per-doc', '4', '--unload-wait', '70'],
    row: (r) => ({
      'base, MB': (r.rss_base_kb / 1024).toFixed(0),
      'per document with one connection, KB': r.kb_per_doc_with_one_conn,
      'per further connection, KB': r.kb_per_extra_conn,
      'after all have left, MB': (r.rss_after_close_kb / 1024).toFixed(0),
      'CPU while idle, %': r.idle_cpu_pct,
    }),
  },
  'cold-load': {
    title: 'B4 editing trace (259,778 operations) as 12,989 updates, then loaded after a restart',
    flags: ['--mode', 'coldload', '--trace', join(here, 'data/b4-editing-trace.bin'), '--seed-batch', '20', '--loads', '3'],
    row: (r) => ({
      'absorbed, s': r.seed.server_caught_up_s,
      'cold load, ms': Math.min(...r.loads.map((load) => load.content_ms)),
      'peak memory, MB': r.rss_peak_kb ? (r.rss_peak_kb / 1024).toFixed(0) : '–',
      complete: r.seed.complete && r.loads.every((load) => load.complete) ? 'yes' : 'NO',
    }),
  },
}

function run(scenario, system, round) {
  const folder = mkdtempSync(join(tmpdir(), `musubi-bench-${system}-`))
  const file = join(out, `${scenario}-${system}-${round}.json`)
  rmSync(file, { force: true })
  try {
    const flags = [...systems[system](folder), ...scenarios[scenario].flags, '--label', system, '--out', file, '--server-log', join(folder, 'log')]
    const done = spawnSync(process.execPath, [join(here, 'loadgen.mjs'), ...flags], { env: environment, stdio: ['ignore', 'ignore', 'inherit'], timeout: 600_000 })
    if (done.status !== 0 || !existsSync(file)) return null
    return JSON.parse(readFileSync(file, 'utf8')).result
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const wanted = process.env.BENCH_SYSTEMS?.split(',') ?? Object.keys(systems).filter((name) => name !== 'ysweet' || onPath('y-sweet'))
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(scenarios)
for (const name of [...chosen, ...wanted]) {
  if (!(name in scenarios) && !(name in systems)) {
    console.error(`unknown: ${name}; scenarios: ${Object.keys(scenarios).join(', ')}; systems: ${Object.keys(systems).join(', ')}`)
    process.exit(2)
  }
}
for (const scenario of chosen) {
  const results = new Map(wanted.map((system) => [system, []]))
  for (let round = 1; round <= rounds; round++) for (const system of wanted) results.get(system).push(run(scenario, system, round))
  console.log(`\n### ${scenarios[scenario].title}\n`)
  let head = null
  for (const [system, all] of results) {
    const good = all.filter(Boolean)
    if (!good.length) {
      console.log(`${words[system]}: failed`)
      process.exitCode = 1
      continue
    }
    // The round in the middle, by latency where there is one.
    good.sort((a, b) => (a.latency_ms?.p50 ?? 0) - (b.latency_ms?.p50 ?? 0))
    const row = scenarios[scenario].row(good[Math.floor((good.length - 1) / 2)])
    if (!head) {
      head = Object.keys(row)
      console.log(`| | ${head.join(' | ')} |\n|---|${head.map(() => '---:').join('|')}|`)
    }
    console.log(`| ${words[system]} | ${head.map((key) => row[key] ?? '–').join(' | ')} |`)
  }
}
