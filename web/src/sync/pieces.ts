/**
 * How the text in a box and the shared text correspond while they differ: during a composition
 * remote edits reach the shared text but must not touch the box. A list of pieces from left to
 * right; lengths in UTF-16 units, as in both the DOM and Yjs.
 * - `both`: the same characters on both sides.
 * - `box`: still in the box, deleted from the shared text by somebody else.
 * - `doc`: in the shared text, written by somebody else, not yet in the box.
 */
type Kind = 'both' | 'box' | 'doc';
interface Piece {
  kind: Kind;
  length: number;
}

/** One step of a Y.Text delta. */
export interface DeltaStep {
  retain?: number;
  insert?: unknown;
  delete?: number;
}

/** What a local edit means for the shared text, in the order to apply it. */
export interface DocEdit {
  /** Ranges to delete, last first, so that earlier ones keep their place. */
  deletions: { index: number; length: number }[];
  /** Where the new text goes once the deletions are done. */
  insertAt: number;
}

/** The correspondence of box and shared text. */
export class Pieces {
  #pieces: Piece[];

  constructor(length: number) {
    this.#pieces = length > 0 ? [{ kind: 'both', length }] : [];
  }

  /** Whether box and shared text are the same. */
  get equal(): boolean {
    return this.#pieces.every((piece) => piece.kind === 'both');
  }

  /** The user replaced `remove` characters at `at` (box index) by `insert` new ones. */
  edit(at: number, remove: number, insert: number): DocEdit {
    const next: Piece[] = [];
    const deletions: DocEdit['deletions'] = [];
    let box = 0;
    let doc = 0;
    let insertAt: number | null = null;
    const place = () => {
      if (insertAt !== null) return;
      insertAt = doc;
      if (insert > 0) next.push({ kind: 'both', length: insert });
    };
    for (const piece of this.#pieces) {
      if (piece.kind === 'doc') {
        // What others wrote here stays; new text goes before it, next to what the user sees.
        if (box >= at) place();
        next.push(piece);
        doc += piece.length;
        continue;
      }
      const before = Math.max(0, Math.min(piece.length, at - box));
      const removed = Math.max(0, Math.min(piece.length, at + remove - box) - before);
      const after = piece.length - before - removed;
      if (before > 0) next.push({ kind: piece.kind, length: before });
      if (piece.kind === 'both') doc += before;
      if (box + before >= at) place();
      if (removed > 0 && piece.kind === 'both') deletions.push({ index: doc, length: removed });
      if (piece.kind === 'both') doc += removed;
      if (after > 0) next.push({ kind: piece.kind, length: after });
      if (piece.kind === 'both') doc += after;
      box += piece.length;
    }
    place();
    this.#pieces = merged(next);
    // `doc` counted removed characters as still there; every deletion lies at or after insertAt.
    return { deletions: deletions.reverse(), insertAt: insertAt ?? doc };
  }

  /** Somebody else changed the shared text. */
  remote(delta: readonly DeltaStep[]): void {
    const next: Piece[] = [];
    const rest = [...this.#pieces];
    const take = (length: number, onto: (kind: Kind, length: number) => void) => {
      let left = length;
      while (left > 0) {
        const piece = rest.shift();
        if (!piece) return;
        if (piece.kind === 'box') {
          next.push(piece);
          continue;
        }
        const used = Math.min(left, piece.length);
        onto(piece.kind, used);
        left -= used;
        if (used < piece.length) rest.unshift({ kind: piece.kind, length: piece.length - used });
      }
    };
    for (const step of delta) {
      if (step.retain !== undefined)
        take(step.retain, (kind, length) => next.push({ kind, length }));
      else if (step.delete !== undefined)
        take(step.delete, (kind, length) => {
          if (kind === 'both') next.push({ kind: 'box', length });
        });
      else if (typeof step.insert === 'string')
        next.push({ kind: 'doc', length: step.insert.length });
    }
    this.#pieces = merged([...next, ...rest]);
  }

  /** Index in the shared text for an index in the box. */
  toDoc(index: number): number {
    let box = 0;
    let doc = 0;
    for (const piece of this.#pieces) {
      if (piece.kind === 'doc') {
        if (box >= index) return doc;
        doc += piece.length;
        continue;
      }
      if (box + piece.length >= index && piece.kind === 'both') return doc + (index - box);
      if (box + piece.length > index) return doc;
      box += piece.length;
      if (piece.kind === 'both') doc += piece.length;
    }
    return doc;
  }

  /** Index in the box for an index in the shared text. */
  toBox(index: number): number {
    let box = 0;
    let doc = 0;
    for (const piece of this.#pieces) {
      if (piece.kind === 'box') {
        box += piece.length;
        continue;
      }
      if (doc + piece.length >= index) return piece.kind === 'both' ? box + (index - doc) : box;
      doc += piece.length;
      if (piece.kind === 'both') box += piece.length;
    }
    return box;
  }
}

function merged(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (last && last.kind === piece.kind) last.length += piece.length;
    else out.push({ ...piece });
  }
  return out;
}

/** A change of a text: at `at`, `removed` characters became `inserted`. */
export interface Replacement {
  at: number;
  removed: number;
  inserted: string;
}

/**
 * The smallest single replacement that turns one text into another. With repeated characters
 * several fit; `caret` (after the edit) picks the one the user made. Surrogate pairs stay whole.
 */
export function replacement(before: string, after: string, caret: number): Replacement | null {
  if (before === after) return null;
  // Everything right of the caret is unchanged by typing; that fixes the end first.
  const tailLimit = Math.max(0, Math.min(after.length - caret, before.length));
  let tail = 0;
  while (tail < tailLimit && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const headLimit = Math.min(before.length, after.length) - tail;
  let head = 0;
  while (head < headLimit && before[head] === after[head]) head += 1;
  const tailRest = Math.min(before.length, after.length) - head;
  while (tail < tailRest && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  if (head > 0 && isHighSurrogate(before.charCodeAt(head - 1))) head -= 1;
  if (tail > 0 && isLowSurrogate(before.charCodeAt(before.length - tail))) tail -= 1;
  return {
    at: head,
    removed: before.length - tail - head,
    inserted: after.slice(head, after.length - tail),
  };
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
