import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { arrows, familyStrokes, householdShape, settle, span, strokes, wrap } from './geometry';
import {
  deleteHousehold,
  deleteNode,
  GEN_KINDS,
  readNetwork,
  writeHousehold,
  writeNode,
  writePositions,
  writeTie,
  type MapNode,
  type MapTie,
} from './model';

const person = (id: string, index = false): MapNode => ({ id, kind: 'person', label: id, index });

describe('the network document', () => {
  it('leaves to others what a dialog did not change', () => {
    const doc = new Y.Doc();
    const a = writeNode(doc, null, { kind: 'person', label: '甲' });
    const b = writeNode(doc, null, { kind: 'person', label: '乙' });
    const c = writeNode(doc, null, { kind: 'person', label: '丙' });
    const seen = { kind: 'person' as const, label: '甲', x: 1, y: 2 };
    writePositions(doc, { [a]: { x: 1, y: 2 } });
    // While the dialog is open, a colleague moves and renames the node.
    writePositions(doc, { [a]: { x: 50, y: 60 } });
    writeNode(doc, a, { kind: 'person', label: '甲野' });
    writeNode(doc, a, { ...seen, deceased: true }, seen);
    expect(readNetwork(doc).nodes.find((node) => node.id === a)).toMatchObject({
      label: '甲野',
      x: 50,
      y: 60,
      deceased: true,
    });

    const house = writeHousehold(doc, null, { name: '本人世帯', members: [a] });
    writeHousehold(doc, house, { name: '本人世帯', members: [a, b] });
    writeHousehold(
      doc,
      house,
      { name: '本人世帯', members: [a, c] },
      { name: '本人世帯', members: [a] },
    );
    expect(new Set(readNetwork(doc).households[0]?.members)).toEqual(new Set([a, b, c]));
  });

  it('merges a label and a move by two people', () => {
    const here = new Y.Doc();
    const id = writeNode(here, null, { kind: 'agency', label: '東包括' });
    const there = new Y.Doc();
    Y.applyUpdate(there, Y.encodeStateAsUpdate(here));
    writeNode(here, id, { kind: 'agency', label: '東地域包括支援センター' });
    writePositions(there, { [id]: { x: 10.4, y: -20 } });
    Y.applyUpdate(there, Y.encodeStateAsUpdate(here));
    Y.applyUpdate(here, Y.encodeStateAsUpdate(there));
    expect(readNetwork(here).nodes[0]).toMatchObject({
      label: '東地域包括支援センター',
      x: 10,
      y: -20,
    });
    expect(readNetwork(there)).toEqual(readNetwork(here));
  });

  it('removes ties with their node and hides ties whose end another person removed', () => {
    const doc = new Y.Doc();
    const a = writeNode(doc, null, { kind: 'person', label: '甲', index: true });
    const b = writeNode(doc, null, { kind: 'agency', label: '乙' });
    writeTie(doc, null, { family: 'eco', from: b, to: a, kind: 'strong', direction: 'to_client' });
    const late = new Y.Doc();
    Y.applyUpdate(late, Y.encodeStateAsUpdate(doc));
    writeTie(late, null, { family: 'eco', from: b, to: a, kind: 'weak' });
    deleteNode(doc, b);
    expect(doc.getMap('ties').size).toBe(0);
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(late));
    expect(readNetwork(doc).ties).toEqual([]);
    expect(readNetwork(doc).nodes).toHaveLength(1);
  });

  it('clears what is emptied and writes nothing unknown', () => {
    const doc = new Y.Doc();
    const id = writeNode(doc, null, { kind: 'person', label: '甲', birth_date: '1970' });
    writeNode(doc, id, { kind: 'person', label: '甲', birth_date: '' });
    expect((doc.getMap('nodes').get(id) as Y.Map<unknown>).has('birth_date')).toBe(false);
  });
});

describe('lines', () => {
  const tie = (direction: string): MapTie => ({
    id: 't',
    family: 'eco',
    from: 'a',
    to: 'b',
    kind: 'normal',
    direction,
  });

  it('points arrows by the client, whichever end it is', () => {
    expect(arrows(tie('to_client'), person('a'), person('b', true))).toEqual({
      from: false,
      to: true,
    });
    expect(arrows(tie('to_client'), person('a', true), person('b'))).toEqual({
      from: true,
      to: false,
    });
    expect(arrows(tie('from_client'), person('a', true), person('b'))).toEqual({
      from: false,
      to: true,
    });
    expect(arrows(tie('both'), person('a'), person('b'))).toEqual({ from: true, to: true });
  });

  it('draws every kind differently without colour', () => {
    const kinds = [
      'strong',
      'normal',
      'weak',
      'stress',
      'conflict',
      'broken',
      'planned',
      'unknown',
    ];
    const drawn = kinds.map((kind) =>
      JSON.stringify(
        strokes({ kind }, { x: 0, y: 0 }, { x: 100, y: 0 }, { from: false, to: false }),
      ),
    );
    expect(new Set(drawn).size).toBe(kinds.length);
  });

  it('stops at the symbols and vanishes where they touch', () => {
    const ends = span(person('a'), person('b'), { x: 0, y: 0 }, { x: 200, y: 0 }, 0);
    expect(ends?.[0].x).toBeCloseTo(27);
    expect(ends?.[1].x).toBeCloseTo(173);
    // From below a line ends under the name.
    const below = span(person('a'), person('b'), { x: 0, y: 0 }, { x: 0, y: 200 }, 0);
    expect(below?.[0].y).toBeCloseTo(50);
    expect(span(person('a'), person('b'), { x: 0, y: 0 }, { x: 40, y: 0 }, 0)).toBeNull();
  });

  it('wraps labels in at most three lines and says when something is cut', () => {
    expect(wrap('東地域包括支援センター')).toHaveLength(2);
    const long = wrap('とても長い名前の特定非営利活動法人みどり野くらしの応援団');
    expect(long).toHaveLength(3);
    expect(long[2]).toMatch(/…$/);
  });
});

describe('places of nodes', () => {
  const box = (at: { x: number; y: number }) => [at.x - 45, at.x + 45, at.y - 23, at.y + 46];

  it('covers nobody with somebody new, while the layout has not come', () => {
    const label = '山田太郎左衛門';
    const old = [0, 100, 200].map((x, n): MapNode => ({ ...person(`o${n}`), label, x, y: 0 }));
    const fresh = ['n1', 'n2'].map((id): MapNode => ({ ...person(id), label }));
    const places = settle([...old, ...fresh], {});
    expect(places.get('o1')).toEqual({ x: 100, y: 0 });
    for (const { id } of fresh)
      for (const [other, at] of places) {
        if (other === id) continue;
        const [a, b] = [box(places.get(id)!), box(at)];
        expect(a[0]! < b[1]! && b[0]! < a[1]! && a[2]! < b[3]! && b[2]! < a[3]!).toBe(false);
      }
  });

  it('keeps the layout where it covers nobody', () => {
    const places = settle([person('a'), person('b')], { a: { x: 0, y: 0 }, b: { x: 90, y: 0 } });
    expect(places.get('b')).toEqual({ x: 90, y: 0 });
  });
});

describe('households', () => {
  it('lets two people each add somebody, and forgets who left the map', () => {
    const here = new Y.Doc();
    const [a, b, c] = ['甲', '乙', '丙'].map((label) =>
      writeNode(here, null, { kind: 'person', label }),
    ) as [string, string, string];
    const id = writeHousehold(here, null, { name: '本人世帯', members: [a] });
    const there = new Y.Doc();
    Y.applyUpdate(there, Y.encodeStateAsUpdate(here));
    writeHousehold(here, id, { name: '本人世帯', members: [a, b] });
    writeHousehold(there, id, { name: '本人世帯', members: [a, c] });
    Y.applyUpdate(here, Y.encodeStateAsUpdate(there));
    Y.applyUpdate(there, Y.encodeStateAsUpdate(here));
    expect(readNetwork(here).households[0]?.members).toEqual([a, b, c].sort());
    expect(readNetwork(there)).toEqual(readNetwork(here));
    deleteNode(here, b);
    expect(readNetwork(here).households[0]?.members).toEqual([a, c].sort());
    deleteHousehold(here, id);
    expect(readNetwork(here)).toMatchObject({ households: [], nodes: [{}, {}] });
  });

  it('bends around others and never swallows somebody who stands between', () => {
    const at = (id: string, x: number, y: number) => ({ id, at: { x, y } });
    const around = householdShape(
      [at('a', 0, 0), at('b', 300, 0), at('c', 150, 300)],
      [{ x: 150, y: 0 }],
    );
    expect(around.joined).toHaveLength(2);
    expect(around.loose).toEqual([]);
    const parted = householdShape([at('a', 0, 0), at('b', 300, 0)], [{ x: 150, y: 10 }]);
    expect(parted.joined).toEqual([]);
    expect(parted.loose).toHaveLength(1);
    expect(householdShape([], [])).toEqual({ joined: [], loose: [] });
  });
});

it('draws every family tie differently without colour', () => {
  const drawn = Object.keys(GEN_KINDS).map((kind) =>
    JSON.stringify(familyStrokes(kind, { x: 0, y: 0 }, { x: 100, y: 0 })),
  );
  expect(new Set(drawn).size).toBe(Object.keys(GEN_KINDS).length);
});

it('reads the family first and people before agencies', () => {
  const doc = new Y.Doc();
  const office = writeNode(doc, null, { kind: 'agency', label: '東包括' });
  const mother = writeNode(doc, null, { kind: 'person', label: '母', birth_date: '1944-05-18' });
  const son = writeNode(doc, null, { kind: 'person', label: '子', index: true });
  writeTie(doc, null, { family: 'eco', from: office, to: son, kind: 'normal' });
  writeTie(doc, null, { family: 'gen', from: mother, to: son, kind: 'bio' });
  const map = readNetwork(doc);
  expect(map.nodes.map((node) => node.id)).toEqual([son, mother, office]);
  expect(map.ties.map((tie) => tie.family)).toEqual(['gen', 'eco']);
});
