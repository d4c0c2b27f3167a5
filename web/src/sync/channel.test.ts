import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Channel } from './channel';
import { Route } from './route';

type Bytes = Uint8Array<ArrayBuffer>;

const bytes = (...values: number[]): Bytes => new Uint8Array(values);

/** One stream of events as a client reads it. */
interface Stream {
  after: number;
  say: (text: string) => void;
  cut: () => void;
  open: boolean;
}

/** Plays the server's side of a channel. */
class FakeServer {
  /** Frames as they were taken, each once. */
  readonly got: Bytes[] = [];
  readonly requests: {
    method: string;
    path: string;
    query: URLSearchParams;
    keepalive: boolean;
  }[] = [];
  readonly streams: Stream[] = [];
  kept: { number: number; frame: Bytes }[] = [];
  last = 0;
  end: number | null = null;
  /** What happens to the next posts: lost on the way there or back. */
  losses: ('there' | 'back')[] = [];
  /** Answer of every request but the first. */
  status = 200;
  /** Nothing of a stream arrives, or nothing but its first event. */
  holds: 'all' | 'frames' | null = null;
  /** What something on the way makes of a stream. */
  instead: 'page' | 'nothing' | null = null;
  #waiting: (() => void)[] = [];

  say(...values: number[]) {
    this.last += 1;
    this.kept.push({ number: this.last, frame: bytes(...values) });
    for (const stream of this.streams) this.#tell(stream);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  finish(code: number) {
    this.end = code;
    for (const stream of this.streams) if (stream.open) stream.say(`event: end\ndata: ${code}\n\n`);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  count(method: string, path: string): number {
    return this.requests.filter((one) => one.method === method && one.path === path).length;
  }

  #tell(stream: Stream) {
    for (const { number, frame } of this.kept) {
      if (number <= stream.after || !stream.open || this.holds) continue;
      stream.after = number;
      stream.say(`id: ${number}\ndata: ${btoa(String.fromCharCode(...frame))}\n\n`);
    }
  }

  readonly fetch = async (input: URL | RequestInfo, init: RequestInit = {}): Promise<Response> => {
    const url = input as URL;
    const path = url.pathname.replace(/^.*\/documents\/d1\/channels/, '');
    const method = init.method ?? 'GET';
    this.requests.push({
      method,
      path,
      query: url.searchParams,
      keepalive: init.keepalive ?? false,
    });
    const signal = init.signal!;
    if (path === '' && method === 'POST') return answer(201, text('{"id":"c1"}'));
    if (this.status !== 200) return answer(this.status, bytes());
    const after = Number(url.searchParams.get('after') ?? 0);
    this.kept = this.kept.filter(({ number }) => number > after);
    if (path === '/c1/events') return this.#events(after, signal);
    if (path === '/c1' && method === 'DELETE') return answer(204, bytes());
    if (method === 'GET') return this.#wait(Number(url.searchParams.get('wait')), signal);
    const loss = this.losses.shift();
    await new Promise((done) => setTimeout(done, 10));
    if (signal.aborted || loss === 'there') throw new TypeError('network');
    const body = init.body as Bytes;
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    let number = Number(url.searchParams.get('first'));
    for (let at = 0; at < body.length; number += 1) {
      const length = view.getUint32(at);
      if (number === this.got.length + 1) this.got.push(body.slice(at + 4, at + 4 + length));
      at += 4 + length;
    }
    if (loss === 'back') throw new TypeError('network');
    return answer(200, text(JSON.stringify({ received: this.got.length, newest: this.last })));
  };

  #events(after: number, signal: AbortSignal): Promise<Response> {
    return new Promise((done, fail) => {
      const aborted = () => fail(new DOMException('stopped', 'AbortError'));
      signal.addEventListener('abort', aborted);
      if (this.instead === 'page') done(answer(403, text('<html>')));
      if (this.holds === 'all' || this.instead === 'page') return;
      const body = new ReadableStream<Uint8Array>({
        start: (to) => {
          const stream: Stream = {
            after,
            open: true,
            say: (words) => to.enqueue(text(words)),
            cut: () => {
              stream.open = false;
              to.error(new TypeError('network'));
            },
          };
          signal.addEventListener('abort', () => {
            if (stream.open) stream.cut();
          });
          this.streams.push(stream);
          stream.say('event: open\ndata: \n\n');
          if (this.instead === 'nothing') {
            stream.open = false;
            to.close();
          }
          this.#tell(stream);
        },
      });
      done(answer(200, bytes(), body));
    });
  }

  async #wait(seconds: number, signal: AbortSignal): Promise<Response> {
    if (this.kept.length === 0 && this.end === null)
      await new Promise<void>((done, fail) => {
        this.#waiting.push(done);
        setTimeout(done, seconds * 1_000);
        signal.addEventListener('abort', () => fail(new DOMException('stopped', 'AbortError')));
      });
    const parts = this.kept.map(({ number, frame }) => record(number, frame));
    if (this.end !== null) parts.push(record(this.end, bytes()));
    return answer(200, bytes(...parts.flatMap((part) => [...part])));
  }
}

function record(number: number, frame: Bytes): Bytes {
  const out = new Uint8Array(12 + frame.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, frame.length);
  view.setBigUint64(4, BigInt(number));
  out.set(frame, 12);
  return out;
}

function text(words: string): Bytes {
  return new TextEncoder().encode(words);
}

function answer(status: number, body: Bytes, stream: ReadableStream | null = null): Response {
  return {
    status,
    ok: status < 300,
    headers: new Headers(stream ? { 'Content-Type': 'text/event-stream' } : {}),
    body: stream,
    arrayBuffer: () => Promise.resolve(body.slice().buffer),
  } as unknown as Response;
}

function setUp(server = new FakeServer(), route = new Route()) {
  const heard: number[][] = [];
  const closed: number[] = [];
  const channel = new Channel('d1', { route, fetch: server.fetch, random: () => 0 });
  channel.onmessage = (event) => heard.push([...new Uint8Array(event.data as ArrayBuffer)]);
  channel.onclose = (event) => closed.push(event.code);
  return { server, route, channel, heard, closed, pass: vi.advanceTimersByTimeAsync.bind(vi) };
}

function show(state: 'visible' | 'hidden') {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  document.dispatchEvent(new Event('visibilitychange'));
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('Channel', () => {
  it('says which copy it is for', async () => {
    const server = new FakeServer();
    new Channel('d1', { route: new Route(), fetch: server.fetch, epoch: 3 }).close();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.requests[0]!.query.get('epoch')).toBe('3');
    const other = setUp();
    await other.pass(0);
    expect(other.server.requests[0]!.query.has('epoch')).toBe(false);
    other.channel.close();
  });

  it('sends what gathers during a request with the next one, in order', async () => {
    const s = setUp();
    let opened = 0;
    s.channel.onopen = () => (opened += 1);
    s.channel.send(bytes(1));
    expect(s.channel.readyState).toBe(0);
    await s.pass(0);
    expect([opened, s.channel.readyState]).toEqual([1, 1]);
    s.channel.send(bytes(2));
    s.channel.send(bytes());
    s.channel.send(bytes(4, 4));
    await s.pass(100);
    expect(s.server.got).toEqual([bytes(1), bytes(2), bytes(), bytes(4, 4)]);
    expect(s.server.count('POST', '/c1/frames')).toBe(2);
    s.channel.close();
  });

  it('sends again what got no answer, under the same numbers', async () => {
    const s = setUp();
    await s.pass(0);
    s.server.losses = ['back', 'there', 'back'];
    for (const value of [1, 2, 3]) {
      s.channel.send(bytes(value));
      await s.pass(700);
    }
    await s.pass(5_000);
    expect(s.server.got).toEqual([bytes(1), bytes(2), bytes(3)]);
    expect(s.closed).toEqual([]);
    s.channel.close();
  });

  it('counts as lost when no request gets through any more', async () => {
    const s = setUp();
    await s.pass(0);
    s.server.losses = Array.from({ length: 20 }, () => 'there');
    s.channel.send(bytes(1));
    await s.pass(20_000);
    expect(s.closed).toEqual([1006]);
  });

  it('hears frames as events, goes on where a stream was cut, and confirms', async () => {
    const s = setUp();
    await s.pass(0);
    s.server.say(7);
    s.server.say(8, 8);
    await s.pass(0);
    expect(s.heard).toEqual([[7], [8, 8]]);
    s.server.streams[0]!.cut();
    s.server.say(9);
    await s.pass(700);
    expect(s.heard).toEqual([[7], [8, 8], [9]]);
    expect(
      s.server.requests.filter(({ path }) => path === '/c1/events')[1]?.query.get('after'),
    ).toBe('2');
    await s.pass(1_500);
    expect(s.server.kept).toEqual([]);
    // A whole sentence in pieces of the network's making.
    for (const piece of ['id: 4\nda', 'ta: AQ==\n', '\n: \n', '\n'])
      s.server.streams[1]!.say(piece);
    await s.pass(0);
    expect(s.heard.at(-1)).toEqual([1]);
    s.channel.close();
  });

  it('asks instead where streams are held back, and the next one need not find out', async () => {
    const s = setUp();
    s.server.holds = 'all';
    await s.pass(0);
    s.server.say(5);
    await s.pass(3_900);
    expect(s.heard).toEqual([]);
    await s.pass(200);
    expect(s.heard).toEqual([[5]]);
    s.server.say(6);
    await s.pass(0);
    expect(s.heard).toEqual([[5], [6]]);
    await s.pass(60_000);
    expect(s.closed).toEqual([]);
    s.channel.close();
    const next = setUp(new FakeServer(), s.route);
    next.server.holds = 'all';
    await next.pass(0);
    next.server.say(1);
    await next.pass(0);
    expect(next.heard).toEqual([[1]]);
    next.channel.close();
  });

  it.each(['page', 'nothing'] as const)('asks when a stream becomes a %s', async (instead) => {
    const s = setUp();
    s.server.instead = instead;
    await s.pass(0);
    s.server.say(5);
    await s.pass(1_000);
    expect(s.heard).toEqual([[5]]);
    expect(s.server.count('GET', '/c1/events')).toBe(1);
    expect(s.closed).toEqual([]);
    s.channel.close();
  });

  it('notices a stream of which only the beginning arrives', async () => {
    const s = setUp();
    s.server.holds = 'frames';
    await s.pass(0);
    await s.pass(10_000);
    s.server.say(5);
    s.channel.send(bytes(1));
    await s.pass(3_500);
    expect(s.heard).toEqual([[5]]);
    expect(s.route.heldBack).toBe(true);
    s.channel.close();
  });

  it('waits less where a proxy cuts waiting requests', async () => {
    const s = setUp();
    s.route.heldBack = true;
    await s.pass(0);
    const plain = s.server.fetch;
    const impatient = vi.fn<typeof fetch>((input, init) =>
      Number((input as URL).searchParams.get('wait')) > 10
        ? new Promise((_, fail) => setTimeout(() => fail(new TypeError('cut')), 10_000))
        : plain(input, init),
    );
    const t = new Channel('d1', { route: s.route, fetch: impatient, random: () => 0 });
    const closed = vi.fn();
    t.onclose = closed;
    await s.pass(90_000);
    expect(closed).not.toHaveBeenCalled();
    const waits = impatient.mock.calls.map(([input]) => (input as URL).searchParams.get('wait'));
    expect(waits.filter((wait) => wait !== null).slice(0, 4)).toEqual(['25', '12', '6', '6']);
    t.close();
    s.channel.close();
  });

  it('keeps itself alive by the heartbeats it hears', async () => {
    const s = setUp();
    await s.pass(0);
    for (let i = 0; i < 6; i += 1) {
      await s.pass(15_000);
      s.server.streams[0]!.say(':\n\n');
    }
    await s.pass(100);
    expect(s.server.count('POST', '/c1/frames')).toBeGreaterThanOrEqual(2);
    expect(s.server.streams).toHaveLength(1);
    // And a stream that fell silent is opened again.
    await s.pass(45_000);
    expect(s.server.streams).toHaveLength(2);
    expect(s.closed).toEqual([]);
    s.channel.close();
  });

  it.each([false, true])('passes the last words and the code on (held back: %s)', async (held) => {
    const s = setUp();
    s.route.heldBack = held;
    await s.pass(0);
    s.server.say(101, 3, 0);
    s.server.finish(4403);
    await s.pass(10);
    expect(s.heard).toEqual([[101, 3, 0]]);
    expect(s.closed).toEqual([4403]);
    const before = s.server.requests.length;
    s.channel.send(bytes(1));
    s.channel.close();
    await s.pass(60_000);
    expect(s.server.requests).toHaveLength(before);
  });

  it('leaves time to hear why a request was refused', async () => {
    const s = setUp();
    await s.pass(0);
    s.server.status = 410;
    s.channel.send(bytes(1));
    s.channel.send(bytes(2));
    await s.pass(1_000);
    expect(s.closed).toEqual([]);
    expect(s.server.count('POST', '/c1/frames')).toBe(1);
    await s.pass(3_000);
    expect(s.closed).toEqual([1006]);
  });

  it('closes when the server knows nothing of it', async () => {
    const s = setUp();
    await s.pass(0);
    s.server.status = 404;
    s.channel.send(bytes(1));
    await s.pass(100);
    expect(s.closed).toEqual([1006]);
  });

  it('says what is left and goodbye, also when the page goes', async () => {
    const s = setUp();
    await s.pass(0);
    s.channel.send(bytes(1));
    s.channel.send(bytes(2));
    window.dispatchEvent(new Event('pagehide'));
    expect(s.closed).toEqual([1000]);
    await s.pass(100);
    expect(s.server.got).toEqual([bytes(1), bytes(2)]);
    const last = s.server.requests.at(-1);
    expect(last).toMatchObject({ method: 'DELETE', path: '/c1', keepalive: true });
    // Closed before it was open.
    const early = setUp();
    early.channel.close();
    await early.pass(0);
    expect(early.server.count('DELETE', '/c1')).toBe(1);
  });

  it('holds no connection while nobody looks', async () => {
    const s = setUp();
    await s.pass(0);
    expect(s.server.streams[0]!.open).toBe(true);
    show('hidden');
    await s.pass(0);
    expect(s.server.streams[0]!.open).toBe(false);
    s.server.say(3);
    await s.pass(7_000);
    expect(s.heard).toEqual([[3]]);
    await s.pass(60_000);
    expect(s.server.streams).toHaveLength(1);
    show('visible');
    await s.pass(2_000);
    expect(s.server.streams).toHaveLength(2);
    expect(s.closed).toEqual([]);
    s.channel.close();
  });
});
