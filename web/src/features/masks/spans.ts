/**
 * Mask spans as the reviewer sees them: read from the `masks` document, resolved against the text
 * of its parent, grouped by surface form, and painted as segments.
 *
 * The `masks` document never holds the surface text; positions are Yjs relative positions, so a
 * span follows its words while others write, and vanishes when its words are deleted.
 */
import * as Y from 'yjs';
import { category } from './labels';

export type Status = 'pending' | 'accepted' | 'rejected';

/** A span with its present place. Offsets are UTF-16 units within the field's text. */
export interface Span {
  id: string;
  field: string;
  start: number;
  end: number;
  surface: string;
  label: string;
  score: number;
  source: string;
  person: string | null;
  status: Status;
  by: string | null;
  at: string | null;
}

/** Text of one field of the parent, in reading order. */
export interface FieldText {
  field: string;
  ytext: Y.Text;
  text: string;
}

function textOf(value: unknown, missing: string): string {
  return typeof value === 'string' ? value : missing;
}

function orderKey(row: Y.Map<unknown>): string {
  const key = row.get('order');
  return typeof key === 'string' ? key : '';
}

export function encodePosition(position: Y.RelativePosition): string {
  let binary = '';
  for (const byte of Y.encodeRelativePosition(position)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function decodePosition(base64: string): Y.RelativePosition | null {
  try {
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
    return Y.decodeRelativePosition(bytes);
  } catch {
    return null;
  }
}

/** Finds the Y.Text that a span's `field` names: `summary`, `table/rowId/column`, or `content`. */
export function textAt(parent: Y.Doc, field: string): Y.Text | null {
  if (field === 'content' && parent.share.has('content')) return parent.getText('content');
  const parts = field.split('/');
  let value: unknown = parent.getMap('fields');
  for (const part of parts) {
    if (!(value instanceof Y.Map)) return null;
    value = value.get(part);
  }
  return value instanceof Y.Text ? value : null;
}

/** All text fields of a parent document; `order` gives the form's field ids in reading order. */
export function fieldTexts(parent: Y.Doc, order: readonly string[] = []): FieldText[] {
  const found: FieldText[] = [];
  const push = (field: string, ytext: Y.Text): void => {
    found.push({ field, ytext, text: ytext.toString() });
  };
  if (parent.share.has('content')) push('content', parent.getText('content'));
  const fields = parent.getMap('fields');
  const known = order.filter((id) => fields.has(id));
  const rest = [...fields.keys()].filter((id) => !known.includes(id)).sort();
  for (const id of [...known, ...rest]) {
    const value = fields.get(id);
    if (value instanceof Y.Text) {
      push(id, value);
      continue;
    }
    if (!(value instanceof Y.Map)) continue;
    const rows = [...value.entries()].filter(
      (entry): entry is [string, Y.Map<unknown>] => entry[1] instanceof Y.Map,
    );
    rows.sort(([idA, a], [idB, b]) => {
      const orderA = orderKey(a);
      const orderB = orderKey(b);
      return orderA === orderB ? (idA < idB ? -1 : 1) : orderA < orderB ? -1 : 1;
    });
    for (const [rowId, row] of rows)
      for (const [column, cell] of row.entries())
        if (cell instanceof Y.Text) push(`${id}/${rowId}/${column}`, cell);
  }
  return found;
}

function resolve(parent: Y.Doc, base64: unknown, text: Y.Text): number | null {
  if (typeof base64 !== 'string') return null;
  const relative = decodePosition(base64);
  if (!relative) return null;
  const absolute = Y.createAbsolutePositionFromRelativePosition(relative, parent);
  return absolute && absolute.type === text ? absolute.index : null;
}

function statusOf(value: unknown): Status {
  return value === 'accepted' || value === 'rejected' ? value : 'pending';
}

/** Every span whose words still exist, in reading order. */
export function readSpans(masks: Y.Doc, parent: Y.Doc, fields: readonly FieldText[]): Span[] {
  const byField = new Map(fields.map((entry, index) => [entry.field, { ...entry, index }]));
  const spans: (Span & { fieldIndex: number })[] = [];
  masks.getMap('spans').forEach((entryValue, id) => {
    if (!(entryValue instanceof Y.Map)) return;
    const value = entryValue as Y.Map<unknown>;
    const entry = byField.get(String(value.get('field')));
    if (!entry) return;
    const start = resolve(parent, value.get('start'), entry.ytext);
    const end = resolve(parent, value.get('end'), entry.ytext);
    if (start === null || end === null || start >= end) return;
    const person = value.get('person');
    const by = value.get('by');
    const at = value.get('at');
    const score = Number(value.get('score'));
    spans.push({
      id,
      field: entry.field,
      fieldIndex: entry.index,
      start,
      end,
      surface: entry.text.slice(start, end),
      label: textOf(value.get('label'), 'OTHER_ID'),
      score: Number.isFinite(score) ? score : 0,
      source: textOf(value.get('source'), 'model'),
      person: typeof person === 'string' ? person : null,
      status: statusOf(value.get('status')),
      by: typeof by === 'string' ? by : null,
      at: typeof at === 'string' ? at : null,
    });
  });
  spans.sort((a, b) => a.fieldIndex - b.fieldIndex || a.start - b.start || b.end - a.end);
  return spans.map(({ fieldIndex: _index, ...span }) => span);
}

export interface Group {
  /** Surface form; groups are keyed by it. */
  surface: string;
  spans: Span[];
  label: string;
  /** Lowest score in the group: the least certain one decides where the group stands. */
  score: number;
  source: string;
  pending: number;
  status: Status | 'mixed';
}

/**
 * Groups by surface form, least certain first.
 *
 * `waiting` holds the surfaces that were pending when the review began: they keep their place at
 * the top after a decision, so that the list does not jump under the reader's hands.
 */
export function groupSpans(spans: readonly Span[], waiting: ReadonlySet<string>): Group[] {
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    const list = groups.get(span.surface);
    if (list) list.push(span);
    else groups.set(span.surface, [span]);
  }
  const result = [...groups.entries()].map(([surface, list]): Group => {
    const least = list.reduce((a, b) => (b.score < a.score ? b : a));
    const statuses = new Set(list.map((span) => span.status));
    return {
      surface,
      spans: list,
      label: least.label,
      score: least.score,
      source: least.source,
      pending: list.filter((span) => span.status === 'pending').length,
      status: statuses.size === 1 ? list[0]!.status : 'mixed',
    };
  });
  const rank = (group: Group): number => (group.pending > 0 || waiting.has(group.surface) ? 0 : 1);
  return result.sort(
    (a, b) => rank(a) - rank(b) || a.score - b.score || (a.surface < b.surface ? -1 : 1),
  );
}

/**
 * Groups in the order one has been reading them: what a scan finds meanwhile goes to the end, so
 * that nothing moves under the reader's hands. Returns the surfaces that are new as well.
 */
export function steadyGroups(
  groups: readonly Group[],
  order: readonly string[],
): { groups: Group[]; fresh: string[] } {
  const place = new Map(order.map((surface, index) => [surface, index]));
  const known = groups.filter((group) => place.has(group.surface));
  const fresh = groups.filter((group) => !place.has(group.surface));
  known.sort((a, b) => (place.get(a.surface) ?? 0) - (place.get(b.surface) ?? 0));
  return { groups: [...known, ...fresh], fresh: fresh.map((group) => group.surface) };
}

/** Spans in the order ↓ walks through them: group by group, occurrence by occurrence. */
export function walkOrder(groups: readonly Group[]): Span[] {
  return groups.flatMap((group) => group.spans);
}

/** The span to stand on after deciding `id`: the next pending one, wrapping, else simply the next. */
export function afterDecision(order: readonly Span[], id: string): string | null {
  const at = order.findIndex((span) => span.id === id);
  if (at < 0) return order.find((span) => span.status === 'pending')?.id ?? order[0]?.id ?? null;
  for (let step = 1; step < order.length; step += 1) {
    const span = order[(at + step) % order.length]!;
    if (span.status === 'pending') return span.id;
  }
  return order[at]!.id;
}

/**
 * Numbers for placeholders: per category, one number per person, or per surface form where no
 * person is known, in order of first appearance. Rejected spans get none.
 */
export function numberSpans(spans: readonly Span[]): Map<string, number> {
  const counters = new Map<string, number>();
  const entities = new Map<string, number>();
  const numbers = new Map<string, number>();
  for (const span of spans) {
    if (span.status === 'rejected') continue;
    const entity = `${span.label}\u0000${span.person ?? `\u0001${span.surface}`}`;
    let number = entities.get(entity);
    if (number === undefined) {
      number = (counters.get(span.label) ?? 0) + 1;
      counters.set(span.label, number);
      entities.set(entity, number);
    }
    numbers.set(span.id, number);
  }
  return numbers;
}

export interface Segment {
  start: number;
  text: string;
  span: Span | null;
}

/**
 * Splits a field's text into painted and plain pieces. Where spans overlap, the one that begins
 * first (and is longest) is painted and the rest of the other follows it.
 */
export function segments(text: string, spans: readonly Span[]): Segment[] {
  const sorted = [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
  const pieces: Segment[] = [];
  let at = 0;
  for (const span of sorted) {
    const start = Math.max(span.start, at);
    const end = Math.min(span.end, text.length);
    if (start >= end) continue;
    if (start > at) pieces.push({ start: at, text: text.slice(at, start), span: null });
    pieces.push({ start, text: text.slice(start, end), span });
    at = end;
  }
  if (at < text.length) pieces.push({ start: at, text: text.slice(at), span: null });
  return pieces;
}

export function placeholder(label: string, number: number | undefined): string {
  return `［${category(label).label}${number ?? ''}］`;
}

/** The masked text of a field: pending and accepted spans replaced, rejected ones left. */
export function maskText(
  text: string,
  spans: readonly Span[],
  numbers: ReadonlyMap<string, number>,
): string {
  return segments(
    text,
    spans.filter((span) => span.status !== 'rejected'),
  )
    .map((piece) =>
      piece.span ? placeholder(piece.span.label, numbers.get(piece.span.id)) : piece.text,
    )
    .join('');
}

/** Up to eight characters either side of a span, for the list. */
export function context(text: string, start: number, end: number, width = 8): string {
  const before = [...text.slice(0, start).replace(/\s+/g, ' ')].slice(-width).join('');
  const after = [...text.slice(end).replace(/\s+/g, ' ')].slice(0, width).join('');
  return `…${before}「${text.slice(start, end)}」${after}…`;
}

/** All places of `word` in the fields that no span covers yet. */
export function occurrences(
  word: string,
  fields: readonly FieldText[],
  spans: readonly Span[],
): { field: string; start: number; end: number }[] {
  const wanted = word.trim();
  if (wanted === '') return [];
  const places: { field: string; start: number; end: number }[] = [];
  for (const entry of fields) {
    for (
      let at = entry.text.indexOf(wanted);
      at >= 0;
      at = entry.text.indexOf(wanted, at + wanted.length)
    ) {
      const end = at + wanted.length;
      const covered = spans.some(
        (span) =>
          span.field === entry.field &&
          span.status !== 'rejected' &&
          span.start <= at &&
          span.end >= end,
      );
      if (!covered) places.push({ field: entry.field, start: at, end });
    }
  }
  return places;
}
