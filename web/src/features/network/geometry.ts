import type { MapNode, MapTie } from './model';

/** A place on the map; a node's is the middle of its symbol. Same units as the server's layout. */
export interface Point {
  x: number;
  y: number;
}

/** Side of a person's symbol. */
export const SYMBOL = 46;
const LABEL = 14;
const LINE = 19;

/** Width of a text in pixels, slightly generous. */
function widthOf(text: string): number {
  let ems = 0;
  for (const character of text) ems += /^[\u0020-\u007e\uff61-\uff9f]$/.test(character) ? 0.62 : 1;
  return ems * LABEL;
}

/** A label in at most three lines of about equal length. */
export function wrap(label: string): string[] {
  const all = widthOf(label);
  const count = Math.min(3, Math.max(1, Math.ceil(all / (8 * LABEL))));
  const most = count < 3 ? all / count + LABEL * 0.6 : 8 * LABEL;
  const lines = [''];
  for (const character of label) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && widthOf(last + character) > most) {
      if (lines.length === 3) {
        lines[2] = `${last.slice(0, -1)}…`;
        break;
      }
      lines.push(character);
    } else lines[lines.length - 1] = last + character;
  }
  return lines;
}

/** Half width and half height of a node's symbol. */
export function halfSize(node: MapNode): Point {
  if (node.kind === 'person' || node.kind === 'pet') return { x: SYMBOL / 2, y: SYMBOL / 2 };
  const lines = wrap(node.label);
  const wide = Math.max(...lines.map(widthOf), 40);
  const high = lines.length * LINE;
  // An ellipse around the rectangle of text.
  return { x: Math.round(wide * 0.64 + 14), y: Math.round(high * 0.64 + 14) };
}

/** How far the symbol's edge lies from its middle in a direction (unit vector). */
function reach(node: MapNode, ux: number, uy: number): number {
  const half = halfSize(node);
  if ((node.kind === 'person' || node.kind === 'pet') && uy > 0) {
    // The name stands below the symbol: a line from there ends under the name, not behind it.
    const bottom = half.y + LINE + 4;
    const side = widthOf(wrap(node.label).join('')) / 2 + 3;
    const down = bottom / uy;
    if (Math.abs(ux * down) <= side) return down;
    const across = side / Math.max(Math.abs(ux), 1e-6);
    if (uy * across >= half.y && uy * across <= bottom) return across;
  }
  if (node.kind === 'person' && node.sex === '1')
    return Math.min(half.x / Math.max(Math.abs(ux), 1e-6), half.y / Math.max(Math.abs(uy), 1e-6));
  if (node.kind === 'person' && node.sex !== '2') return half.x / (Math.abs(ux) + Math.abs(uy));
  return 1 / Math.hypot(ux / half.x, uy / half.y);
}

/** What a node covers where it stands, with the name under a person. */
function boxOf(node: MapNode, at: Point) {
  const half = halfSize(node);
  const person = node.kind === 'person' || node.kind === 'pet';
  const wide = person ? Math.max(half.x, widthOf(wrap(node.label).join('')) / 2 + 3) : half.x;
  return {
    left: at.x - wide,
    right: at.x + wide,
    top: at.y - half.y,
    bottom: at.y + half.y + (person ? LINE + 4 : 0),
  };
}

/** Steps of the search for a free place. */
const STEP = 20;
/** Room around somebody the layout has not placed, so that ties between them can be seen. */
const ROOM = 60;

/**
 * Where every node stands: where somebody left it, else where the layout puts it, else beside the
 * rest. Whoever was not placed by hand gives way until neither symbols nor names cover each other;
 * the layout of a new node may not be here yet, or never come on a bad line.
 */
export function settle(
  nodes: readonly MapNode[],
  layout: Readonly<Record<string, Point>>,
): Map<string, Point> {
  const places = new Map<string, Point>();
  const taken: ReturnType<typeof boxOf>[] = [];
  const put = (node: MapNode, at: Point) => {
    places.set(node.id, at);
    taken.push(boxOf(node, at));
  };
  const free = (node: MapNode, at: Point) => {
    const box = boxOf(node, at);
    const room = layout[node.id] ? 0 : ROOM;
    return !taken.some(
      (other) =>
        box.left < other.right + room &&
        other.left < box.right + room &&
        box.top < other.bottom + room &&
        other.top < box.bottom + room,
    );
  };
  const loose: MapNode[] = [];
  for (const node of nodes)
    if (node.x !== undefined && node.y !== undefined) put(node, { x: node.x, y: node.y });
    else loose.push(node);
  // What the layout has placed first: it stays where it is.
  const known = loose.filter((node) => layout[node.id]);
  const waiting = loose.filter((node) => !layout[node.id]);
  for (const node of [...known, ...waiting]) {
    const wanted = layout[node.id] ?? { x: 0, y: 0 };
    let at = wanted;
    // Rings of squares around the wanted place.
    for (let ring = 0; !free(node, at) && ring < 500; ring += 1) {
      const side = ring * STEP;
      for (let along = -side; along <= side; along += STEP) {
        const found = [
          { x: wanted.x + side, y: wanted.y + along },
          { x: wanted.x - side, y: wanted.y + along },
          { x: wanted.x + along, y: wanted.y + side },
          { x: wanted.x + along, y: wanted.y - side },
        ].find((place) => free(node, place));
        if (!found) continue;
        at = found;
        break;
      }
    }
    put(node, at);
  }
  return places;
}

/** One stroke of a tie. */
export interface Stroke {
  d: string;
  width: number;
  dash?: string;
  filled?: boolean;
}

/** At which ends a tie has an arrow head; `to_client` points at the 支援対象者. */
export function arrows(tie: MapTie, from: MapNode, to: MapNode): { from: boolean; to: boolean } {
  const clientIsTo = to.index === true && from.index !== true;
  switch (tie.direction) {
    case 'both':
      return { from: true, to: true };
    case 'to_client':
      return { from: !clientIsTo, to: clientIsTo };
    case 'from_client':
      return { from: clientIsTo, to: !clientIsTo };
    default:
      return { from: false, to: false };
  }
}

/** Lines of one pair of nodes lie beside each other: 0, +12, −12, +24 … */
export function sideShift(nth: number): number {
  return Math.ceil(nth / 2) * (nth % 2 === 1 ? 12 : -12);
}

/**
 * The strokes of a tie, as the server draws them: kinds differ by width, dashes and teeth, so that
 * they can be told apart in black and white. Empty when the symbols touch.
 */
export function strokes(
  tie: Pick<MapTie, 'kind'>,
  p: Point,
  q: Point,
  heads: { from: boolean; to: boolean },
): Stroke[] {
  const length = Math.hypot(q.x - p.x, q.y - p.y);
  if (length < 8) return [];
  const ux = (q.x - p.x) / length;
  const uy = (q.y - p.y) / length;
  const at = (along: number, across: number) =>
    `${(p.x + ux * along - uy * across).toFixed(1)} ${(p.y + uy * along + ux * across).toFixed(1)}`;
  const line = (...points: string[]) => `M${points.join('L')}`;
  const head = tie.kind === 'strong' ? 15 : 12;
  const from = heads.from ? head * 0.7 : 0;
  const to = length - (heads.to ? head * 0.7 : 0);
  const middle = (from + to) / 2;
  const all: Stroke[] = [];
  switch (tie.kind) {
    case 'strong':
      all.push({ d: line(at(from, 0), at(to, 0)), width: 5 });
      break;
    case 'weak':
      all.push({ d: line(at(from, 0), at(to, 0)), width: 1.8, dash: '8 6' });
      break;
    case 'planned':
      all.push({ d: line(at(from, 0), at(to, 0)), width: 2.2, dash: '2 6' });
      break;
    case 'unknown':
      all.push({ d: line(at(from, 0), at(to, 0)), width: 1.6, dash: '12 5 2 5' });
      break;
    case 'stress':
    case 'conflict': {
      const teeth = Math.max(2, Math.floor((to - from - 16) / 9));
      const lead = Math.min(8, (to - from) / 6);
      const step = Math.max(0, (to - from - lead * 2) / teeth);
      const points = [at(from, 0), at(from + lead, 0)];
      for (let tooth = 0; tooth < teeth; tooth += 1)
        points.push(at(from + lead + step * (tooth + 0.5), tooth % 2 === 0 ? -6 : 6));
      points.push(at(to - lead, 0), at(to, 0));
      all.push({ d: line(...points), width: tie.kind === 'conflict' ? 2.6 : 1.8 });
      if (tie.kind === 'conflict')
        for (const side of [-1, 1])
          all.push({
            d: line(at(middle - 10, side * 11), at(middle + 10, -side * 11)),
            width: 2.6,
          });
      break;
    }
    case 'broken':
      all.push({ d: line(at(from, 0), at(middle - 6, 0)), width: 1.8 });
      all.push({ d: line(at(middle + 6, 0), at(to, 0)), width: 1.8 });
      for (const place of [middle - 6, middle + 6])
        all.push({ d: line(at(place, -8), at(place, 8)), width: 2 });
      break;
    default:
      all.push({ d: line(at(from, 0), at(to, 0)), width: 1.8 });
  }
  if (heads.from)
    all.push({
      d: `${line(at(0, 0), at(head, -head * 0.42), at(head, head * 0.42))}Z`,
      width: 0,
      filled: true,
    });
  if (heads.to)
    all.push({
      d: `${line(at(length, 0), at(length - head, -head * 0.42), at(length - head, head * 0.42))}Z`,
      width: 0,
      filled: true,
    });
  return all;
}

/** From edge to edge between two symbols, moved to the side by `shift`; null when they touch. */
export function span(
  from: MapNode,
  to: MapNode,
  a: Point,
  b: Point,
  shift: number,
): [Point, Point] | null {
  const length = Math.hypot(b.x - a.x, b.y - a.y);
  if (length < 1) return null;
  const ux = (b.x - a.x) / length;
  const uy = (b.y - a.y) / length;
  const start = reach(from, ux, uy) + 4;
  const end = reach(to, -ux, -uy) + 4;
  if (start + end + 8 > length) return null;
  // Seen from the smaller id, so that the direction of the tie does not matter.
  const side = from.id < to.id ? shift : -shift;
  const move = (point: Point, along: number): Point => ({
    x: point.x + ux * along - uy * side,
    y: point.y + uy * along + ux * side,
  });
  return [move(a, start), move(b, -end)];
}

/**
 * The strokes of a family tie, after the usual genogram signs: marriage a double line, common-law
 * dotted, separation with one slash and divorce with two, adoption dashed with brackets, foster
 * dotted. Parent and child end in a small dot at the child, so that the direction shows without an
 * arrow, which means support here.
 */
export function familyStrokes(kind: string, p: Point, q: Point): Stroke[] {
  const length = Math.hypot(q.x - p.x, q.y - p.y);
  if (length < 8) return [];
  const ux = (q.x - p.x) / length;
  const uy = (q.y - p.y) / length;
  const at = (along: number, across: number) =>
    `${(p.x + ux * along - uy * across).toFixed(1)} ${(p.y + uy * along + ux * across).toFixed(1)}`;
  const line = (from: number, to: number, across = 0) => `M${at(from, across)}L${at(to, across)}`;
  const double = (): Stroke[] => [
    { d: line(0, length, -2.5), width: 1.4 },
    { d: line(0, length, 2.5), width: 1.4 },
  ];
  const slashes = (...places: number[]): Stroke[] =>
    places.map((place) => ({ d: `M${at(place - 4, 10)}L${at(place + 4, -10)}`, width: 2 }));
  const middle = length / 2;
  const child: Stroke = {
    d: `M${at(length, 0)}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z`,
    width: 0,
    filled: true,
  };
  switch (kind) {
    case 'marriage':
      return double();
    case 'common_law':
      return double().map((stroke) => ({ ...stroke, dash: '2 4' }));
    case 'engaged':
      return [{ d: line(0, length), width: 1.6, dash: '6 4' }];
    case 'separated':
      return [...double(), ...slashes(middle)];
    case 'divorced':
      return [...double(), ...slashes(middle - 4, middle + 4)];
    case 'adopted': {
      const brackets = [middle - 9, middle + 9].map((place, index): Stroke => {
        const turn = index === 0 ? 4 : -4;
        return {
          d: `M${at(place + turn, -7)}L${at(place, -7)}L${at(place, 7)}L${at(place + turn, 7)}`,
          width: 1.6,
        };
      });
      return [{ d: line(0, length), width: 1.6, dash: '8 5' }, ...brackets, child];
    }
    case 'foster':
      return [{ d: line(0, length), width: 1.8, dash: '2 5' }, child];
    case 'step':
      return [{ d: line(0, length), width: 1.6, dash: '12 4 2 4' }, child];
    case 'twin_id':
      return [
        { d: line(0, length), width: 1.4 },
        { d: line(middle - 12, middle + 12, -5), width: 1.4 },
        { d: line(middle - 12, middle + 12, 5), width: 1.4 },
      ];
    case 'twin_fr':
      return [
        { d: line(0, length), width: 1.4 },
        { d: `M${at(middle - 10, -6)}L${at(middle, 0)}L${at(middle + 10, -6)}`, width: 1.4 },
      ];
    default:
      return [{ d: line(0, length), width: 1.4 }, child];
  }
}

/** How far a household's enclosure reaches beyond the middle of a member's symbol. */
export const HOUSE = 46;

/** A member of a household and where the middle of its enclosure lies. */
interface Member {
  id: string;
  at: Point;
}

/**
 * A household as thick joined strokes: a tree of shortest connections, so that the enclosure bends
 * around others instead of swallowing them. Where somebody else stands between two members, they
 * are joined by a thin dashed line (`loose`): it must not look as if that person lived there.
 */
export function householdShape(
  members: readonly Member[],
  others: readonly Point[],
): { joined: [Point, Point][]; loose: [Point, Point][] } {
  const joined: [Point, Point][] = [];
  const loose: [Point, Point][] = [];
  const [first, ...rest] = members;
  if (!first) return { joined, loose };
  const inside = [first];
  const waiting = [...rest];
  const crossed = (a: Point, b: Point) =>
    others.some((other) => distance(other, a, b) < HOUSE + SYMBOL / 2 - 6);
  while (waiting.length > 0) {
    let best: { from: Member; to: Member; cost: number; blocked: boolean } | null = null;
    for (const from of inside)
      for (const to of waiting) {
        const blocked = crossed(from.at, to.at);
        const cost = Math.hypot(from.at.x - to.at.x, from.at.y - to.at.y) + (blocked ? 10_000 : 0);
        if (!best || cost < best.cost) best = { from, to, cost, blocked };
      }
    if (!best) break;
    const { from, to, blocked } = best;
    (blocked ? loose : joined).push([from.at, to.at]);
    inside.push(to);
    waiting.splice(waiting.indexOf(to), 1);
  }
  return { joined, loose };
}

/** Distance of a point from the stretch between two points. */
function distance(point: Point, a: Point, b: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const square = dx * dx + dy * dy;
  const along =
    square === 0
      ? 0
      : Math.max(0, Math.min(1, ((point.x - a.x) * dx + (point.y - a.y) * dy) / square));
  return Math.hypot(point.x - a.x - along * dx, point.y - a.y - along * dy);
}
