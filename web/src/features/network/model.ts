import * as Y from 'yjs';
import { newId } from '../../sync/id';

/** What a node of the map is. */
export type NodeKind = 'person' | 'agency' | 'group' | 'place' | 'pet';

/** One node, plain. */
export interface MapNode {
  id: string;
  kind: NodeKind;
  label: string;
  person_id?: string;
  agency_id?: string;
  /** Code of `gender`. */
  sex?: string;
  birth_date?: string;
  death_date?: string;
  deceased?: boolean;
  key_person?: boolean;
  /** 支援対象者 of the case. */
  index?: boolean;
  x?: number;
  y?: number;
  sector?: string;
}

/** One tie, plain. */
export interface MapTie {
  id: string;
  family: 'eco' | 'gen';
  from: string;
  to: string;
  kind: string;
  direction?: string;
  frequency?: string;
  valid_from?: string;
  valid_to?: string;
  note?: string;
}

/** People who live together. */
export interface Household {
  id: string;
  name: string;
  /** Ids of nodes that are on the map, in their order. */
  members: string[];
}

/** The whole map. */
export interface NetworkMap {
  nodes: MapNode[];
  ties: MapTie[];
  households: Household[];
}

/** Kinds of nodes. */
export const NODE_KINDS: Readonly<Record<NodeKind, string>> = {
  person: '人',
  agency: '機関',
  group: '団体・近隣など',
  place: '場所・居場所',
  pet: 'ペット',
};

/** `ecorel` of the catalogue. */
export const ECO_KINDS: Readonly<Record<string, string>> = {
  strong: '強い・良好',
  normal: '普通',
  weak: '希薄・弱い',
  stress: 'ストレス・葛藤',
  conflict: '対立',
  broken: '断絶',
  planned: '今後つなぐ予定',
  unknown: '不明',
};

/** `gengrel` of the catalogue. */
export const GEN_KINDS: Readonly<Record<string, string>> = {
  marriage: '婚姻',
  common_law: '内縁・事実婚',
  engaged: '婚約・交際',
  separated: '別居',
  divorced: '離婚',
  bio: '実親子',
  adopted: '養親子',
  foster: '里親子',
  step: '継親子',
  twin_id: '一卵性双生児',
  twin_fr: '二卵性双生児',
};

/** `flow` of the catalogue, in words that name no side. */
export const FLOWS: Readonly<Record<string, string>> = {
  to_client: '本人へ（支援の流れ）',
  from_client: '本人から',
  both: '双方向',
  none: 'なし',
};

/** Origin of edits of the map, so that undo knows them. */
export class MapEdit {}
const EDIT = new MapEdit();

type Entry = Record<string, string | number | boolean | undefined>;

function entries<T extends { id: string }>(map: Y.Map<unknown>): T[] {
  const all: T[] = [];
  for (const [id, entry] of map.entries())
    if (entry instanceof Y.Map) all.push({ ...(entry.toJSON() as object), id } as T);
  return all.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Reads the document. Ties whose ends are gone are left out. */
export function readNetwork(doc: Y.Doc): NetworkMap {
  const nodes = entries<MapNode>(doc.getMap('nodes')).map((node) => ({
    ...node,
    label: typeof node.label === 'string' ? node.label : '',
  }));
  const known = new Set(nodes.map((node) => node.id));
  const ties = entries<MapTie>(doc.getMap('ties')).filter(
    (tie) => known.has(tie.from) && known.has(tie.to),
  );
  return {
    nodes: nodes.sort(byReading),
    ties: inReading(nodes, ties),
    households: readHouseholds(doc, known),
  };
}

const KIND_ORDER: readonly NodeKind[] = ['person', 'agency', 'group', 'place', 'pet'];

/** 支援対象者 first, then people from the oldest, then agencies and the rest by name. */
function byReading(a: MapNode, b: MapNode): number {
  return (
    Number(b.index ?? false) - Number(a.index ?? false) ||
    KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) ||
    compare(a.birth_date ?? '~', b.birth_date ?? '~') ||
    a.label.localeCompare(b.label, 'ja') ||
    compare(a.id, b.id)
  );
}

/** Family first, then the rest, each in the order of the people they belong to. */
function inReading(nodes: readonly MapNode[], ties: readonly MapTie[]): MapTie[] {
  const at = new Map(nodes.map((node, index) => [node.id, index]));
  const ends = (tie: MapTie) => [at.get(tie.from) ?? 0, at.get(tie.to) ?? 0] as const;
  const kinds = Object.keys(GEN_KINDS);
  return [...ties].sort((a, b) => {
    const [x, y] = [ends(a), ends(b)];
    return (
      Number(a.family === 'eco') - Number(b.family === 'eco') ||
      (a.family === 'gen' ? kinds.indexOf(a.kind) - kinds.indexOf(b.kind) : 0) ||
      Math.min(...x) - Math.min(...y) ||
      Math.max(...x) - Math.max(...y) ||
      compare(a.id, b.id)
    );
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function readHouseholds(doc: Y.Doc, known: ReadonlySet<string>): Household[] {
  const all: Household[] = [];
  for (const [id, value] of doc.getMap('households').entries()) {
    if (!(value instanceof Y.Map)) continue;
    const entry = value as Y.Map<unknown>;
    const name = entry.get('name');
    const members = entry.get('members');
    all.push({
      id,
      name: typeof name === 'string' ? name : '',
      members:
        members instanceof Y.Map
          ? [...(members as Y.Map<unknown>).entries()]
              .flatMap(([node, on]) => (on === true && known.has(node) ? [node] : []))
              .sort(compare)
          : [],
    });
  }
  return all.sort((a, b) => compare(a.id, b.id));
}

/**
 * Writes a household; a new one when it has no id yet. Only what changed is written, so that two
 * people who each add somebody both succeed.
 */
export function writeHousehold(
  doc: Y.Doc,
  id: string | null,
  values: Omit<Household, 'id'>,
  seen?: Omit<Household, 'id'>,
): string {
  const household = id ?? newId();
  const root = doc.getMap('households');
  doc.transact(() => {
    const known = root.get(household);
    const entry = known instanceof Y.Map ? (known as Y.Map<unknown>) : new Y.Map<unknown>();
    const kept = known ? entry.get('members') : undefined;
    const members = kept instanceof Y.Map ? (kept as Y.Map<unknown>) : new Y.Map<unknown>();
    if (!known || (seen?.name !== values.name && entry.get('name') !== values.name))
      entry.set('name', values.name);
    if (!known || kept !== members) entry.set('members', members);
    if (!known) root.set(household, entry);
    for (const node of seen?.members ?? [...members.keys()])
      if (!values.members.includes(node)) members.delete(node);
    for (const node of values.members)
      if (!seen?.members.includes(node) && members.get(node) !== true) members.set(node, true);
  }, EDIT);
  return household;
}

/** Removes a household; its people stay. */
export function deleteHousehold(doc: Y.Doc, id: string): void {
  doc.transact(() => doc.getMap('households').delete(id), EDIT);
}

/** `seen`: what the writer began with. What they left as it was is left as it is by now. */
function put(map: Y.Map<unknown>, id: string, values: Entry, seen?: Entry): void {
  const known = map.get(id);
  const entry = known instanceof Y.Map ? (known as Y.Map<unknown>) : new Y.Map<unknown>();
  for (const [key, value] of Object.entries(values)) {
    if (known && seen && value === seen[key]) continue;
    // One key at a time and only what changed: a label and a move by two people both stay.
    if (value === undefined || value === '') {
      if (known) entry.delete(key);
    } else if (!known || entry.get(key) !== value) entry.set(key, value);
  }
  if (!known) map.set(id, entry);
}

/** Writes a node; a new one when it has no id yet. Returns the id. */
export function writeNode(
  doc: Y.Doc,
  id: string | null,
  values: Omit<MapNode, 'id'>,
  seen?: Omit<MapNode, 'id'>,
): string {
  const node = id ?? newId();
  const [entry, before] = [values, seen];
  doc.transact(() => put(doc.getMap('nodes'), node, entry, before), EDIT);
  return node;
}

/** Writes a tie; a new one when it has no id yet. */
export function writeTie(
  doc: Y.Doc,
  id: string | null,
  values: Omit<MapTie, 'id'>,
  seen?: Omit<MapTie, 'id'>,
): string {
  const tie = id ?? newId();
  const [entry, before] = [values, seen];
  doc.transact(() => put(doc.getMap('ties'), tie, entry, before), EDIT);
  return tie;
}

/** Puts nodes where somebody left them. Only for nodes that still exist. */
export function writePositions(
  doc: Y.Doc,
  positions: Readonly<Record<string, { x: number; y: number } | null>>,
): void {
  const nodes = doc.getMap('nodes');
  doc.transact(() => {
    for (const [id, at] of Object.entries(positions)) {
      const node = nodes.get(id);
      if (!(node instanceof Y.Map)) continue;
      if (at === null) {
        node.delete('x');
        node.delete('y');
      } else {
        node.set('x', Math.round(at.x));
        node.set('y', Math.round(at.y));
      }
    }
  }, EDIT);
}

/** Removes a node, its ties and its places in households. */
export function deleteNode(doc: Y.Doc, id: string): void {
  const { ties, households } = readNetwork(doc);
  doc.transact(() => {
    for (const household of households)
      if (household.members.includes(id))
        writeHousehold(doc, household.id, {
          name: household.name,
          members: household.members.filter((member) => member !== id),
        });
    for (const tie of ties) if (tie.from === id || tie.to === id) doc.getMap('ties').delete(tie.id);
    doc.getMap('nodes').delete(id);
  }, EDIT);
}

/** Removes a tie. */
export function deleteTie(doc: Y.Doc, id: string): void {
  doc.transact(() => doc.getMap('ties').delete(id), EDIT);
}

/** Whether a node's person is this one, also by an id from before two entries were merged. */
export function standsFor(
  candidate: { id: string; former?: readonly string[] },
  person: string | undefined,
): boolean {
  return (
    person !== undefined && (candidate.id === person || candidate.former?.includes(person) === true)
  );
}
