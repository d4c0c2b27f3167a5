import { fireEvent, render, screen, waitFor } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { onSessionLost } from '../../api/client';
import { ToastProvider } from '../../ui';
import { PasswordDialog } from './PasswordDialog';

const refresh = vi.fn(() => Promise.resolve());
vi.mock('../../app/session', () => ({
  useSession: () => ({ session: { account: { login_id: 'sasaki' } }, refresh }),
}));

const problem = (status: number, body: object) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json' },
  });

function fill(closed: () => void) {
  render(
    <ToastProvider>
      <PasswordDialog onClose={closed} />
    </ToastProvider>,
  );
  const type = (label: RegExp, value: string) =>
    fireEvent.change(screen.getByLabelText(label), { target: { value } });
  type(/^いまのパスワード/, 'これまでの もの です');
  type(/^新しいパスワード※/, 'みどりの丘で 朝ごはん 9時');
  type(/^新しいパスワード（確認）/, 'みどりの丘で 朝ごはん 8時');
  return { type, send: () => fireEvent.submit(document.querySelector('form')!) };
}

describe('changing one’s own password', () => {
  it('checks before sending; a wrong present one is said at its field and signs nobody out', async () => {
    const answer = vi
      .spyOn(globalThis, 'fetch')
      .mockResolvedValueOnce(problem(401, { code: 'invalid_credentials' }))
      .mockResolvedValueOnce(
        problem(422, {
          code: 'invalid',
          fields: [{ path: 'password_repetitive', code: 'password_repetitive' }],
        }),
      )
      .mockResolvedValueOnce(new Response(JSON.stringify({ stage: 'ready' })));
    const lost = vi.fn();
    const off = onSessionLost(lost);
    const closed = vi.fn();
    const { type, send } = fill(closed);
    send();
    expect(screen.getAllByText(/確認用のパスワードが一致しません/).length).toBeGreaterThan(0);
    expect(answer).not.toHaveBeenCalled();
    type(/^新しいパスワード※/, 'みどりの丘で 朝ごはん 8時');
    send();
    await waitFor(() =>
      expect(
        screen.getAllByText(/「いまのパスワード」：いまのパスワードが違います/).length,
      ).toBeGreaterThan(0),
    );
    send();
    await waitFor(() =>
      expect(screen.getAllByText(/「新しいパスワード」：同じ文字/).length).toBeGreaterThan(0),
    );
    send();
    await waitFor(() => expect(closed).toHaveBeenCalled());
    expect(lost).not.toHaveBeenCalled();
    off();
  });
});
