import { useCallback, useState, useSyncExternalStore } from 'react';

/** Drafts by key. In memory only: they are personal data, and gone with the window. */
const kept = new Map<string, { value: object; written: boolean }>();
const listeners = new Set<() => void>();

const warn = (event: BeforeUnloadEvent): void => event.preventDefault();

function changed(): void {
  // Nobody may be looking at the draft any more: closing the window still has to warn.
  if ([...kept.values()].some((draft) => draft.written))
    window.addEventListener('beforeunload', warn);
  else window.removeEventListener('beforeunload', warn);
  for (const listener of listeners) listener();
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
      const now = next((kept.get(key)?.value as T) ?? start);
      kept.set(key, { value: now, written: isWritten(now) });
      changed();
    },
    [key, start, isWritten],
  );
  return [value, change];
}
