import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SessionGate, SESSION_KEY } from './session';
import { SessionExpiry } from './SessionExpiry';

const MINUTE = 60_000;
const asked: string[] = [];
const session = (hours: number) => ({
  stage: 'ready',
  account: { id: 'me' },
  membership: { id: 'h' },
  expires_at: new Date(Date.now() + hours * 60 * MINUTE).toISOString(),
  permissions: [],
  capabilities: [],
});
let answer: unknown;

beforeEach(() => {
  vi.useFakeTimers();
  asked.length = 0;
  localStorage.clear();
  vi.stubGlobal('fetch', (_: URL, { method = 'GET' }: RequestInit) => {
    asked.push(method);
    return Promise.resolve(
      method === 'GET'
        ? new Response(JSON.stringify(answer), { status: 200 })
        : new Response(null, { status: 204 }),
    );
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

async function open(hours = 12) {
  answer = session(hours);
  const client = new QueryClient();
  render(
    <QueryClientProvider client={client}>
      <SessionGate loading="…" failed={() => '失敗'} signIn={() => 'サインインしてください'}>
        <SessionExpiry />
      </SessionGate>
    </QueryClientProvider>,
  );
  await pass(10);
  return client;
}

const warned = () => screen.queryByText('まもなく自動でサインアウトします');

it('ends an idle session by itself instead of asking for it, which would prolong it', async () => {
  await open();
  await pass(56 * MINUTE);
  expect(warned()).not.toBeNull();
  expect(asked).toEqual(['GET']);
  await pass(5 * MINUTE);
  expect(asked).toEqual(['GET', 'DELETE']);
  expect(warned()).toBeNull();
  expect(screen.getByText('サインインしてください')).toBeDefined();
});

it('counts what is done in other tabs', async () => {
  await open();
  await pass(50 * MINUTE);
  localStorage.setItem('musubi.active', String(Date.now()));
  await pass(15 * MINUTE);
  expect(warned()).toBeNull();
  expect(asked).not.toContain('DELETE');
});

it('announces the end of the next session too', async () => {
  const client = await open(0.1);
  expect(warned()).not.toBeNull();
  fireEvent.click(screen.getByText('わかりました'));
  await pass(1000);
  expect(warned()).toBeNull();
  // Signed out and in again.
  act(() => {
    client.setQueryData(SESSION_KEY, null);
  });
  answer = session(0.12);
  act(() => {
    client.setQueryData(SESSION_KEY, answer);
  });
  await pass(16_000);
  expect(warned()).not.toBeNull();
});
