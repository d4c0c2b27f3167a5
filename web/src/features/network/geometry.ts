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
