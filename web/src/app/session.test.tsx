import { focusManager, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { request } from '../api/client';
import { Dialog } from '../ui';
import { SESSION_KEY, SessionGate } from './session';

const hat = (id: string) => ({
  id,
  agency: { id: 'a', name: '東包括', class: 'agency' },
  role: 'staff',
});
const ready = (membership = 'h1', account = 'me') => ({
  stage: 'ready',
  account: { id: account, login_id: account, name: '田中' },
  membership: hat(membership),
  memberships: [hat('h1'), hat('h2')],
  permissions: [],
  capabilities: [],
});

let answer: unknown;
const asked: { method: string; path: string; body: string }[] = [];
const put = vi.fn<(body: string) => void>();

beforeEach(() => {
  asked.length = 0;
  put.mockReset();
  vi.stubGlobal('fetch', (url: URL, options: RequestInit) => {
    const method = options.method ?? 'GET';
    const body = typeof options.body === 'string' ? options.body : '';
    asked.push({ method, path: url.pathname, body });
    if (method === 'PUT') put(body);
    const lost = answer === null || url.pathname.endsWith('/cases');
    return Promise.resolve(
      lost
        ? new Response('{"code":"unauthenticated"}', { status: 401 })
        : new Response(method === 'GET' ? JSON.stringify(answer) : '', {
            status: method === 'GET' ? 200 : 204,
          }),
    );
  });
});
afterEach(() => vi.unstubAllGlobals());

const turn = () => act(() => new Promise((done) => setTimeout(done, 20)));

function open() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={client}>
      <SessionGate
        signIn={() => <p>サインインしてください</p>}
        loading={<p>読み込み</p>}
        failed={() => <p>失敗</p>}
      >
        <Dialog title="仮パスワード" isOpen onClose={() => undefined}>
          himitsu-1234
        </Dialog>
      </SessionGate>
    </QueryClientProvider>,
  );
  return client;
}

it('takes dialogs off the screen with the session', async () => {
  answer = ready();
  open();
  await turn();
  expect(screen.getByText('himitsu-1234')).toBeDefined();
  await act(() => request('GET', 'cases').catch(() => undefined));
  await turn();
  expect(screen.queryByText('himitsu-1234')).toBeNull();
  expect(screen.getByText('サインインしてください')).toBeDefined();
});

it('does not ask again on focus while a step of signing in is on the screen', async () => {
  answer = { ...ready(), stage: 'enrolment' };
  const client = open();
  await turn();
  await client.invalidateQueries({ queryKey: SESSION_KEY, refetchType: 'none' });
  const before = asked.length;
  act(() => {
    focusManager.setFocused(false);
    focusManager.setFocused(true);
  });
  await turn();
  expect(asked.length).toBe(before);
});

it('goes on under the hat whose screens were kept', async () => {
  answer = ready('h2');
  const client = open();
  await turn();
  answer = ready('h1');
  act(() => {
    client.setQueryData(SESSION_KEY, null);
  });
  await turn();
  expect(put).not.toHaveBeenCalled();
  act(() => {
    client.setQueryData(SESSION_KEY, answer);
  });
  expect(screen.queryByText('himitsu-1234')).toBeNull();
  answer = ready('h2');
  await turn();
  expect(put).toHaveBeenCalledWith('{"membership_id":"h2"}');
  expect(screen.getByText('himitsu-1234')).toBeDefined();
});

it('starts anew, and takes nothing back, when the hat was changed in another tab', async () => {
  const reload = vi.spyOn(window.location, 'reload').mockImplementation(() => undefined);
  answer = ready('h1');
  const client = open();
  await turn();
  answer = ready('h2');
  await act(() => client.refetchQueries({ queryKey: SESSION_KEY }));
  await turn();
  expect(put).not.toHaveBeenCalled();
  expect(reload).toHaveBeenCalledOnce();
  expect(screen.queryByText('himitsu-1234')).toBeNull();
});
