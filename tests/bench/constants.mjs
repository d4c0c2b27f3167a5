// What docs/scale.md multiplies: memory of an open page's event stream, bytes that the log keeps of what
// is typed, processor time of the pages that are asked for most. One server, the tests' municipality.
//
//   MUSUBI_BINARY=… node constants.mjs
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server } from '../interop/support.mjs'

const EDITORS = ['aoba-coord', 'aoba-coord2', 'aoba-houkatsu', 'aoba-houkatsu-mgr']
const CASE = '2026-0002'
/** The server lets one account follow so many cases at once. */
const STREAMS = 20
const DOCUMENTS = 10
const CHARACTERS = 2000
const REQUESTS = 300

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const residentKb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
/** Seconds of processor time. */
function spent(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function streams(server, id) {
  const open = []
  const follow = async (account) => {
    const stop = new AbortController()
    const headers = { authorization: `Bearer ${server.token(account)}` }
    const answer = await fetch(`${server.url}/api/v1/cases/${id}/events`, { headers, signal: stop.signal })
    if (!answer.ok) throw new Error(`events: ${answer.status}`)
    open.push(stop)
  }
  for (const account of EDITORS) await follow(account)
  const [before, first] = [residentKb(server.pid), open.length]
  for (const account of EDITORS) for (let n = 1; n < STREAMS; n++) await follow(account)
  await sleep(1000)
  const each = (residentKb(server.pid) - before) / (open.length - first)
  console.log(`an open page's event stream: ${each.toFixed(1)} KB (${open.length - first} more)`)
  for (const stop of open) stop.abort()
}

/** Bytes in the log's file, by table. */
function stored(data) {
  const query = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(c.execute("SELECT COUNT(*) FROM document_entries").fetchone()[0],
  *(c.execute(f"SELECT COALESCE(SUM(LENGTH({column})), 0) FROM {table}").fetchone()[0] for table, column in
    (("document_entries", "entry_sealed"), ("document_snapshots", "snapshot_sealed"), ("document_versions", "state_sealed"))))`
  return execFileSync('python3', ['-c', query, join(data, 'documents.sqlite')], { encoding: 'utf8' }).trim().split(' ').map(Number)
}

async function log(server) {
  const before = stored(server.data)
  const cpu = spent(server.pid)
  await Promise.all(
    Array.from({ length: DOCUMENTS }, async () => {
      const peer = server.peer('aoba-coord', await server.note('aoba-coord'))
      await peer.synced()
      for (let typed = 1; typed <= CHARACTERS; typed++) {
        peer.type('あ')
        if (typed % 5 === 0) await sleep(2)
      }
      await peer.durable()
      peer.leave()
    }),
  )
  const [entries, tail, snapshots, versions] = stored(server.data).map((value, at) => value - before[at])
  const characters = DOCUMENTS * CHARACTERS
  console.log(
    `${characters} characters typed one by one into ${DOCUMENTS} documents: kept ${((tail + snapshots) / characters).toFixed(0)} bytes a character ` +
      `(${entries} entries of ${(tail / Math.max(entries, 1)).toFixed(0)} bytes, snapshots ${snapshots}, versions ${versions}); ` +
      `${(((spent(server.pid) - cpu) * 1e6) / characters).toFixed(0)} µs of processor time each`,
  )
}

async function pages(server, id) {
  const document = (await server.sheets('aoba-coord', CASE)).get('intake')
  for (const [title, path] of [
    ['list of cases', '/cases'],
    ['case', `/cases/${id}`],
    ['projection of a sheet', `/documents/${document}/projection`],
    ['progress records', `/cases/${id}/progress-records`],
  ]) {
    for (let n = 0; n < 20; n++) await server.request('aoba-coord', 'GET', path)
    const cpu = spent(server.pid)
    for (let n = 0; n < REQUESTS; n++) await server.request('aoba-coord', 'GET', path)
    console.log(`${title}: ${(((spent(server.pid) - cpu) * 1000) / REQUESTS).toFixed(2)} ms of processor time a request`)
  }
}

const server = await Server.start()
try {
  const { items } = await server.request('aoba-coord', 'GET', '/cases')
  const { id } = items.find((item) => item.case_no === CASE)
  await streams(server, id)
  await log(server)
  await pages(server, id)
} finally {
  await server.stop()
}
process.exit(0)
