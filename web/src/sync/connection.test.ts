import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness';
import * as Y from 'yjs';
import * as encoding from 'lib0/encoding';
import { DocumentConnection, type AccessAnswer, type Refusal, type Socket } from './connection';
import * as frames from './frames';
import { Route } from './route';

/** Plays one socket of the server over a document that survives reconnects. */
class FakeSocket implements Socket {
  binaryType = '';
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  readonly got: frames.Incoming[] = [];
  constructor(
    readonly server: Y.Doc,
    /** false: barriers are kept back until `acknowledge`. */
    public acks = true,
    /** true: updates are swallowed, as when the server dies before the commit. */
    public deaf = false,
  ) {}
  readonly kept: number[] = [];
  open() {
    this.readyState = 1;
    this.onopen?.(new Event('open'));
  }
  push(bytes: Uint8Array) {
    this.onmessage?.(new MessageEvent('message', { data: new Uint8Array(bytes).buffer }));
  }
  drop(code = 1006) {
    this.onclose?.(new CloseEvent('close', { code }));
  }
  close() {
    this.drop(1000);
  }
  acknowledge() {
    for (const number of this.kept.splice(0)) this.push(frames.barrier(number));
  }
  refuse(code: number, reason: string) {
    const to = encoding.createEncoder();
    encoding.writeVarUint(to, frames.REFUSAL);
    encoding.writeVarUint(to, code);
    encoding.writeVarString(to, reason);
    this.push(encoding.toUint8Array(to));
  }
  send(data: Uint8Array) {
    const frame = frames.readFrame(data);
    this.got.push(frame);
    if (this.deaf) return;
    if (frame.kind === 'step1')
      this.push(frames.step2(Y.encodeStateAsUpdate(this.server, frame.stateVector)));
    if (frame.kind === 'update') Y.applyUpdate(this.server, frame.update);
    if (frame.kind === 'barrier') {
      // The first one only asks whether anything gets through.
      const greeting = this.got.filter(({ kind }) => kind === 'barrier').length === 1;
      if (this.acks || greeting) this.push(frames.barrier(frame.number));
      else this.kept.push(frame.number);
    }
  }
}

function setUp(options: { acks?: boolean; deaf?: boolean } = {}) {
  const server = new Y.Doc();
  const fields = server.getMap('fields');
  fields.set('summary', new Y.Text('初めの文'));
  const sockets: FakeSocket[] = [];
  const channels: FakeSocket[] = [];
  const route = new Route();
  const urls: string[] = [];
  const epochs: (number | null)[] = [];
  const refusals: Refusal[] = [];
  let access: AccessAnswer = { kind: 'ok', epoch: 1, writable: true };
  const connection = new DocumentConnection('doc', {
    access: () => Promise.resolve(access),
    onRefused: (refusal) => refusals.push(refusal),
    socket: (url) => {
      urls.push(url);
      const socket = new FakeSocket(server, options.acks ?? true, options.deaf ?? false);
      sockets.push(socket);
      return socket;
    },
    channel: (_id, epoch) => {
      epochs.push(epoch);
      const channel = new FakeSocket(server, options.acks ?? true, options.deaf ?? false);
      channels.push(channel);
      return channel;
    },
    route,
    random: () => 0,
  });
  const summary = () => connection.doc.getMap('fields').get('summary') as Y.Text;
  return {
    server,
    connection,
    sockets,
    channels,
    route,
    urls,
    epochs,
    refusals,
    summary,
    serverText: () => (fields.get('summary') as Y.Text).toString(),
    setAccess: (next: AccessAnswer) => (access = next),
    options,
    socket: () => sockets.at(-1)!,
    channel: () => channels.at(-1)!,
    settle: () => vi.advanceTimersByTimeAsync(0),
  };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('DocumentConnection', () => {
  it('says 保存済み only after the acknowledgement', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    expect(s.connection.state().save).toBe('loading');
    s.socket().open();
    expect(s.connection.state()).toMatchObject({ save: 'saved', synced: true });
    s.summary().insert(0, '新');
    expect(s.connection.state()).toMatchObject({ save: 'saving', unsaved: 1, savedAt: null });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(s.connection.state().save).toBe('unsaved');
    s.socket().acknowledge();
    expect(s.connection.state()).toMatchObject({ save: 'saved', unsaved: 0 });
    expect(s.connection.state().savedAt).not.toBeNull();
    s.connection.destroy();
  });

  it('does not take an acknowledgement for edits sent after its barrier', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    s.socket().open();
    s.summary().insert(0, '一');
    const [first] = s.socket().kept;
    s.summary().insert(0, '二');
    s.socket().push(frames.barrier(first!));
    expect(s.connection.state().save).toBe('saving');
    s.socket().acknowledge();
    expect(s.connection.state().save).toBe('saved');
    s.connection.destroy();
  });

  it('keeps unacknowledged edits and sends them again after reconnecting', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    s.socket().open();
    s.socket().deaf = true;
    s.summary().insert(0, '失われない');
    expect(s.serverText()).toBe('初めの文');
    s.socket().drop();
    expect(s.connection.state()).toMatchObject({ save: 'offline', unsaved: 1 });
    s.summary().insert(0, 'もう一つ');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(s.sockets).toHaveLength(2);
    s.socket().open();
    expect(s.serverText()).toBe('もう一つ失われない初めの文');
    expect(s.connection.state().save).toBe('saving');
    s.socket().acknowledge();
    expect(s.connection.state().save).toBe('saved');
    s.connection.destroy();
  });

  it('ignores an acknowledgement of the former socket', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    s.socket().open();
    s.socket().deaf = true;
    s.summary().insert(0, 'あ');
    s.socket().drop();
    await vi.advanceTimersByTimeAsync(2_000);
    s.socket().open();
    // The edit's first barrier had number 2; the resend got a later one.
    s.socket().push(frames.barrier(2));
    expect(s.connection.state().save).toBe('saving');
    s.connection.destroy();
  });

  it('backs off with growing pauses and asks for the permission each time', async () => {
    const s = setUp();
    await s.settle();
    s.setAccess({ kind: 'unreachable' });
    s.socket().drop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(s.sockets).toHaveLength(1);
    s.setAccess({ kind: 'ok', epoch: 1, writable: true });
    await vi.advanceTimersByTimeAsync(25_000);
    expect(s.sockets).toHaveLength(2);
    s.connection.destroy();
  });

  it('stops when the permission is gone', async () => {
    const s = setUp();
    await s.settle();
    s.socket().open();
    s.setAccess({ kind: 'denied' });
    s.socket().drop();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(s.refusals).toMatchObject([{ code: 3 }]);
    expect(s.connection.state().save).toBe('stopped');
  });

  it('drops the copy on a refusal and offers the unsent text', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    s.socket().open();
    s.socket().deaf = true;
    s.summary().insert(0, '番号は1234です。');
    s.socket().refuse(9, '個人番号');
    expect(s.refusals).toEqual([
      {
        code: 9,
        reason: '個人番号',
        unsent: [{ path: 'summary', text: '番号は1234です。初めの文' }],
      },
    ]);
    expect(s.connection.writable).toBe(false);
    expect(s.serverText()).toBe('初めの文');
  });

  it('keeps the copy when the server is only overloaded', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    s.socket().open();
    s.socket().deaf = true;
    s.summary().insert(0, '待つ');
    s.socket().refuse(7, '');
    expect(s.refusals).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(3_000);
    s.socket().open();
    s.socket().acknowledge();
    expect(s.serverText()).toBe('待つ初めの文');
    s.connection.destroy();
  });

  it('keeps the copy and says so when the stored document is damaged', async () => {
    const s = setUp({ acks: false });
    await s.settle();
    s.socket().open();
    s.socket().deaf = true;
    s.summary().insert(0, '待つ');
    s.socket().refuse(10, '壊れています');
    expect(s.refusals).toHaveLength(0);
    expect(s.connection.state().damaged).toBe(true);
    await vi.advanceTimersByTimeAsync(3_000);
    s.socket().open();
    s.socket().acknowledge();
    expect(s.serverText()).toBe('待つ初めの文');
    expect(s.connection.state().damaged).toBe(false);
    s.connection.destroy();
  });

  it('treats another epoch as another document', async () => {
    const s = setUp();
    await s.settle();
    s.socket().open();
    // Should the document be erased just now, the server still knows which copy this is.
    expect(s.urls).toHaveLength(1);
    expect(s.urls[0]).toContain('epoch=1');
    s.setAccess({ kind: 'ok', epoch: 2, writable: true });
    s.socket().drop();
    s.summary().insert(0, '手元だけの');
    await vi.advanceTimersByTimeAsync(5_000);
    // The own unsent text is offered; nothing of the old copy goes to the new epoch.
    expect(s.refusals).toMatchObject([
      { code: 6, unsent: [{ path: 'summary', text: '手元だけの初めの文' }] },
    ]);
    expect(s.sockets).toHaveLength(1);
  });

  it('understands a close code as a refusal', async () => {
    const s = setUp();
    await s.settle();
    s.socket().open();
    s.socket().drop(4408);
    expect(s.refusals).toMatchObject([{ code: 8 }]);
  });

  it('comes back after a close that says later', async () => {
    const s = setUp();
    await s.settle();
    s.socket().open();
    s.socket().drop(4507);
    expect(s.refusals).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    s.socket().open();
    expect(s.connection.state().save).toBe('saved');
  });

  it('survives truncated frames by starting over', async () => {
    const s = setUp();
    await s.settle();
    s.socket().open();
    s.socket().push(new Uint8Array([0, 2, 200]));
    await vi.advanceTimersByTimeAsync(3_000);
    s.socket().open();
    expect(s.connection.state().save).toBe('saved');
    expect(s.sockets).toHaveLength(2);
    s.connection.destroy();
  });

  it('announces only its own presence and forgets the others when the line drops', async () => {
    const s = setUp();
    await s.settle();
    s.socket().open();
    const other = new Awareness(new Y.Doc());
    other.setLocalState({ user: { account: 'a', name: '田中' }, field: 'summary' });
    s.socket().push(frames.awareness(encodeAwarenessUpdate(other, [other.clientID])));
    expect(s.connection.awareness.getStates().size).toBe(2);
    const before = s.socket().got.filter((frame) => frame.kind === 'awareness').length;
    s.connection.setPresence({ field: 'summary', typing: true });
    s.connection.setPresence({ field: 'summary', typing: false });
    await vi.advanceTimersByTimeAsync(100);
    expect(s.socket().got.filter((frame) => frame.kind === 'awareness')).toHaveLength(before + 1);
    s.socket().drop();
    expect([...s.connection.awareness.getStates().keys()]).toEqual([s.connection.doc.clientID]);
    other.destroy();
    s.connection.destroy();
  });

  /** Two attempts at the WebSocket fail, so that the next one goes over a channel. */
  async function blockSockets(s: ReturnType<typeof setUp>) {
    await s.settle();
    for (let i = 0; i < 2; i += 1) {
      s.socket().drop();
      await vi.advanceTimersByTimeAsync(2_000);
    }
    expect(s.channels).toHaveLength(1);
  }

  it('goes over plain HTTP when no WebSocket opens, and says so', async () => {
    const s = setUp({ acks: false });
    await blockSockets(s);
    expect(s.epochs).toEqual([1]);
    s.channel().open();
    expect(s.connection.state()).toMatchObject({ save: 'saved', fallback: true, blocked: false });
    s.summary().insert(0, '予備');
    expect(s.connection.state().save).toBe('saving');
    s.channel().acknowledge();
    expect(s.connection.state().save).toBe('saved');
    expect(s.serverText()).toBe('予備初めの文');
    // Whoever comes next need not find out again.
    const other = new DocumentConnection('other', {
      access: () => Promise.resolve({ kind: 'ok', epoch: 1, writable: true }),
      onRefused: () => undefined,
      socket: () => expect.fail('the WebSocket is known not to work'),
      channel: () => new FakeSocket(s.server),
      route: s.route,
    });
    await s.settle();
    other.destroy();
    s.connection.destroy();
  });

  it('goes over plain HTTP when a WebSocket opens and brings nothing', async () => {
    const s = setUp();
    await s.settle();
    for (let i = 0; i < 2; i += 1) {
      s.socket().deaf = true;
      s.socket().open();
      await vi.advanceTimersByTimeAsync(11_000);
    }
    expect(s.sockets).toHaveLength(2);
    s.channel().open();
    expect(s.connection.state()).toMatchObject({ save: 'saved', fallback: true });
    s.connection.destroy();
  });

  it('does not wait for a handshake that hangs', async () => {
    const s = setUp();
    await s.settle();
    await vi.advanceTimersByTimeAsync(25_000);
    expect(s.sockets).toHaveLength(2);
    expect(s.channels).toHaveLength(1);
    s.connection.destroy();
  });

  it('leaves one WebSocket that breaks to the ordinary reconnecting', async () => {
    const s = setUp();
    await s.settle();
    for (let i = 0; i < 4; i += 1) {
      s.socket().open();
      s.socket().drop();
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(s.channels).toHaveLength(0);
    s.connection.destroy();
  });

  it('goes back to the WebSocket without interrupting, once one gets through', async () => {
    const s = setUp({ acks: false });
    await blockSockets(s);
    const channel = s.channel();
    channel.open();
    // A first attempt in vain, and the next one later.
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(s.sockets).toHaveLength(3);
    s.socket().drop();
    expect(s.connection.state()).toMatchObject({ save: 'saved', fallback: true });
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(s.sockets).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(5 * 60_000);
    expect(s.sockets).toHaveLength(4);
    channel.deaf = true;
    s.summary().insert(0, '途中');
    expect(s.connection.state().save).toBe('saving');
    s.socket().open();
    expect(s.connection.state()).toMatchObject({ save: 'saving', fallback: false });
    expect(channel.onmessage).toBeNull();
    s.socket().acknowledge();
    expect(s.connection.state().save).toBe('saved');
    expect(s.serverText()).toBe('途中初めの文');
    expect(s.route.avoidsSocket).toBe(false);
    s.connection.destroy();
  });

  it('says so when neither gets through, and goes on trying both', async () => {
    const s = setUp();
    await blockSockets(s);
    for (let i = 0; i < 2; i += 1) {
      expect(s.connection.state().blocked).toBe(false);
      s.channel().drop();
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(s.connection.state().blocked).toBe(true);
    expect(s.sockets).toHaveLength(3);
    s.socket().open();
    expect(s.connection.state()).toMatchObject({ save: 'saved', blocked: false, fallback: false });
    s.connection.destroy();
  });
});
