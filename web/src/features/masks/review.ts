/** Decisions written into the `masks` document. One decision = one transaction = one undo step. */
import * as Y from 'yjs';
import { encodePosition, type FieldText, type Span, type Status } from './spans';

/** Key of a step's spans on the undo stack. */
const TOUCHED = 'touched';

export interface Reviewer {
  account: string;
  /** Present time as ISO; passed in so that a test decides it. */
  now: () => string;
  /** Opaque random id for a new span. */
  newId: () => string;
}

/** Marks our own transactions, so that undo never takes back somebody else's decision. */
export class Review {
  readonly #masks: Y.Doc;
  readonly #reviewer: Reviewer;
  readonly #origin = { kind: 'mask-review' };
  readonly undoManager: Y.UndoManager;
  /** Spans of the step that is being made, for whoever takes it back. */
  #touched: readonly string[] = [];

  constructor(masks: Y.Doc, reviewer: Reviewer) {
    this.#masks = masks;
    this.#reviewer = reviewer;
    this.undoManager = new Y.UndoManager(masks.getMap('spans'), {
      trackedOrigins: new Set([this.#origin]),
      captureTimeout: 0,
    });
    this.undoManager.on('stack-item-added', ({ stackItem, type }) => {
      if (type === 'undo') stackItem.meta.set(TOUCHED, this.#touched);
    });
  }

  destroy(): void {
    this.undoManager.destroy();
  }

  /** Sets the decision of all `ids` at once; returns how many changed. */
  decide(ids: readonly string[], status: Status): number {
    return this.#change(ids, (span) => {
      if (span.get('status') === status) return false;
      span.set('status', status);
      return true;
    });
  }

  /** Changes the category of all `ids` at once; returns how many changed. */
  relabel(ids: readonly string[], label: string): number {
    return this.#change(ids, (span) => {
      if (span.get('label') === label) return false;
      span.set('label', label);
      return true;
    });
  }

  /** Adds spans by hand, accepted from the start; returns their ids. */
  add(
    places: readonly { field: string; start: number; end: number }[],
    label: string,
    fields: readonly FieldText[],
  ): string[] {
    const ids: string[] = [];
    this.#touched = ids;
    this.#masks.transact(() => {
      const spans = this.#masks.getMap('spans');
      for (const place of places) {
        const entry = fields.find((field) => field.field === place.field);
        if (!entry || place.start >= place.end || place.end > entry.ytext.length) continue;
        const span = new Y.Map<unknown>();
        span.set('field', place.field);
        span.set(
          'start',
          encodePosition(Y.createRelativePositionFromTypeIndex(entry.ytext, place.start, 0)),
        );
        span.set(
          'end',
          encodePosition(Y.createRelativePositionFromTypeIndex(entry.ytext, place.end, -1)),
        );
        span.set('label', label);
        span.set('score', 1);
        span.set('source', 'manual');
        span.set('status', 'accepted');
        span.set('by', this.#reviewer.account);
        span.set('at', this.#reviewer.now());
        const id = this.#reviewer.newId();
        spans.set(id, span);
        ids.push(id);
      }
    }, this.#origin);
    return ids;
  }

  /**
   * Takes back the last own step. Returns the ids it was about, the one stood on first (those added
   * by the step exist no more); null when there is none.
   */
  undo(): readonly string[] | null {
    const item = this.undoManager.undo();
    if (!item) return null;
    const ids: unknown = item.meta.get(TOUCHED);
    return Array.isArray(ids) ? (ids as string[]) : [];
  }

  #change(ids: readonly string[], apply: (span: Y.Map<unknown>) => boolean): number {
    let changed = 0;
    this.#touched = ids;
    this.#masks.transact(() => {
      const spans = this.#masks.getMap('spans');
      for (const id of ids) {
        const span = spans.get(id);
        if (!(span instanceof Y.Map) || !apply(span)) continue;
        span.set('by', this.#reviewer.account);
        span.set('at', this.#reviewer.now());
        changed += 1;
      }
    }, this.#origin);
    return changed;
  }
}

export interface Progress {
  total: number;
  decided: number;
  pending: number;
}

export function progress(spans: readonly Span[]): Progress {
  const pending = spans.filter((span) => span.status === 'pending').length;
  return { total: spans.length, decided: spans.length - pending, pending };
}

/** Ids of the group a span stands in. */
export function sameSurface(spans: readonly Span[], id: string): string[] {
  const surface = spans.find((span) => span.id === id)?.surface;
  return spans.filter((span) => span.surface === surface).map((span) => span.id);
}
