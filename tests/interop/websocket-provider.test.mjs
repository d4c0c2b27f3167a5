// Yjs' own WebsocketProvider works unchanged on `/api/collab/{document}`.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Server, Y, until } from './support.mjs'

/** A case where agencies may edit, and where one of them reads masked text only. */
const CASE = '2026-0002'
const NO_PERMISSION = { code: 3, close: 4403 }
const TOO_LARGE = { code: 2, close: 4402 }
const FOREIGN_AUTHOR = { code: 5, close: 4405 }
const MASKED = { code: 8, close: 4408 }

let server
const peers = []

before(async () => {
  server = await Server.start()
})

after(async () => {
  for (const peer of peers) peer.leave()
  await server?.stop()
})

function open(account, document, doc) {
  const peer = server.peer(account, document, doc)
  peers.push(peer)
  return peer
}

async function join(account, document, doc) {
  const peer = open(account, document, doc)
  await peer.synced()
  return peer
}

const same = (...group) =>
  until('the same text everywhere', () => group.every((peer) => peer.content === group[0].content))

/** Refused for good: told why, given nothing, and the provider does not come back. */
async function isRefused(account, document, expected) {
  const peer = open(account, document)
  peer.type('書けないはず')
  const [closed] = await new Promise((resolve) => peer.provider.once('closed', (...words) => resolve(words)))
  assert.equal(closed.code, expected.close)
  assert.deepEqual(peer.refusals.map(({ code }) => code), [expected.code])
  assert.match(peer.refusals[0].reason, /[ぁ-ん]/)
  assert.equal(peer.provider.synced, false)
  assert.equal(peer.content, '書けないはず')
  assert.equal(peer.doc.store.clients.size, 1, 'nothing but its own words')
  assert.equal(peer.provider.awareness.getStates().size, 1, 'nobody to be seen')
  assert.equal(peer.provider.shouldConnect, false)
}

test('two clients converge, edits made offline included, and a late one sees everything', async () => {
  const note = await server.note('aoba-coord')
  const [one, two] = [await join('aoba-coord', note), await join('aoba-coord2', note)]
  one.type('一人目。')
  await until('the first edit', () => two.content === '一人目。')
  two.type('二人目。')
  await until('the second edit', () => one.content === '一人目。二人目。')

  one.provider.disconnect()
  one.text.insert(0, 'オフラインの行。')
  one.text.delete(one.text.length - 4, 4)
  two.text.insert(4, '（同時に書いた𠮷野家👪）')
  await two.durable()
  assert.notEqual(one.content, two.content)
  one.provider.connect()
  await one.synced()
  await until('both sides merged', () => one.content.includes('𠮷野家👪') && two.content.startsWith('オフライン'))
  await same(one, two)

  const late = await join('aoba-coord2', note)
  await same(one, two, late)
  assert.equal(late.content, 'オフラインの行。一人目。（同時に書いた𠮷野家👪）')
  late.type('三人目。')
  await until('the late edit', () => one.content.endsWith('三人目。') && two.content.endsWith('三人目。'))
})

test('presence carries the place from the client and the name from the account', async () => {
  const note = await server.note('aoba-coord')
  const [one, two] = [await join('aoba-coord', note), await join('aoba-coord2', note)]
  one.provider.awareness.setLocalState({ user: { name: '別人を名乗る' }, cursor: { anchor: 0, head: 0 } })
  const seen = await until('presence', () => two.provider.awareness.getStates().get(one.doc.clientID)?.cursor && two.provider.awareness.getStates().get(one.doc.clientID))
  assert.deepEqual(seen.cursor, { anchor: 0, head: 0 })
  assert.equal(seen.user.name, '調整 真理')
  one.provider.disconnect()
  await until('departure', () => !two.provider.awareness.getStates().has(one.doc.clientID))
})

test('a sheet of a case: its text fields are live, an editing agency writes along', async () => {
  const sheet = (await server.sheets('aoba-coord', CASE)).get('intake')
  const [one, two] = [await join('aoba-coord', sheet), await join('aoba-houkatsu', sheet)]
  const field = ({ doc }) => doc.getMap('fields').get('request_text')
  assert.ok(field(one) instanceof Y.Text)
  field(two).insert(0, '包括より：')
  await two.durable()
  await until('the agency\'s words', () => field(one).toString().startsWith('包括より：鶸谷'))
})

test('who has no right is refused and sees nothing', async (t) => {
  const note = await server.note('aoba-coord')
  const writer = await join('aoba-coord', note)
  writer.type('他機関には見せない。')
  await writer.durable()
  const sheets = await server.sheets('aoba-coord', CASE)
  await t.test('no member of the case', () => isRefused('aoba-outside', sheets.get('intake'), NO_PERMISSION))
  await t.test('another agency at the note', () => isRefused('aoba-houkatsu', note, NO_PERMISSION))
  await t.test('no such document', () => isRefused('aoba-coord', 'no-such-document', NO_PERMISSION))
  await t.test('a masked reader', () => isRefused('aoba-masked', sheets.get('intake'), MASKED))
  assert.equal(writer.content, '他機関には見せない。')
  const fresh = await join('aoba-coord2', note)
  assert.equal(fresh.content, '他機関には見せない。')
})

test('too much at once is refused with a reason, and others go on', async () => {
  const note = await server.note('aoba-coord')
  const writer = await join('aoba-coord', note)
  // Just over the limit of an update, and too long to be read at all.
  for (const size of [1.0005, 1.5, 12]) {
    const peer = await join('aoba-coord2', note)
    const closed = new Promise((resolve) => peer.provider.once('closed', resolve))
    peer.type('x'.repeat(size * 2 ** 20))
    assert.equal((await closed).code, TOO_LARGE.close, `${size} MiB`)
    assert.equal(peer.refusals[0]?.code, TOO_LARGE.code, `${size} MiB`)
  }
  writer.type('続けて書く。')
  await writer.durable()
  assert.equal((await join('aoba-coord2', note)).content, '続けて書く。')
})

test('nobody writes under another person\'s client id or takes that person\'s presence away', async () => {
  const note = await server.note('aoba-coord')
  const [victim, bystander] = [await join('aoba-coord', note), await join('aoba-coord2', note)]
  victim.type('本人。')
  victim.provider.awareness.setLocalState({ cursor: { anchor: 1, head: 1 } })
  const cursor = () => bystander.provider.awareness.getStates().get(victim.doc.clientID)?.cursor
  await until('presence', () => cursor() && bystander.content === '本人。')

  const forged = new Y.Doc()
  forged.clientID = victim.doc.clientID
  const forger = await join('aoba-coord2', note, forged)
  forger.provider.awareness.setLocalState({ cursor: { anchor: 9, head: 9 } })
  forger.provider.awareness.setLocalState(null)
  await forger.durable()
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.deepEqual(cursor(), { anchor: 1, head: 1 })

  const closed = new Promise((resolve) => forger.provider.once('closed', resolve))
  forged.clientID = victim.doc.clientID
  forger.type('なりすまし。')
  assert.equal((await closed).code, FOREIGN_AUTHOR.close)
  assert.equal(forger.refusals[0].code, FOREIGN_AUTHOR.code)
  assert.equal((await join('aoba-coord', note)).content, '本人。')
})

test('a wrong token does not open the socket', async () => {
  const note = await server.note('aoba-coord')
  const peer = server.peer('aoba-coord', note)
  peers.push(peer)
  peer.provider.disconnect()
  peer.provider.params.token = 'wrong'
  const failed = new Promise((resolve) => peer.provider.once('connection-error', (event) => resolve(event.message)))
  peer.provider.connect()
  assert.match(await failed, /401/)
  peer.provider.disconnect()
  assert.equal(peer.provider.synced, false)
})

test('kill -9: nothing acknowledged is lost, and clients that stayed converge', async () => {
  const note = await server.note('aoba-coord')
  const stays = [await join('aoba-coord', note), await join('aoba-coord2', note)]
  let acknowledged = ''
  for (let round = 0; round < 3; round++) {
    // The writer leaves with its copy: only the server can know the words afterwards.
    const writer = await join('aoba-coord', note)
    for (let edit = 0; edit < 20; edit++) writer.type(`${round}.${edit} `)
    await writer.durable()
    acknowledged = writer.content
    await server.kill()
    writer.leave()
    if (round === 0) {
      // Nobody else has a copy either.
      for (const peer of stays) peer.provider.disconnect()
    } else {
      for (const [index, peer] of stays.entries()) peer.text.insert(0, `停止中${round}${index} `)
    }
    await server.launch()
    if (round === 0) {
      const fresh = await join('aoba-coord2', note)
      assert.equal(fresh.content, acknowledged)
      fresh.leave()
      for (const peer of stays) peer.provider.connect()
    }
    for (const peer of stays) await peer.synced()
    await same(...stays)
    await until('the writer\'s words', () => stays[0].content.endsWith(acknowledged))
  }
  const fresh = await join('aoba-coord', note)
  await same(...stays, fresh)
  for (const words of ['停止中10', '停止中11', '停止中20', '停止中21']) assert.ok(fresh.content.includes(words), words)
})
