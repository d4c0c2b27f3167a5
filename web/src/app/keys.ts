import { useSyncExternalStore } from 'react';

/** Whether single-key shortcuts are on (WCAG 2.1.4); kept per browser. Nothing personal. */
const KEYS = 'musubi.keys';

const listeners = new Set<() => void>();
/** Without storage the switch holds for this visit. */
let here: boolean | null = null;

function read(): boolean {
  if (here !== null) return here;
  try {
    return localStorage.getItem(KEYS) !== 'off';
  } catch {
    return true;
  }
}

function write(on: boolean): void {
  try {
    localStorage.setItem(KEYS, on ? 'on' : 'off');
    here = null;
  } catch {
    here = on;
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // Another tab may switch them.
  window.addEventListener('storage', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('storage', listener);
  };
}

/** Whether keys without Ctrl and the like do something, and the switch for it; one for all screens. */
export function useSingleKeys(): [on: boolean, set: (on: boolean) => void] {
  return [useSyncExternalStore(subscribe, read), write];
}

/** Whether a key was pressed where it would be typed, or where a dialog is open. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest(
      'input, textarea, select, [contenteditable="true"], [role="dialog"], [role="alertdialog"], [role="menu"]',
    ) !== null
  );
}
