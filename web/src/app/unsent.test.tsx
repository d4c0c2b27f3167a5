import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import * as frames from '../sync/frames';
import { DocumentConnection } from '../sync/connection';
import { retire, showRefusal } from '../sync/unsent';
import { UnsentNotices } from './unsent';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A server that takes nothing until it is told to, then everything. */
function left() {
  const kept: number[] = [];
  let push: (bytes: Uint8Array) => void = () => undefined;
  const connection = new DocumentConnection('doc', {
    access: () => Promise.resolve({ kind: 'ok', epoch: 1, writable: true }),
    onRefused: (refusal) => showRefusal({ ...refusal, form: null }),
    socket: () => {
      const socket = {
        binaryType: '',
        readyState: 1,
        onopen: null as ((event: Event) => void) | null,
        onmessage: null as ((event: MessageEvent) => void) | null,
        onclose: null,
        onerror: null,
        send: (data: Uint8Array) => {
          const frame = frames.readFrame(data);
          if (frame.kind === 'step1') push(frames.step2(Y.encodeStateAsUpdate(new Y.Doc())));
          if (frame.kind === 'barrier') kept.push(frame.number);
        },
        close: () => undefined,
      };
      push = (bytes) =>
        socket.onmessage?.(new MessageEvent('message', { data: new Uint8Array(bytes).buffer }));
      setTimeout(() => socket.onopen?.(new Event('open')), 0);
      return socket;
    },
  });
  return {
    connection,
    acknowledge: () => {
      for (const number of kept.splice(0)) push(frames.barrier(number));
    },
    refuse: () => push(new Uint8Array([frames.REFUSAL, 9, 0])),
  };
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

function page() {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <UnsentNotices />
    </QueryClientProvider>,
  );
}

const WAITS = /保存待ちの記録があります/;

describe('a sheet that was left before it was saved', () => {
  it('is spoken of on every page until it is', async () => {
    page();
    const { connection, acknowledge } = left();
    await pass(1);
    connection.doc.getMap('fields').set('summary', '母と話した');
    retire(connection);
    await pass(1000);
    expect(screen.queryByText(WAITS)).toBeNull();
    await pass(1500);
    expect(screen.getByText(WAITS)).toBeDefined();
    act(acknowledge);
    expect(screen.queryByText(WAITS)).toBeNull();
    expect(connection.writable).toBe(false);
  });

  it('says nothing when it is saved at once', async () => {
    page();
    const { connection, acknowledge } = left();
    await pass(1);
    connection.doc.getMap('fields').set('summary', '母と話した');
    retire(connection);
    await pass(100);
    acknowledge();
    await pass(5000);
    expect(screen.queryByText(WAITS)).toBeNull();
  });

  it('offers its text when the server refuses it later, and Esc does not throw it away', async () => {
    page();
    const { connection, refuse } = left();
    await pass(1);
    connection.doc.getMap('fields').set('summary', '母と話した');
    retire(connection);
    await pass(3000);
    act(refuse);
    expect(screen.queryByText(WAITS)).toBeNull();
    const text = screen.getByText('母と話した');
    fireEvent.keyDown(screen.getByRole('alertdialog'), { key: 'Escape' });
    await pass(100);
    expect(text.isConnected).toBe(true);
    expect(screen.queryByLabelText('閉じる')).toBeNull();
    fireEvent.click(screen.getByText('閉じる'));
    await pass(1000);
    expect(screen.queryByText('母と話した')).toBeNull();
  });
});
