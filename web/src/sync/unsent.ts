import { useSyncExternalStore } from 'react';
import type { DocumentConnection, Refusal } from './connection';

/** A refusal that somebody must see, whatever page they are on by now. */
export interface ShownRefusal extends Refusal {
  /** Form of the document, for the names of its fields. */
  form: string | null;
}

/** What the whole app knows of edits that are not on the server. */
export interface Unsent {
  /** Documents that were left before everything in them was saved. */
  waiting: number;
  /** The oldest first. */
  refusals: readonly ShownRefusal[];
}

/** An ordinary save takes less: nobody needs to hear of it, ms. */
const QUIET_FOR = 2_000;

let unsent: Unsent = { waiting: 0, refusals: [] };
const listeners = new Set<() => void>();

function change(next: Partial<Unsent>): void {
  unsent = { ...unsent, ...next };
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** {@link Unsent}, live. */
export function useUnsent(): Unsent {
  return useSyncExternalStore(subscribe, () => unsent);
}

/** Shows a refusal over whatever page is open, until it is dismissed. */
export function showRefusal(refusal: ShownRefusal): void {
  change({ refusals: [...unsent.refusals, refusal] });
}

/** Forgets a refusal, with the texts in it. */
export function dismissRefusal(refusal: ShownRefusal): void {
  change({ refusals: unsent.refusals.filter((other) => other !== refusal) });
}

/**
 * Lets a connection go once everything in it is on the server. Leaving a screen while offline
 * must not lose what was typed: until then it goes on trying, every page says so, and closing the
 * window still warns. Its owner goes on hearing of a refusal.
 */
export function retire(connection: DocumentConnection): void {
  // Text boxes unmount after this and may still hand over a composition.
  setTimeout(() => {
    connection.leave();
    if (!connection.dirty) {
      connection.destroy();
      return;
    }
    let counted = false;
    const timer = setTimeout(() => {
      counted = true;
      change({ waiting: unsent.waiting + 1 });
    }, QUIET_FOR);
    const off = connection.subscribe(() => {
      if (connection.dirty) return;
      off();
      clearTimeout(timer);
      if (counted) change({ waiting: unsent.waiting - 1 });
      connection.destroy();
    });
  }, 0);
}
