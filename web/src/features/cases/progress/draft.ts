/**
 * The draft of an entry on the server: kept at every pause, before signing out, and when the window is
 * left. Writes go one after the other; each names the version it knows, so that nobody's words are
 * overwritten unseen.
 */
import { useCallback, useEffect, useRef, useSyncExternalStore } from 'react';
import { ApiError, api, apiUrl } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { beforeLeaving } from '../../../app/leaving';
import { markSafe } from '../kept';
import { isWritten, type EntryForm } from './entry';

/** Nothing was typed for so long, in ms. */
const QUIET = 700;
/** A draft that could not be kept is tried again after this, in ms. */
const AGAIN = 5_000;

export type DraftState = 'none' | 'unsaved' | 'saving' | 'saved' | 'failed' | 'conflict' | 'number';

interface Known {
  id?: string;
  version: number;
  state: DraftState;
  /** What was kept last. */
  safe?: EntryForm;
  queue: Promise<void>;
}

const drafts = new Map<string, Known>();
const listeners = new Set<() => void>();
const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

function known(key: string): Known {
  let found = drafts.get(key);
  if (!found) {
    found = { version: 0, state: 'none', queue: Promise.resolve() };
    drafts.set(key, found);
  }
  return found;
}

function set(key: string, change: Partial<Known>): void {
  Object.assign(known(key), change);
  for (const listener of listeners) listener();
}

async function keep(key: string, path: string, form: EntryForm): Promise<void> {
  const draft = known(key);
  if (draft.state === 'conflict' || draft.safe === form || !isWritten(form)) return;
  set(key, { state: 'saving' });
  try {
    const kept = await api.put<Schema<'DraftKept'>>(path, {
      version: draft.version,
      content: form,
    });
    set(key, { id: kept.id, version: kept.version, state: 'saved', safe: form });
    markSafe(key, form);
  } catch (error) {
    const code = error instanceof ApiError ? error.code : '';
    set(key, {
      state: code === 'conflict' ? 'conflict' : code === 'personal_number' ? 'number' : 'failed',
    });
  }
}

/** The server's draft of a form; `form` is what stands in it now. */
export function useServerDraft(key: string, caseId: string, form: EntryForm) {
  const path = `cases/${caseId}/progress-drafts`;
  const state = useSyncExternalStore(subscribe, () => known(key).state);
  const latest = useRef(form);
  const composing = useRef(false);
  const later = useCallback(() => {
    const draft = known(key);
    draft.queue = draft.queue.then(() => keep(key, path, latest.current));
    return draft.queue;
  }, [key, path]);

  useEffect(() => {
    latest.current = form;
    const draft = known(key);
    if (!isWritten(form) || draft.safe === form || draft.state === 'conflict') return;
    if (draft.state !== 'saving' && draft.state !== 'failed') set(key, { state: 'unsaved' });
    const timer = setTimeout(() => {
      if (!composing.current) void later();
    }, QUIET);
    return () => clearTimeout(timer);
  }, [key, form, later]);

  useEffect(() => {
    if (state !== 'failed') return;
    const timer = setInterval(() => void later(), AGAIN);
    return () => clearInterval(timer);
  }, [state, later]);

  useEffect(() => {
    const off = beforeLeaving(later);
    const hidden = (): void => {
      const draft = known(key);
      const now = latest.current;
      if (document.visibilityState !== 'hidden' || !isWritten(now) || draft.safe === now) return;
      if (draft.state === 'saving' || draft.state === 'conflict') return;
      // The window may be on its way out: this request outlives it.
      draft.queue = draft.queue.then(async () => {
        const response = await fetch(apiUrl(path), {
          method: 'PUT',
          keepalive: true,
          credentials: 'same-origin',
          headers: { 'Content-Type': 'application/json', 'X-Musubi': '1' },
          body: JSON.stringify({ version: draft.version, content: now }),
        }).catch(() => null);
        if (!response?.ok) return set(key, { state: 'failed' });
        const kept = (await response.json()) as Schema<'DraftKept'>;
        set(key, { id: kept.id, version: kept.version, state: 'saved', safe: now });
        markSafe(key, now);
      });
    };
    document.addEventListener('visibilitychange', hidden);
    return () => {
      off();
      document.removeEventListener('visibilitychange', hidden);
      // Left for another tab of the case: what stands there is kept at once.
      void later();
    };
  }, [key, path, later]);

  return {
    state,
    /** Waits for what is on its way; the draft's id, if the server has one. */
    settled: async (): Promise<string | undefined> => {
      await known(key).queue;
      return known(key).id;
    },
    /** The form has become an entry, or was given up: there is no draft any more. */
    forget: (): void => {
      drafts.delete(key);
      for (const listener of listeners) listener();
    },
    /** The form goes on from this draft of the server. */
    adopt: (draft: { id: string; version: number }, now: EntryForm): void => {
      set(key, { id: draft.id, version: draft.version, state: 'saved', safe: now });
      markSafe(key, now);
    },
    /** The screen's words shall stand in place of the server's. */
    overwrite: (draft: { id: string; version: number } | undefined): void => {
      const { id: _, ...rest } = known(key);
      drafts.set(key, {
        ...rest,
        ...(draft ? { id: draft.id } : {}),
        version: draft?.version ?? 0,
        state: 'unsaved',
      });
      void later();
    },
    version: (): number => known(key).version,
    onCompositionStart: (): void => {
      composing.current = true;
    },
    onCompositionEnd: (): void => {
      composing.current = false;
      setTimeout(() => void later(), QUIET);
    },
  };
}
