import { appUrl, tellIfLost } from '../api/client';
import type { Socket } from './connection';
import type { Route } from './route';

/** An answer begins within this time, and is complete within this, ms. */
const ANSWER_WITHIN = 15_000;
const BODY_WITHIN = 120_000;
/** What a slow line carries up, bytes per ms. */
const SLOWEST = 10;
/** The first event comes at once unless something on the way holds it back, ms. */
const FIRST_EVENT = 4_000;
/** A frame that the server has sent is on its way at most this long, ms. */
const ON_THE_WAY = 3_000;
/** A stream that is over so soon without a frame is no stream, ms. */
const SHORT = 1_000;
/** The server says something at least every 15 s, ms. */
const SILENCE = 40_000;
/** How long a request waits at the server for something to say: at first, and at least, s. */
const WAIT = 25;
const WAIT_LEAST = 5;
/** Without a request for longer than a minute the server ends the channel, ms. */
const ASK_EVERY = 20_000;
/** A page in the background looks this often and holds no connection meanwhile, ms. */
const BACKGROUND = 5_000;
/** Frames that arrived are confirmed after this long, or at once when there are many, ms. */
const CONFIRM = 1_000;
const CONFIRM_FRAMES = 64;
/** One request carries so much, unless a single frame is larger, bytes. */
const BATCH = 256 << 10;
/** What a request of a closing page may carry, bytes (the Fetch standard's limit is 64 KiB). */
const FAREWELL = 60 << 10;
/** Attempts at a request before the line counts as lost, and the first pause between them, ms. */
const ATTEMPTS = 5;
const PAUSE = 300;
/** How long a refusal may take to arrive after a request was refused, ms. */
const REASON = 3_000;

/** As `WebSocket.readyState`. */
const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

/** Abnormal closure, as a WebSocket calls it. */
const LOST = 1006;

/** The channel is not there any more. */
class Gone extends Error {}

/** The server's own ways to say so: not signed in, not there, read by another request. */
const GONE = [401, 404, 409];

/** A whole answer. */
interface Answer {
  status: number;
  ok: boolean;
  body: ArrayBuffer;
}

/** Seams of a channel. */
export interface ChannelOptions {
  route: Route;
  /** Of the copy that is held: the server refuses one from before an erasure. */
  epoch?: number | null;
  fetch?: typeof fetch;
  random?: () => number;
  now?: () => number;
}

/**
 * A socket over plain HTTP, for networks that let no WebSocket through. Frames go up in requests,
 * one at a time, and come down as a stream of server-sent events; where something holds streams
 * back, requests wait at the server instead. Frames are numbered in both directions, so that what
 * is sent again counts once and nothing is left out.
 */
export class Channel implements Socket {
  binaryType = 'arraybuffer';
  readyState = CONNECTING;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  readonly #address: string;
  readonly #epoch: number | null;
  readonly #route: Route;
  readonly #fetch: typeof fetch;
  readonly #random: () => number;
  readonly #now: () => number;
  /** Ends everything that waits. */
  readonly #over = new AbortController();
  #id: string | null = null;
  /** Not known to have arrived; the first of them has the number `#first`. */
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #first = 1;
  #posting = false;
  /** Number of the last frame that arrived, and of the last one the server knows that of. */
  #last = 0;
  #confirmed = 0;
  #confirming: ReturnType<typeof setTimeout> | null = null;
  #confirmNow = false;
  #asked: number;
  #wait = WAIT;
  /** The stream being read, to be given up; and when it last said anything. */
  #stream: AbortController | null = null;
  #heard = 0;
  #wake: (() => void) | null = null;

  constructor(documentId: string, options: ChannelOptions) {
    this.#address = `api/v1/documents/${encodeURIComponent(documentId)}/channels`;
    this.#route = options.route;
    this.#epoch = options.epoch ?? null;
    this.#fetch = options.fetch ?? ((...call) => fetch(...call));
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
    this.#asked = this.#now();
    document.addEventListener('visibilitychange', this.#onVisibility);
    window.addEventListener('pagehide', this.#onLeave);
    void this.#open();
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState === CLOSED) return;
    this.#queue.push(data);
    void this.#post();
  }

  close(): void {
    if (this.readyState === CLOSED) return;
    void this.#farewell();
    this.#end(1000);
  }

  // ── requests ──────────────────────────────────────────────────────────────

  /** Begins a request; closing the channel ends it too. */
  async #begin(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    query: Record<string, number>,
    init: RequestInit,
  ): Promise<Response> {
    const url = appUrl(this.#address + path);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, String(value));
    const headers: Record<string, string> = method === 'GET' ? {} : { 'X-Musubi': '1' };
    if (init.body) headers['Content-Type'] = 'application/octet-stream';
    this.#asked = this.#now();
    const answer = await this.#fetch(url, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      ...init,
    });
    tellIfLost(answer.status);
    return answer;
  }

  /** A request with its whole answer. One that `outlives` the channel is not ended with it. */
  async #ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    {
      query = {},
      body = null,
      within = ANSWER_WITHIN,
      outlives = false,
    }: {
      query?: Record<string, number>;
      body?: Uint8Array<ArrayBuffer> | null;
      within?: number;
      outlives?: boolean;
    } = {},
  ): Promise<Answer> {
    const stop = new AbortController();
    const abort = () => stop.abort();
    if (!outlives) this.#over.signal.addEventListener('abort', abort);
    let timer = setTimeout(abort, within + (body?.length ?? 0) / SLOWEST);
    try {
      const keepalive = outlives && (body?.length ?? 0) <= FAREWELL;
      const answer = await this.#begin(method, path, query, {
        body,
        keepalive,
        signal: stop.signal,
      });
      clearTimeout(timer);
      timer = setTimeout(abort, BODY_WITHIN);
      return { status: answer.status, ok: answer.ok, body: await answer.arrayBuffer() };
    } finally {
      clearTimeout(timer);
      this.#over.signal.removeEventListener('abort', abort);
    }
  }

  async #open(): Promise<void> {
    try {
      const query: Record<string, number> = this.#epoch === null ? {} : { epoch: this.#epoch };
      const answer = await this.#ask('POST', '', { query, outlives: true });
      if (!answer.ok) throw new Gone();
      this.#id = (jsonOf(answer) as { id: string }).id;
    } catch {
      this.#end(LOST);
      return;
    }
    if (this.readyState === CLOSED) {
      // Closed before it was open.
      await this.#farewell();
      return;
    }
    this.readyState = OPEN;
    this.onopen?.(new Event('open'));
    void this.#post();
    void this.#read();
  }

  /** What is still to be said, in requests that outlive the page. */
  async #farewell(): Promise<void> {
    if (this.#id === null) return;
    const path = `/${this.#id}`;
    const body = bodyOf(this.#queue);
    const query = { first: this.#first };
    try {
      if (body.length > 0)
        await this.#ask('POST', `${path}/frames`, { query, body, outlives: true });
      await this.#ask('DELETE', path, { outlives: true });
    } catch {
      // The server ends the channel by itself.
    }
  }

  #end(code: number): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    document.removeEventListener('visibilitychange', this.#onVisibility);
    window.removeEventListener('pagehide', this.#onLeave);
    if (this.#confirming) clearTimeout(this.#confirming);
    this.#over.abort();
    this.#wake?.();
    this.onclose?.(new CloseEvent('close', { code }));
  }

  /** Waits, unless there is a reason to go on. */
  async #rest(ms: number): Promise<void> {
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.#wake = null;
  }

  #pause(failures: number): Promise<void> {
    return this.#rest(PAUSE * 2 ** failures * (0.5 + this.#random()));
  }

  readonly #onVisibility = () => {
    // Seen: at once. Not seen: a browser has few connections, and they are for the page in front.
    this.#stream?.abort();
    this.#wake?.();
  };

  readonly #onLeave = () => this.close();

  // ── up ────────────────────────────────────────────────────────────────────

  /** Sends what is waiting, one request at a time; what is added meanwhile goes with the next. */
  async #post(): Promise<void> {
    if (this.#posting || this.readyState !== OPEN) return;
    this.#posting = true;
    let failures = 0;
    while (this.readyState === OPEN && (this.#queue.length > 0 || this.#confirmNow)) {
      const batch = batchOf(this.#queue);
      const after = this.#last;
      this.#confirmNow = false;
      let status = 0;
      let done: { received: number; newest: number } | null = null;
      try {
        const answer = await this.#ask('POST', `/${this.#id}/frames`, {
          query: { first: this.#first, after },
          body: bodyOf(batch),
        });
        status = answer.status;
        if (answer.ok) done = jsonOf(answer) as { received: number; newest: number };
      } catch {
        // No answer, or a proxy's.
      }
      if (this.readyState !== OPEN) break;
      if (done) {
        failures = 0;
        this.#queue.splice(0, Math.max(0, done.received + 1 - this.#first));
        this.#first = Math.max(this.#first, done.received + 1);
        this.#confirmed = Math.max(this.#confirmed, after);
        this.#expect(done.newest);
        if (batch.length > 0 && hidden()) this.#wake?.();
        continue;
      }
      if ([400, 410, 413].includes(status)) {
        // The reason is among the frames.
        setTimeout(() => this.#end(LOST), REASON);
        return;
      }
      failures += 1;
      if ((status >= 400 && status < 500 && status !== 408) || failures >= ATTEMPTS)
        return this.#end(LOST);
      // Nobody knows whether it arrived: the same frames again, under the same numbers.
      this.#confirmNow = true;
      await new Promise((done) => setTimeout(done, PAUSE * 2 ** failures * (0.5 + this.#random())));
    }
    this.#posting = false;
  }

  /** The server has sent frame `number`: if it does not come, streams are held back. */
  #expect(number: number): void {
    const stream = this.#stream;
    if (!stream || number <= this.#last) return;
    setTimeout(() => {
      const moving = this.#now() - this.#heard < ON_THE_WAY;
      if (this.#stream !== stream || number <= this.#last || moving) return;
      this.#route.heldBack = true;
      stream.abort();
    }, ON_THE_WAY);
  }

  /** Says what arrived, so that the server need not keep it, and that somebody is here. */
  #confirm(): void {
    this.#confirmNow = true;
    void this.#post();
  }

  #confirmSoon(): void {
    if (this.#last - this.#confirmed >= CONFIRM_FRAMES) this.#confirm();
    else
      this.#confirming ??= setTimeout(() => {
        this.#confirming = null;
        if (this.#last > this.#confirmed) this.#confirm();
      }, CONFIRM);
  }

  // ── down ──────────────────────────────────────────────────────────────────

  async #read(): Promise<void> {
    let failures = 0;
    while (this.readyState === OPEN) {
      const before = this.#last;
      try {
        if (hidden()) {
          await this.#poll(1);
          if (this.readyState === OPEN) await this.#rest(BACKGROUND);
        } else if (this.#route.heldBack) await this.#poll(this.#wait);
        else await this.#follow();
        failures = 0;
      } catch (error) {
        if (this.readyState !== OPEN) return;
        failures = this.#last > before ? 1 : failures + 1;
        if (error instanceof Gone || failures >= ATTEMPTS) return this.#end(LOST);
        await this.#pause(failures);
      }
    }
  }

  #receive(number: number, frame: Uint8Array<ArrayBuffer>): void {
    if (number <= this.#last || this.readyState !== OPEN) return;
    this.#last = number;
    this.onmessage?.(new MessageEvent('message', { data: frame.buffer }));
  }

  /** Reads the stream until it ends; throws when it was lost. */
  async #follow(): Promise<void> {
    const stream = new AbortController();
    const abort = () => stream.abort();
    this.#over.signal.addEventListener('abort', abort);
    this.#stream = stream;
    const [started, before] = [this.#now(), this.#last];
    let silent = false;
    let timer = setTimeout(() => {
      this.#route.heldBack = true;
      stream.abort();
    }, FIRST_EVENT);
    const heard = () => {
      this.#heard = this.#now();
      clearTimeout(timer);
      timer = setTimeout(() => {
        silent = true;
        stream.abort();
      }, SILENCE);
    };
    try {
      const answer = await this.#begin(
        'GET',
        `/${this.#id}/events`,
        { after: this.#last },
        { signal: stream.signal },
      );
      if (GONE.includes(answer.status)) throw new Gone();
      if (!answer.body || !answer.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        // A page of something on the way.
        this.#route.heldBack = true;
        throw new Error(`status ${answer.status}`);
      }
      for await (const event of eventsOf(answer.body, heard)) {
        if (event.name === 'end') return this.#end(Number(event.data));
        if (event.name === 'message') {
          this.#receive(Number(event.id), bytesOf(event.data));
          this.#confirmSoon();
        } else if (this.#now() - this.#asked > ASK_EVERY) this.#confirm();
      }
      // A proxy's limit: the next one goes on where this one ended.
      if (this.#now() - started < SHORT && this.#last === before) this.#route.heldBack = true;
    } catch (error) {
      // Given up on purpose.
      if (stream.signal.aborted && !silent && this.readyState === OPEN) return;
      throw error;
    } finally {
      clearTimeout(timer);
      this.#over.signal.removeEventListener('abort', abort);
      this.#stream = null;
      stream.abort();
    }
  }

  /** Fetches what there is, waiting up to `wait` s for it. */
  async #poll(wait: number): Promise<void> {
    const started = this.#now();
    const after = this.#last;
    let body: ArrayBuffer;
    try {
      const answer = await this.#ask('GET', `/${this.#id}/frames`, {
        query: { after, wait },
        within: wait * 1_000 + ANSWER_WITHIN,
      });
      if (GONE.includes(answer.status)) throw new Gone();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      body = answer.body;
    } catch (error) {
      const shorter = Math.floor(wait / 2);
      // Cut off while it was waiting: a proxy has less patience than we thought.
      if (error instanceof Gone || shorter < WAIT_LEAST || this.#now() - started < 3_000)
        throw error;
      this.#wait = shorter;
      return;
    }
    this.#confirmed = Math.max(this.#confirmed, after);
    const view = new DataView(body);
    let at = 0;
    while (at + 12 <= body.byteLength) {
      const length = view.getUint32(at);
      const number = Number(view.getBigUint64(at + 4));
      at += 12;
      if (length === 0) return this.#end(number);
      if (at + length > body.byteLength) throw new Error('cut off');
      this.#receive(number, new Uint8Array(body.slice(at, at + length)));
      at += length;
    }
  }
}

function jsonOf(answer: Answer): unknown {
  return JSON.parse(new TextDecoder().decode(answer.body));
}

function hidden(): boolean {
  return document.visibilityState === 'hidden';
}

/** The first frames of the queue that fit into one request. */
function batchOf(queue: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[] {
  let size = 0;
  let count = 0;
  for (const frame of queue) {
    size += 4 + frame.length;
    if (count > 0 && size > BATCH) break;
    count += 1;
  }
  return queue.slice(0, count);
}

/** Length (4 bytes, most significant first) and frame, one after the other. */
function bodyOf(frames: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(frames.reduce((sum, frame) => sum + 4 + frame.length, 0));
  const view = new DataView(body.buffer);
  let at = 0;
  for (const frame of frames) {
    view.setUint32(at, frame.length);
    body.set(frame, at + 4);
    at += 4 + frame.length;
  }
  return body;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** One server-sent event; a comment, which keeps the line open, has the name `comment`. */
interface StreamEvent {
  name: string;
  id: string;
  data: string;
}

/** Server-sent events of a body, comments included; `heard` is called for whatever arrives. */
async function* eventsOf(
  body: ReadableStream<Uint8Array>,
  heard: () => void,
): AsyncGenerator<StreamEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      // A large event comes in many pieces: what was looked at is not looked at again.
      let from = Math.max(0, rest.length - 1);
      rest += decoder.decode(value, { stream: true });
      for (let at = rest.indexOf('\n\n', from); at >= 0; at = rest.indexOf('\n\n', from)) {
        yield eventOf(rest.slice(0, at));
        rest = rest.slice(at + 2);
        from = 0;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function eventOf(block: string): StreamEvent {
  const event: StreamEvent = { name: '', id: '', data: '' };
  for (const line of block.split('\n')) {
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event.name = value;
    else if (field === 'id') event.id = value;
    else if (field === 'data') event.data += value;
  }
  if (event.name === '') event.name = event.data === '' ? 'comment' : 'message';
  return event;
}
