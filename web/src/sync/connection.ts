import {
  applyAwarenessUpdate,
  Awareness,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from 'y-protocols/awareness';
import * as Y from 'yjs';
import { appUrl } from '../api/client';
import { Channel } from './channel';
import * as frames from './frames';
import { route as wayFromHere, type Route } from './route';

/** Any shared type; yjs itself writes it this way. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type SharedType = Y.AbstractType<any>;

/** What `role=status` says. 保存済み only when the server has committed everything. */
export type SaveState =
  /** The document has not arrived yet. */
  | 'loading'
  | 'saved'
  /** Sent, or about to be. */
  | 'saving'
  /** Sent some time ago and still not acknowledged. */
  | 'unsaved'
  | 'offline'
  /** Refused or revoked: this copy is dead. */
  | 'stopped';

/** Everything a screen shows about a connection. A new object for every change. */
export interface ConnectionState {
  save: SaveState;
  /** Fields with edits that the server has not confirmed. */
  unsaved: number;
  /** When the last acknowledgement came, ms since the epoch. */
  savedAt: number | null;
  /** The whole document has arrived at least once. */
  synced: boolean;
  /** Someone is composing here: text that exists only in the box. */
  composing: boolean;
  /** No WebSocket gets through; the same frames go over plain HTTP, a little slower. */
  fallback: boolean;
  /** The server answers, but live editing gets through neither way: a gateway blocks it. */
  blocked: boolean;
  /** What the server has stored of the document is damaged; it neither shows nor saves it. */
  damaged?: boolean;
}

/** An edit that never reached the server, offered for copying. */
export interface UnsentText {
  /** Path of the field within the document: `summary`, `table/rowId/column`. */
  path: string;
  text: string;
}

/** Why a copy died. */
export interface Refusal {
  code: number;
  reason: string;
  unsent: UnsentText[];
}

/** Answer to "may I (still) open this document?", asked before every reconnect. */
export type AccessAnswer =
  | { kind: 'ok'; epoch: number; writable: boolean }
  | { kind: 'denied' }
  | { kind: 'masked' }
  | { kind: 'unreachable' };

/** The part of WebSocket that is used, so that tests can play the server. */
export interface Socket {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

/** Seams of a connection. */
export interface ConnectionOptions {
  /** Refetches the permission. */
  access: () => Promise<AccessAnswer>;
  /** Called once when this copy must be dropped. */
  onRefused: (refusal: Refusal) => void;
  socket?: (url: string) => Socket;
  /** The same over plain HTTP, for a document's id. */
  channel?: (id: string, epoch: number | null) => Socket;
  route?: Route;
  random?: () => number;
  now?: () => number;
}

/** Refusals after which the same copy may go on. */
const OVERLOADED = 7;
const PERMISSION = 3;
const GONE = 6;
const MASKED = 8;
const DAMAGED = 10;

/** First and longest pause between attempts, ms. */
const RETRY_FIRST = 500;
const RETRY_MOST = 20_000;
/** An acknowledgement this late is shown as 未保存, ms. */
const LATE = 5_000;
/** Idle connections are probed with a barrier, ms; no answer in time means a dead socket. */
const PROBE_EVERY = 20_000;
const PROBE_ANSWER = 10_000;
/** Presence goes out at most this often, ms. */
const PRESENCE_EVERY = 60;
/** Attempts in a row that brought no frame before a way counts as blocked. */
const BLOCKED_AFTER = 2;
/** With both ways blocked the WebSocket is tried every so many attempts. */
const SOCKET_EVERY = 3;
/** The first frame comes within this time, or something swallows them, ms: over a channel it may
 * first have to find out that streams of events are held back. */
const HEARD_WITHIN = { socket: 10_000, channel: 20_000 };

/** What carries the frames. */
type Way = 'socket' | 'channel';

interface Pending {
  update: Uint8Array;
  paths: readonly string[];
  /** Barrier that covers it; null while it was not sent on this socket. */
  barrier: number | null;
}

/**
 * One live copy of one document. Local edits leave at once and are kept until the server's
 * acknowledgement; after a lost connection the kept ones are sent again. A copy dies with the
 * first refusal: it would differ from the server's for ever.
 */
export class DocumentConnection {
  readonly doc = new Y.Doc();
  readonly awareness = new Awareness(this.doc);
  readonly #id: string;
  readonly #options: ConnectionOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #route: Route;
  readonly #listeners = new Set<() => void>();
  #socket: Socket | null = null;
  #way: Way = 'socket';
  /** Gives the present socket up. */
  #drop: (() => void) | null = null;
  /** A WebSocket being tried while the channel goes on. */
  #trial: Socket | null = null;
  #trialDue = false;
  #open = false;
  #pending: Pending[] = [];
  #barrier = 0;
  #acknowledged = 0;
  #attempts = 0;
  /** Attempts in a row that brought no frame. */
  #mute = { socket: 0, channel: 0 };
  /** Attempts since then while the WebSocket was to be left alone. */
  #turn = 0;
  #epoch: number | null = null;
  #writable = true;
  #dead = false;
  #lastHeard = 0;
  #presence: Set<number> | null = null;
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #probe: ReturnType<typeof setInterval> | null = null;
  #state: ConnectionState = {
    save: 'loading',
    unsaved: 0,
    savedAt: null,
    synced: false,
    composing: false,
    fallback: false,
    blocked: false,
  };

  constructor(id: string, options: ConnectionOptions) {
    this.#id = id;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#route = options.route ?? wayFromHere;
    this.doc.on('update', this.#onUpdate);
    this.awareness.on('update', this.#onAwareness);
    if (typeof window !== 'undefined') {
      window.addEventListener('beforeunload', this.#onUnload);
      window.addEventListener('online', this.#onOnline);
    }
    void this.#connect();
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** For useSyncExternalStore. */
  readonly state = (): ConnectionState => this.#state;

  /** Whether edits are accepted; a reader's document must not be changed. */
  get writable(): boolean {
    return this.#writable && !this.#dead;
  }

  /** Whether something typed here is not yet safe on the server. */
  get dirty(): boolean {
    return !this.#dead && (this.#pending.length > 0 || this.#state.composing);
  }

  /** Nobody here looks at it any more; the document itself may stay open. */
  leave(): void {
    if (!this.#dead) removeAwarenessStates(this.awareness, [this.doc.clientID], 'leave');
  }

  /** A composition opened or closed in one of the boxes. */
  setComposing(composing: boolean): void {
    this.#change({ composing });
  }

  /** Says where this person is. Only places: the server adds the name. */
  setPresence(presence: Record<string, unknown>): void {
    if (this.#dead) return;
    this.awareness.setLocalState({ ...(this.awareness.getLocalState() ?? {}), ...presence });
  }

  /** Leaves the document. Unsaved edits are sent as far as the socket still takes them. */
  destroy(): void {
    if (!this.#dead) removeAwarenessStates(this.awareness, [this.doc.clientID], 'leave');
    this.#stop();
    this.doc.destroy();
  }

  #stop(): void {
    this.#dead = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (this.#probe) clearInterval(this.#probe);
    this.doc.off('update', this.#onUpdate);
    this.awareness.off('update', this.#onAwareness);
    this.awareness.destroy();
    if (typeof window !== 'undefined') {
      window.removeEventListener('beforeunload', this.#onUnload);
      window.removeEventListener('online', this.#onOnline);
    }
    const sockets = [this.#socket, this.#trial];
    this.#socket = this.#trial = null;
    for (const socket of sockets) if (socket) discard(socket);
  }

  #later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  #change(change: Partial<ConnectionState>): void {
    const next = { ...this.#state, ...change };
    const paths = new Set(this.#pending.flatMap((pending) => pending.paths));
    next.unsaved = paths.size;
    if (this.#dead) next.save = 'stopped';
    else if (!this.#open) next.save = next.synced || this.#attempts > 0 ? 'offline' : 'loading';
    else if (!next.synced) next.save = 'loading';
    else if (this.#pending.length === 0) next.save = 'saved';
    else if (change.save === 'unsaved' || this.#state.save === 'unsaved') next.save = 'unsaved';
    else next.save = 'saving';
    const keys = Object.keys(next) as (keyof ConnectionState)[];
    if (keys.every((key) => next[key] === this.#state[key])) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  }

  // ── connecting ────────────────────────────────────────────────────────────

  async #connect(): Promise<void> {
    if (this.#dead || this.#socket) return;
    const access = await this.#options
      .access()
      .catch((): AccessAnswer => ({ kind: 'unreachable' }));
    // Things may have happened meanwhile.
    if (this.#dead || this.#socket) return;
    if (access.kind === 'denied') return this.#refuse(PERMISSION, '');
    if (access.kind === 'masked') return this.#refuse(MASKED, '');
    if (access.kind === 'unreachable') return this.#retry();
    if (this.#epoch !== null && access.epoch !== this.#epoch) return this.#refuse(GONE, '');
    this.#epoch = access.epoch;
    this.#writable = access.writable;
    this.#dial();
  }

  #dial(): void {
    if (this.#route.avoidsSocket) this.#turn += 1;
    if (this.#turn % SOCKET_EVERY === 0) this.#use('socket', this.#openSocket());
    else this.#use('channel', this.#openChannel());
  }

  #openSocket(): Socket {
    // With its epoch a copy from before an erasure is refused even when it is overtaken right now.
    const epoch = this.#epoch === null ? '' : `&epoch=${this.#epoch}`;
    const url = appUrl(`api/collab/${encodeURIComponent(this.#id)}?acks=1${epoch}`);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const open = this.#options.socket ?? ((address: string): Socket => new WebSocket(address));
    return open(url.href);
  }

  #openChannel(): Socket {
    const open =
      this.#options.channel ??
      ((id: string, epoch: number | null): Socket =>
        new Channel(id, { route: this.#route, epoch, random: this.#random, now: this.#now }));
    return open(this.#id, this.#epoch);
  }

  /** Lets a socket carry the frames from now on. */
  #use(way: Way, socket: Socket): void {
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#way = way;
    let heard = false;
    const ended = (code: number, reason: string) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#open = false;
      discard(socket);
      if (!heard && code < 4400) this.#wasMute(way);
      // 4400 + code is for good; 4500 + code asks to come back later.
      const refused = code - 4400;
      if (refused >= 1 && refused <= 9) this.#refuse(refused, reason);
      else this.#lost();
    };
    socket.onopen = () => this.#onOpen();
    socket.onmessage = (event: MessageEvent) => {
      if (!(event.data instanceof ArrayBuffer)) return;
      if (!heard) {
        heard = true;
        this.#works(way);
      }
      this.#receive(new Uint8Array(event.data));
    };
    socket.onclose = (event: CloseEvent) => ended(event.code, event.reason);
    socket.onerror = () => undefined;
    // Who swallows frames may swallow the closing too: it is not waited for.
    this.#drop = () => ended(1006, '');
    this.#later(HEARD_WITHIN[way], () => {
      if (!heard) ended(1006, '');
    });
  }

  /** A first frame came this way. */
  #works(way: Way): void {
    this.#mute = { socket: 0, channel: 0 };
    this.#turn = 0;
    if (way === 'socket') this.#route.socketWorks();
    else this.#trySocketLater();
    this.#change({ fallback: way === 'channel', blocked: false });
  }

  #wasMute(way: Way): void {
    this.#mute[way] += 1;
    if (way === 'socket' && this.#mute.socket >= BLOCKED_AFTER) {
      if (!this.#route.avoidsSocket) this.#attempts = 0;
      this.#route.socketFails(this.#now());
    }
  }

  #trySocketLater(): void {
    if (this.#trialDue) return;
    this.#trialDue = true;
    this.#later(this.#route.nextAttempt(this.#now(), this.#random), () => {
      this.#trialDue = false;
      // Another document of this page may have found out meanwhile.
      if (this.#route.nextAttempt(this.#now(), () => 0) > 0) this.#trySocketLater();
      else this.#trySocket();
    });
  }

  /** The gateway may be another one by now: looks for a WebSocket while the channel goes on. */
  #trySocket(): void {
    if (this.#dead || this.#way !== 'channel' || !this.#open || this.#trial) return;
    const trial = this.#openSocket();
    trial.binaryType = 'arraybuffer';
    this.#trial = trial;
    const over = (works: boolean) => {
      if (this.#trial !== trial) return;
      this.#trial = null;
      if (!works || this.#way !== 'channel' || !this.#open) {
        discard(trial);
        if (works) return;
        this.#route.socketFails(this.#now());
        this.#trySocketLater();
        return;
      }
      const channel = this.#socket;
      this.#use('socket', trial);
      this.#works('socket');
      this.#onOpen();
      // What it still carries arrives twice, which changes nothing.
      if (channel) discard(channel);
    };
    trial.onopen = () =>
      trial.send(frames.barrier((this.#barrier += 1)) as Uint8Array<ArrayBuffer>);
    trial.onmessage = () => over(true);
    trial.onclose = () => over(false);
    trial.onerror = () => undefined;
    this.#later(HEARD_WITHIN.socket, () => over(false));
  }

  #onOpen(): void {
    this.#open = true;
    this.#lastHeard = this.#now();
    // Nothing sent on the former socket counts: its acknowledgement can no longer come.
    for (const pending of this.#pending) pending.barrier = null;
    // Answered at once, however large the document is: says whether frames get through at all.
    this.#send(frames.barrier((this.#barrier += 1)));
    this.#send(frames.step1(Y.encodeStateVector(this.doc)));
    this.#flush();
    this.#sendPresence(new Set([this.doc.clientID]));
    if (this.#probe) clearInterval(this.#probe);
    this.#probe = setInterval(() => this.#checkAlive(), PROBE_EVERY / 2);
    this.#change({});
  }

  #lost(): void {
    const others = [...this.awareness.getStates().keys()].filter(
      (client) => client !== this.doc.clientID,
    );
    removeAwarenessStates(this.awareness, others, 'lost');
    this.#retry();
  }

  #retry(): void {
    this.#attempts += 1;
    this.#change({
      blocked: this.#route.avoidsSocket && this.#mute.channel >= BLOCKED_AFTER,
    });
    // Full jitter: after a restart of the server not everybody knocks at once.
    const ceiling = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** Math.min(this.#attempts, 8));
    this.#later(RETRY_FIRST / 2 + this.#random() * ceiling, () => void this.#connect());
  }

  readonly #onOnline = () => {
    if (!this.#socket) void this.#connect();
  };

  #checkAlive(): void {
    // A channel notices by itself: its requests fail.
    if (!this.#socket || !this.#open || this.#way === 'channel') return;
    const silent = this.#now() - this.#lastHeard;
    if (silent > PROBE_EVERY + PROBE_ANSWER) this.#drop?.();
    else if (silent > PROBE_EVERY) this.#send(frames.barrier((this.#barrier += 1)));
  }

  // ── sending ───────────────────────────────────────────────────────────────

  #send(frame: Uint8Array): void {
    if (this.#socket && this.#open) this.#socket.send(frame as Uint8Array<ArrayBuffer>);
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown, _doc: Y.Doc, by: Y.Transaction) => {
    if (origin === this || this.#dead) return;
    this.#pending.push({ update, paths: changedPaths(by), barrier: null });
    this.#flush();
    this.#change({});
  };

  /** Sends what was not sent on this socket, and asks to be told when it is durable. */
  #flush(): void {
    const unsent = this.#pending.filter((pending) => pending.barrier === null);
    if (!this.#open || unsent.length === 0) return;
    this.#barrier += 1;
    const number = this.#barrier;
    const only = unsent[0];
    this.#send(
      frames.update(
        unsent.length === 1 && only
          ? only.update
          : Y.mergeUpdates(unsent.map((pending) => pending.update)),
      ),
    );
    this.#send(frames.barrier(number));
    for (const pending of unsent) pending.barrier = number;
    this.#later(LATE, () => {
      if (this.#acknowledged < number && this.#pending.length > 0)
        this.#change({ save: 'unsaved' });
    });
  }

  readonly #onAwareness = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ) => {
    if (origin === this) return;
    // Only our own state is ours to announce.
    if (![...added, ...updated, ...removed].includes(this.doc.clientID)) return;
    if (origin === 'leave') {
      this.#sendPresence(new Set([this.doc.clientID]));
      return;
    }
    if (this.#presence) return;
    this.#presence = new Set([this.doc.clientID]);
    this.#later(PRESENCE_EVERY, () => {
      const clients = this.#presence;
      this.#presence = null;
      if (clients) this.#sendPresence(clients);
    });
  };

  #sendPresence(clients: Set<number>): void {
    if (!this.awareness.meta.has(this.doc.clientID)) return;
    this.#send(frames.awareness(encodeAwarenessUpdate(this.awareness, [...clients])));
  }

  // ── receiving ─────────────────────────────────────────────────────────────

  #receive(bytes: Uint8Array): void {
    this.#lastHeard = this.#now();
    let frame: frames.Incoming;
    try {
      frame = frames.readFrame(bytes);
    } catch {
      // Cut off on the way: start over rather than guess.
      this.#socket?.close();
      return;
    }
    switch (frame.kind) {
      case 'step1':
        // Our own edits are resent by #flush; the state of others is not ours to send.
        return;
      case 'step2':
        Y.applyUpdate(this.doc, frame.update, this);
        this.#attempts = 0;
        this.#change({ synced: true, damaged: false });
        return;
      case 'update':
        Y.applyUpdate(this.doc, frame.update, this);
        return;
      case 'awareness':
        applyAwarenessUpdate(this.awareness, frame.update, this);
        return;
      case 'queryAwareness':
        this.#sendPresence(new Set([this.doc.clientID]));
        return;
      case 'barrier':
        this.#acknowledge(frame.number);
        return;
      case 'refusal':
        // Both are for a time only: the copy is kept and comes back later.
        if (frame.code === DAMAGED) this.#change({ damaged: true });
        if (frame.code === OVERLOADED || frame.code === DAMAGED) this.#socket?.close();
        else this.#refuse(frame.code, frame.reason);
        return;
      case 'unknown':
        return;
    }
  }

  #acknowledge(number: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, number);
    const before = this.#pending.length;
    this.#pending = this.#pending.filter(
      (pending) => pending.barrier === null || pending.barrier > number,
    );
    if (before !== this.#pending.length)
      this.#change(this.#pending.length === 0 ? { savedAt: this.#now() } : {});
  }

  #refuse(code: number, reason: string): void {
    if (this.#dead) return;
    const paths = new Set(this.#pending.flatMap((pending) => pending.paths));
    const unsent: UnsentText[] = [];
    for (const path of paths) {
      const text = textAt(this.doc, path);
      if (text !== null && text !== '') unsent.push({ path, text });
    }
    this.#stop();
    this.#change({});
    this.#options.onRefused({ code, reason, unsent });
  }

  readonly #onUnload = (event: BeforeUnloadEvent) => {
    if (this.#pending.length > 0 || this.#state.composing) event.preventDefault();
  };
}

/** Closes a socket that nobody listens to any more. */
function discard(socket: Socket): void {
  socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
  socket.close();
}

/** Paths of what a transaction changed: field ids, without the root's name when it is `fields`. */
function changedPaths(transaction: Y.Transaction): string[] {
  const paths: string[] = [];
  for (const [type, keys] of transaction.changed) {
    const path = pathOf(type);
    if (path === null) continue;
    if (type instanceof Y.Map)
      for (const key of keys) paths.push(path === '' ? String(key) : `${path}/${String(key)}`);
    else paths.push(path);
  }
  return paths;
}

/** `summary`, `table/row/column`, `nodes/id`, `content`; null when the type was deleted. */
export function pathOf(type: SharedType): string | null {
  const parts: string[] = [];
  let current: SharedType | null = type;
  while (current) {
    const item: Y.Item | null = current._item;
    if (!item) break;
    if (item.deleted || item.parentSub === null) return null;
    parts.unshift(item.parentSub);
    current = item.parent as SharedType | null;
  }
  for (const [name, root] of type.doc?.share ?? [])
    if (root === current && name !== 'fields') parts.unshift(name);
  return parts.join('/');
}

/** The text or plain value at a path, for offering it to be copied. */
function textAt(doc: Y.Doc, path: string): string | null {
  const parts = path.split('/');
  const first = parts[0] ?? '';
  let value: unknown = doc.share.has(first) ? doc.share.get(first) : doc.getMap('fields');
  for (const part of doc.share.has(first) ? parts.slice(1) : parts) {
    if (!(value instanceof Y.Map)) return null;
    value = value.get(part);
  }
  if (value instanceof Y.Text) return value.toString();
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  return null;
}
