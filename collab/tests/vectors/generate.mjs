#!/usr/bin/env node
// Writes real yjs updates for the walker's tests. Needs `yjs` 13.6 beside it or on NODE_PATH:
//   npm install --prefix SOMEWHERE yjs@13.6.33 && node generate.mjs SOMEWHERE > vectors.json
// Each vector: the updates in order (base64), what the document holds afterwards, and whether the
// walker must take them for the shape named (`note`, `sheet`) or refuse the last one.
//   node generate.mjs SOMEWHERE 2000 7 > many.json      random ones, from a seed, for VECTORS=many.json
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const from = process.argv[2] ?? '.'
const Y = await import(pathToFileURL(createRequire(path.resolve(from, 'x.js')).resolve('yjs')).href.replace('dist/yjs.cjs', 'dist/yjs.mjs'))

const b64 = bytes => Buffer.from(bytes).toString('base64')
const vectors = []
/** Records every update of `docs` (kept in sync) while `act` runs. */
const record = (name, shape, accept, clients, act, base = []) => {
  const updates = []
  const docs = clients.map(id => { const d = new Y.Doc(); d.clientID = id; return d })
  for (const update of base) for (const d of docs) Y.applyUpdate(d, update, 'remote')
  for (const d of docs) {
    d.on('update', (update, origin) => {
      if (origin === 'remote') return
      updates.push({ client: d.clientID, update: b64(update) })
      if (!d.offline) for (const other of docs) if (other !== d && !other.offline) Y.applyUpdate(other, update, 'remote')
    })
  }
  const extra = act(...docs)
  for (const a of docs) for (const b of docs) Y.applyUpdate(a, Y.encodeStateAsUpdate(b, Y.encodeStateVector(a)), 'remote')
  const result = !accept ? null : shape === 'note' ? docs[0].getText('content').toString() : docs[0].getMap('fields').toJSON()
  vectors.push({ name, shape, accept, base: base.map(b64), updates: extra?.updates ?? updates, result, full: b64(Y.encodeStateAsUpdate(docs[0])), anchors: extra?.anchors ?? [] })
}
const text = d => d.getText('content')

record('text typed letter by letter', 'note', true, [101], d => { for (const c of '相談を受けた。abc') text(d).insert(text(d).length, c) })
record('two people, concurrent inserts', 'note', true, [102, 103], (a, b) => {
  text(a).insert(0, 'はじめ')
  a.offline = b.offline = true
  text(a).insert(1, 'AAA'); text(b).insert(1, 'BBB'); text(b).delete(0, 1)
})
record('deletes and retyping', 'note', true, [104], d => { text(d).insert(0, 'hello world'); text(d).delete(2, 5); text(d).insert(2, 'XY'); text(d).delete(0, 1) })
record('surrogate pairs', 'note', true, [105], d => { text(d).insert(0, '𠮷野家😀👨‍👩‍👧'); text(d).insert(2, '田'); text(d).delete(0, 2); text(d).insert(text(d).length, '𩸽') })
record('a surrogate pair cut in two', 'note', true, [106], d => { text(d).insert(0, 'a😀b'); text(d).insert(2, 'X') })
record('undo and redo', 'note', true, [107], d => {
  const undo = new Y.UndoManager(text(d), { captureTimeout: 0 })
  text(d).insert(0, 'one '); text(d).insert(4, 'two '); text(d).delete(0, 4); undo.undo(); undo.undo(); undo.redo(); undo.undo(); undo.redo()
})
record('everything in one transaction', 'note', true, [108], d => d.transact(() => { text(d).insert(0, 'abcdef'); text(d).delete(1, 2); text(d).insert(3, 'ZZ'); text(d).delete(0, 1) }))
record('whole state of three people at once', 'note', true, [109, 110, 111], (a, b, c) => {
  text(a).insert(0, 'a1'); text(b).insert(1, 'b1'); text(c).insert(2, 'c1'); text(a).delete(1, 2)
  return { updates: [{ client: 0, update: b64(Y.encodeStateAsUpdate(a)) }] }
})
record('one after the other, merged', 'note', true, [112], d => {
  const all = []; d.on('update', u => all.push(u))
  for (const c of 'merged') text(d).insert(0, c)
  return { updates: [{ client: 112, update: b64(Y.mergeUpdates(all)) }] }
})
record('sent again, with more behind it', 'note', true, [123, 124], (a, b) => {
  const updates = []
  const send = (client, update) => updates.push({ client, update: b64(update) })
  const all = []; a.on('update', u => all.push(u))
  text(a).insert(0, '相談を受け'); send(123, all[0])
  text(b).insert(2, '記録'); send(124, Y.encodeStateAsUpdate(b, Y.encodeStateVector(new Y.Doc())))
  text(a).insert(7, 'た。'); text(a).delete(6, 2); text(a).insert(6, '😀')
  send(123, Y.mergeUpdates(all.slice(-3)))
  text(a).insert(8, '続'); send(123, Y.encodeStateAsUpdate(a))
  text(b).insert(4, '簿'); send(124, Y.diffUpdate(Y.encodeStateAsUpdate(b), Y.encodeStateVector(new Y.Doc())))
  return { updates }
})
record('formatting', 'note', false, [113], d => { text(d).insert(0, 'bold'); text(d).format(0, 2, { bold: true }) })
record('embed', 'note', false, [114], d => { text(d).insertEmbed(0, { image: 'x.png' }) })
record('subdocument', 'note', false, [115], d => { d.getMap('content2').set('sub', new Y.Doc({ guid: 'g' })) })
record('xml', 'note', false, [116], d => { d.getXmlFragment('content').insert(0, [new Y.XmlElement('p')]) })
record('array', 'note', false, [117], d => { d.getArray('content').insert(0, [1, 'two', { three: 3 }]) })
record('map in a text', 'note', false, [118], d => { d.getMap('content').set('key', 'value') })
record('another root', 'note', false, [119], d => { d.getText('elsewhere').insert(0, 'x') })
record('gap', 'note', false, [120], d => {
  const all = []; d.on('update', u => all.push(u))
  text(d).insert(0, 'aaaa'); text(d).insert(4, 'bbbb')
  return { updates: [{ client: 120, update: b64(all[1]) }] }
})
record('gap filled by a skip', 'note', false, [121], d => {
  const all = []; d.on('update', u => all.push(u))
  text(d).insert(0, 'aaaa'); text(d).insert(4, 'bbbb'); text(d).insert(8, 'cccc')
  return { updates: [{ client: 121, update: b64(Y.mergeUpdates([all[0], all[2]])) }] }
})
record('binary in a text', 'note', false, [122], d => { d.getArray('content').insert(0, [new Uint8Array([1, 2, 3])]) })

// A sheet as the server seeds it (its own client id 1).
const seed = new Y.Doc(); seed.clientID = 1
seed.getMap('fields').set('choices', new Y.Map()); seed.getMap('fields').set('summary', new Y.Text()); seed.getMap('fields').set('household', new Y.Map())
const base = [Y.encodeStateAsUpdate(seed)]
const fields = d => d.getMap('fields')
const row = (order, name) => { const r = new Y.Map(); r.set('order', order); r.set('name', new Y.Text(name)); r.set('age', 42); return r }
record('values of a sheet', 'sheet', true, [201, 202], (a, b) => {
  fields(a).set('route', 'self'); fields(b).set('route', 'family'); fields(a).set('received_on', '2026-11-22'); fields(a).delete('received_on')
  fields(a).get('choices').set('money', true); fields(b).get('choices').set('health', true); fields(b).get('choices').delete('money')
  fields(a).get('summary').insert(0, '要約。'); fields(b).get('summary').insert(2, '（追記）')
}, base)
record('same key at once', 'sheet', true, [203, 204], (a, b) => { a.offline = b.offline = true; fields(a).set('route', 'self'); fields(b).set('route', 'family') }, base)
record('rows of a table', 'sheet', true, [205, 206], (a, b) => {
  const table = d => fields(d).get('household')
  table(a).set('rowaaaaa1', row('a1', '一郎')); table(b).set('rowbbbbb2', row('a2', '花子'))
  table(b).get('rowaaaaa1').get('name').insert(2, 'さん'); table(a).get('rowbbbbb2').set('age', 43); table(a).delete('rowbbbbb2')
}, base)
record('a deleted row comes back by undo', 'sheet', true, [207], d => {
  const table = fields(d).get('household')
  const undo = new Y.UndoManager(table, { captureTimeout: 0 })
  table.set('rowccccc3', row('a1', '三郎')); table.get('rowccccc3').get('name').insert(0, '山'); table.delete('rowccccc3'); undo.undo()
}, base)
record('typing into a row that somebody deletes', 'sheet', true, [208, 209], (a, b) => {
  const table = d => fields(d).get('household')
  table(a).set('rowddddd4', row('a1', '四郎'))
  a.offline = b.offline = true
  table(a).delete('rowddddd4'); table(b).get('rowddddd4').get('name').insert(0, 'abc'); table(b).get('rowddddd4').set('age', 50)
}, base)
record('a competing container', 'sheet', false, [210], d => { fields(d).set('summary', new Y.Text('mine')) }, base)
record('deleting a seeded container', 'sheet', false, [211], d => { fields(d).delete('summary') }, base)
record('an unknown field', 'sheet', false, [212], d => { fields(d).set('田中太郎', 'x') }, base)
record('an unknown option', 'sheet', false, [213], d => { fields(d).set('route', 'other') }, base)
record('a nested value', 'sheet', false, [214], d => { fields(d).set('route', { a: 1 }) }, base)
record('a name as row id', 'sheet', false, [215], d => { fields(d).get('household').set('田中', row('a1', 'x')) }, base)
record('a column that is not there', 'sheet', false, [216], d => { const r = row('a1', 'x'); r.set('secret', 'y'); fields(d).get('household').set('roweeeee5', r) }, base)
record('text instead of a choice', 'sheet', false, [217], d => { fields(d).set('route', new Y.Text('x')) }, base)
record('the server\'s root', 'sheet', false, [218], d => { d.getMap('meta').set('form', 'other') }, base)
// Set again and again before it could be sent: the values that are gone come as one struct, deleted,
// or kept by an undo manager.
const again = (d) => { for (const route of ['self', 'family', 'self', 'family']) fields(d).set('route', route); return { updates: [{ client: d.clientID, update: b64(Y.encodeStateAsUpdate(d, Y.encodeStateVectorFromUpdate(base[0]))) }] } }
record('a value set again and again off line', 'sheet', true, [219], again, base)
record('a value set again and again off line, with undo', 'sheet', true, [220], (d) => { new Y.UndoManager(fields(d)); return again(d) }, base)
record('anchors', 'note', true, [301], d => {
  const t = text(d); t.insert(0, '田中さんは𠮷田さんの隣'); t.delete(2, 1)
  const updates = [{ client: 301, update: b64(Y.encodeStateAsUpdate(d)) }]
  const anchors = []
  for (const assoc of [0, -1]) for (let i = 0; i <= t.length; i++) anchors.push({ index: i, assoc, encoded: b64(Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(t, i, assoc))) })
  return { updates, anchors }
})

// Three people with undo who hear late and send late: one change, several merged, or all since some
// time, known or not.
const many = Number(process.argv[3] ?? 0)
let seed32 = Number(process.argv[4] ?? 1)
const dice = sides => { seed32 = (Math.imul(seed32, 1664525) + 1013904223) >>> 0; return Math.floor(seed32 / 2 ** 32 * sides) }
const WORDS = ['a', '相談', '😀', 'x😀y', '記録です', '\n']
const play = number => {
  const log = []
  const people = [1001, 1002, 1003].map(id => {
    const doc = new Y.Doc(); doc.clientID = id
    const person = { doc, undo: new Y.UndoManager(text(doc), { captureTimeout: 0 }), heard: 0, unsent: [], past: [Y.encodeStateVector(doc)] }
    doc.on('update', (update, origin) => { if (origin !== 'remote') person.unsent.push(update) })
    return person
  })
  const hear = (person, until = log.length) => { for (; person.heard < until; person.heard++) Y.applyUpdate(person.doc, log[person.heard].update, 'remote') }
  const send = person => {
    if (person.unsent.length === 0) return
    const { doc } = person
    const since = person.past[dice(person.past.length)]
    const update = [
      () => Y.mergeUpdates(person.unsent),
      () => Y.encodeStateAsUpdate(doc, since),
      () => Y.encodeStateAsUpdate(doc),
      () => Y.diffUpdate(Y.encodeStateAsUpdate(doc), since),
      () => Y.mergeUpdates([Y.encodeStateAsUpdate(doc, since), ...person.unsent]),
    ][dice(5)]()
    person.unsent = []
    log.push({ client: doc.clientID, update })
    person.past.push(Y.encodeStateVector(doc))
  }
  for (let step = 0; step < 40; step++) {
    const person = people[dice(3)]
    const t = text(person.doc)
    const at = dice(t.length + 1)
    switch (dice(10)) {
      case 0: case 1: case 2: t.insert(at, WORDS[dice(WORDS.length)]); break
      case 3: t.insert(t.length, WORDS[dice(WORDS.length)]); break
      case 4: t.delete(at, Math.min(t.length - at, 1 + dice(3))); break
      case 5: if (dice(2)) person.undo.undo(); else person.undo.redo(); break
      case 6: hear(person, person.heard + dice(log.length - person.heard + 1)); break
      default: send(person)
    }
  }
  for (const person of people) send(person)
  for (const person of people) hear(person)
  const [first] = people
  vectors.push({ name: `random ${number}`, shape: 'note', accept: true, base: [], updates: log.map(l => ({ client: l.client, update: b64(l.update) })), result: text(first.doc).toString(), full: b64(Y.encodeStateAsUpdate(first.doc)), anchors: [] })
}
if (many > 0) vectors.length = 0
for (let number = 0; number < many; number++) play(number)
process.stdout.write(JSON.stringify(vectors, null, 1) + '\n')
