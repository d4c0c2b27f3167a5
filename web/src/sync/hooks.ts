import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { Awareness } from 'y-protocols/awareness';
import { api, ApiError } from '../api/client';
import type { DocumentInfo } from '../api/types';
import {
  DocumentConnection,
  type AccessAnswer,
  type ConnectionState,
  type Refusal,
  type SharedType,
} from './connection';
import { retire, showRefusal } from './unsent';

/** A document being edited together. */
export type LiveDocument =
  | { kind: 'loading' }
  /** No right (any more), or no such document: show nothing of it. */
  | { kind: 'denied' }
  /** Show the projection instead. */
  | { kind: 'masked'; info: DocumentInfo }
  | { kind: 'live'; connection: DocumentConnection; info: DocumentInfo };

/** Refusals that the screen itself explains: no right, only the masked form. */
const EXPLAINED = [3, 8];

/** Asks whether and how a document may be opened. */
async function ask(id: string): Promise<{ answer: AccessAnswer; info: DocumentInfo | null }> {
  try {
    const info = await api.get<DocumentInfo>(`documents/${encodeURIComponent(id)}`);
    if (info.level === 'none') return { answer: { kind: 'denied' }, info: null };
    if (info.level === 'masked') return { answer: { kind: 'masked' }, info };
    const writable = info.level === 'edit' && info.state === 'draft';
    return { answer: { kind: 'ok', epoch: info.epoch, writable }, info };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404))
      return { answer: { kind: 'denied' }, info: null };
    return { answer: { kind: 'unreachable' }, info: null };
  }
}

/**
 * Opens a document for editing together and keeps it open while the component lives.
 * `refusal` is set when the server refused an edit: the copy was dropped and a fresh one is being
 * loaded. The shell shows it, with the unsent texts, also after this screen was left.
 */
export function useDocument(id: string | null | undefined): {
  live: LiveDocument;
  refusal: Refusal | null;
} {
  const [live, setLive] = useState<LiveDocument>({ kind: 'loading' });
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [copy, setCopy] = useState(0);
  const queries = useQueryClient();
  useEffect(() => {
    if (!id) return;
    let ended = false;
    let latest: DocumentInfo | null = null;
    const show = (next: LiveDocument) => {
      if (!ended) setLive(next);
    };
    const connection = new DocumentConnection(id, {
      access: async () => {
        const { answer, info } = await ask(id);
        if (info) latest = info;
        if (answer.kind === 'ok' && info) show({ kind: 'live', connection, info });
        return answer;
      },
      onRefused: (refused) => {
        // What the sheet showed may be more than this reader may still see.
        void queries.invalidateQueries();
        const told = refused.unsent.length > 0 || !EXPLAINED.includes(refused.code);
        // Decisions about masks are no texts to copy; their own screen says what to do.
        const masks = latest?.kind === 'masks';
        if (told && (ended || !masks))
          showRefusal({
            ...refused,
            unsent: masks ? [] : refused.unsent,
            form: latest?.form ?? null,
          });
        if (ended) return;
        if (told) setRefusal(refused);
        if (refused.code === 8 && latest) show({ kind: 'masked', info: latest });
        else if (refused.code === 3) {
          show({ kind: 'loading' });
          void ask(id).then(({ answer, info }) => {
            // Not reachable is no answer: the fresh copy waits for one.
            if (answer.kind === 'ok' || answer.kind === 'unreachable')
              setCopy((number) => number + 1);
            else if (answer.kind === 'masked' && info) show({ kind: 'masked', info });
            else show({ kind: 'denied' });
          });
        } else {
          show({ kind: 'loading' });
          setCopy((number) => number + 1);
        }
      },
    });
    return () => {
      ended = true;
      retire(connection);
      setLive({ kind: 'loading' });
    };
  }, [id, copy, queries]);
  return { live, refusal };
}

/** The save state and what belongs to it. */
export function useConnectionState(connection: DocumentConnection): ConnectionState {
  return useSyncExternalStore(connection.subscribe, connection.state);
}

/**
 * A plain value read from a shared type, read again whenever something below it changes.
 * `read` must be pure; its answers are compared by JSON.
 */
export function useShared<T>(type: SharedType | null | undefined, read: () => T): T {
  const latest = useRef<{ key: string; value: T } | null>(null);
  const subscribe = useCallback(
    (listener: () => void) => {
      if (!type) return () => undefined;
      const changed = () => listener();
      type.observeDeep(changed);
      return () => type.unobserveDeep(changed);
    },
    [type],
  );
  const snapshot = () => {
    const value = read();
    const key = JSON.stringify(value);
    if (latest.current?.key !== key) latest.current = { key, value };
    return latest.current.value;
  };
  return useSyncExternalStore(subscribe, snapshot);
}

/** Somebody else who has the document open. */
export interface Peer {
  client: number;
  name: string;
  agency: string;
  color: string;
  account: string;
  /** Path of the field they are in. */
  field: string | null;
  /** Yjs relative positions as JSON. */
  cursor: { anchor: unknown; head: unknown } | null;
  typing: boolean;
  /** What they are dragging, in the network. */
  focus: { node: string; x: number; y: number } | null;
}

interface PeerState {
  user?: { name?: string; agency?: string; color?: string; account?: string };
  field?: string | null;
  cursor?: { anchor: unknown; head: unknown } | null;
  typing?: boolean;
  focus?: { node: string; x: number; y: number } | null;
}

/** Everybody else in the document whom the server has named. Sorted by client id. */
export function readPeers(awareness: Awareness): Peer[] {
  const peers: Peer[] = [];
  for (const [client, raw] of awareness.getStates()) {
    if (client === awareness.clientID) continue;
    const state = raw as PeerState;
    if (!state.user?.account) continue;
    peers.push({
      client,
      name: state.user.name ?? '',
      agency: state.user.agency ?? '',
      color: state.user.color ?? '#4d4d4d',
      account: state.user.account,
      field: state.field ?? null,
      cursor: state.cursor ?? null,
      typing: state.typing ?? false,
      focus: state.focus ?? null,
    });
  }
  return peers.sort((a, b) => a.client - b.client);
}

/** Everybody else in the document, live. */
export function usePeers(connection: DocumentConnection): readonly Peer[] {
  const latest = useRef<{ key: string; peers: Peer[] } | null>(null);
  const subscribe = useCallback(
    (listener: () => void) => {
      connection.awareness.on('change', listener);
      return () => connection.awareness.off('change', listener);
    },
    [connection],
  );
  return useSyncExternalStore(subscribe, () => {
    const peers = readPeers(connection.awareness);
    const key = JSON.stringify(peers);
    if (latest.current?.key !== key) latest.current = { key, peers };
    return latest.current.peers;
  });
}

/** One entry per account: somebody with two windows open is one person. */
export function byAccount(peers: readonly Peer[]): Peer[] {
  const seen = new Map<string, Peer>();
  for (const peer of peers) if (!seen.has(peer.account)) seen.set(peer.account, peer);
  return [...seen.values()];
}
