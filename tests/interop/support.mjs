// The real binary on the tests' own municipality, and stock Yjs clients on its socket.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

export { Y }

const BARRIER = 100
const REFUSAL = 101
const root = fileURLToPath(new URL('../../', import.meta.url))
const binary = process.env.MUSUBI_BINARY ?? join(root, 'target/debug/musubi')
const environment = { MUSUBI_ASSETS: join(root, 'target/assets'), MUSUBI_LOG: 'warn', ...process.env }

// Every provider listens for the end of the process.
process.setMaxListeners(0)

/** Waits until `check` returns something true, at most `limit` ms. */
export async function until(what, check, limit = 15_000) {
  const end = Date.now() + limit
  for (;;) {
    const found = await check()
    if (found) return found
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A server on a fresh copy of the fixture municipality. */
export class Server {
  #child = null
  #listen = '127.0.0.1:0'
  #data = mkdtempSync(join(tmpdir(), 'musubi-interop-'))
  #tokens = new Map()
  url = ''

  static async start() {
    const server = new Server()
    server.command('demo', '--load-only', '--dataset', join(root, 'tests/fixtures/aoba'))
    await server.launch()
    return server
  }

  command(...words) {
    return execFileSync(binary, [...words, '--data', this.#data], { env: environment, encoding: 'utf8' })
  }

  /** Starts to serve; a restart listens where clients look for it. */
  async launch() {
    const child = spawn(binary, ['serve', '--listen', this.#listen, '--data', this.#data], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    process.once('exit', () => child.kill('SIGKILL'))
    this.url = await new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = /http:\/\/[^\s/]+/.exec(line)
        if (found) resolve(found[0])
      })
    })
    this.#listen = this.url.slice('http://'.length)
  }

  get pid() {
    return this.#child?.pid
  }

  /** The folder with its databases. */
  get data() {
    return this.#data
  }

  /** `kill -9`. */
  async kill() {
    const child = this.#child
    if (!child) return
    this.#child = null
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async stop() {
    await this.kill()
    rmSync(this.#data, { recursive: true, force: true })
  }

  token(account) {
    if (!this.#tokens.has(account)) {
      this.#tokens.set(account, this.command('token', 'create', '--user', account, '--ttl', '1h').trim())
    }
    return this.#tokens.get(account)
  }

  async request(account, method, path, body) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token(account)}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }

  /** A new shared note; its id. */
  async note(account) {
    return (await this.request(account, 'POST', '/documents', { kind: 'note' })).id
  }

  /** Documents of the case by section. */
  async sheets(account, number) {
    const cases = await this.request(account, 'GET', '/cases')
    const { id } = cases.items.find((item) => item.case_no === number)
    const { sections } = await this.request(account, 'GET', `/cases/${id}`)
    return new Map(sections.map(({ section, document_id: document }) => [section, document]))
  }

  /** Somebody who has the document open with an unchanged `WebsocketProvider`. */
  peer(account, document, doc = new Y.Doc()) {
    return new Peer(this, account, document, doc)
  }
}

export class Peer {
  #barriers = 0
  #durable = new Map()
  /** What the server said when it refused: `{ code, reason }`. */
  refusals = []
  /** Codes with which the server closed the socket. */
  closes = []

  constructor(server, account, document, doc) {
    this.doc = doc
    this.provider = new WebsocketProvider(`${server.url.replace('http', 'ws')}/api/collab`, document, doc, {
      params: { token: server.token(account), acks: '1' },
      WebSocketPolyfill: WebSocket,
      maxBackoffTime: 200,
      // Everything goes through the server, nothing between the peers of this process.
      disableBc: true,
    })
    // The provider leaves message types that it does not know to its user.
    this.provider.messageHandlers[BARRIER] = (_, decoder) => {
      const number = decoding.readVarUint(decoding.createDecoder(decoding.readVarUint8Array(decoder)))
      this.#durable.get(number)?.()
      this.#durable.delete(number)
    }
    this.provider.messageHandlers[REFUSAL] = (_, decoder) => {
      this.refusals.push({ code: decoding.readVarUint(decoder), reason: decoding.readVarString(decoder) })
    }
    this.provider.on('connection-close', (event) => {
      if (event) this.closes.push(event.code)
    })
  }

  get text() {
    return this.doc.getText('content')
  }

  get content() {
    return this.text.toString()
  }

  type(words) {
    this.text.insert(this.text.length, words)
  }

  synced() {
    return until('first sync', () => this.provider.synced)
  }

  /** Resolves once everything sent before is durable. */
  durable() {
    const number = ++this.#barriers
    const payload = encoding.encode((encoder) => encoding.writeVarUint(encoder, number))
    const frame = encoding.encode((encoder) => {
      encoding.writeVarUint(encoder, BARRIER)
      encoding.writeVarUint8Array(encoder, payload)
    })
    return new Promise((resolve) => {
      this.#durable.set(number, resolve)
      this.provider.ws.send(frame)
    })
  }

  leave() {
    this.provider.destroy()
    this.doc.destroy()
  }
}
