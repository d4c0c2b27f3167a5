import { useCallback, useState, useSyncExternalStore } from 'react';

/** Drafts by key. In memory only: they are personal data, and gone with the window. `safe` is the value
 * that the server has on disk, for forms whose drafts it keeps. */
const kept = new Map<string, { value: object; written: boolean; safe?: object }>();
const listeners = new Set<() => void>();

const warn = (event: BeforeUnloadEvent): void => event.preventDefault();

function changed(): void {
  // Nobody may be looking at the draft any more: closing the window still has to warn.
  if ([...kept.values()].some((draft) => draft.written && draft.safe !== draft.value))
    window.addEventListener('beforeunload', warn);
  else window.removeEventListener('beforeunload', warn);
  for (const listener of listeners) listener();
}

/** The server has this value of the draft on disk: closing the window loses nothing of it. */
export function markSafe(key: string, value: object): void {
  const draft = kept.get(key);
  if (!draft) return;
  draft.safe = value;
  changed();
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/**
 * State of a form that outlives its screen, so that a look at another tab costs nobody a draft, and
 * an answer that comes after it was left still clears it. `key` names account, case and form; a
 * draft of which `isWritten` says no is not brought back.
 */
export function useKept<T extends object>(
  key: string,
  empty: () => T,
  isWritten: (value: T) => boolean,
): [T, (change: (old: T) => T) => void] {
  const [start] = useState(() => {
    if (!kept.get(key)?.written) kept.delete(key);
    return empty();
  });
  const value = useSyncExternalStore(subscribe, () => (kept.get(key)?.value as T) ?? start);
  const change = useCallback(
    (next: (old: T) => T) => {
      const before = kept.get(key);
      const now = next((before?.value as T) ?? start);
      kept.set(key, {
        value: now,
        written: isWritten(now),
        ...(before?.safe ? { safe: before.safe } : {}),
      });
      changed();
    },
    [key, start, isWritten],
  );
  return [value, change];
}
