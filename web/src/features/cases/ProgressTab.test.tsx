import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, api } from '../../api/client';
import type { CaseDetail } from './api';
import { localDate } from './dates';
import { ProgressEntry } from './ProgressTab';

vi.mock('../../app/session', () => ({
  useSession: () => ({
    session: {
      account: { id: 'me' },
      municipality: { zone: 'Asia/Tokyo' },
      membership: { agency: { id: 'own', name: '自機関' } },
    },
  }),
}));

const detail = {
  id: 'c1',
  clients: [{ person_id: 'p1', display: '甲' }],
  persons: [{ person_id: 'p1', display: '甲', level: 'read' }],
  members: [],
  sections: [],
  owner_agency: { id: 'own', name: '自機関' },
} as unknown as CaseDetail;
const today = localDate(new Date());

function open(id = 'c1') {
  return render(
    <QueryClientProvider client={new QueryClient()}>
      <ProgressEntry detail={{ ...detail, id }} />
    </QueryClientProvider>,
  );
}

const box = (label: RegExp) => screen.getByLabelText(label);
const write = (label: RegExp, value: string) => fireEvent.change(box(label), { target: { value } });

async function finalise() {
  fireEvent.keyDown(box(/記録内容/), { key: 'Enter', ctrlKey: true });
  await act(() => new Promise((done) => setTimeout(done, 5)));
}

describe('支援経過を書く', () => {
  const post = vi.spyOn(api, 'post');
  const put = vi.spyOn(api, 'put');
  const desk = vi.spyOn(api, 'get');
  beforeEach(() => {
    post.mockReset().mockResolvedValue({});
    put.mockReset().mockRejectedValue(new ApiError(0, 'offline'));
    desk.mockReset().mockResolvedValue({
      templates: [],
      drafts: [],
      waiting: [],
      plan_items: [],
      attachment_limit: 25_000_000,
      attachment_endings: ['pdf'],
    });
  });

  it('keeps what is typed on the server, and says so', async () => {
    put.mockResolvedValue({ id: 'd1', version: 1 });
    const screenOf = open('kept');
    write(/記録内容/, '途中');
    await waitFor(() => expect(put).toHaveBeenCalledOnce(), { timeout: 3000 });
    expect(put.mock.calls[0]?.[1]).toMatchObject({ version: 0, content: { content: '途中' } });
    await waitFor(() => expect(screen.getByText(/下書き：保存済み/)).toBeTruthy());
    // It is safe: nobody has to be warned.
    expect(window.dispatchEvent(new Event('beforeunload', { cancelable: true }))).toBe(true);
    fireEvent.click(screen.getByLabelText('電話'));
    await finalise();
    await waitFor(() => expect(post).toHaveBeenCalledOnce());
    expect(post.mock.calls[0]?.[1]).toMatchObject({ content: '途中', draft_id: 'd1' });
    screenOf.unmount();
  });

  it('overwrites nothing that another screen has written', async () => {
    put.mockRejectedValue(new ApiError(409, 'conflict'));
    const screenOf = open('conflict');
    write(/記録内容/, 'こちら');
    await waitFor(() => expect(screen.getByText(/別の画面で書き進められています/)).toBeTruthy(), {
      timeout: 3000,
    });
    expect(box(/記録内容/)).toHaveProperty('value', 'こちら');
    const mine = { id: 'd1', version: 4, mine: true, updated_at: '2026-11-30T00:00:00.000Z' };
    desk.mockResolvedValue({
      templates: [],
      drafts: [{ ...mine, by: { id: 'me', name: '自分' }, content: { content: 'あちら' } }],
      plan_items: [],
    });
    fireEvent.click(screen.getByText('保存されている下書きを開く'));
    await waitFor(() => expect(box(/記録内容/)).toHaveProperty('value', 'あちら'));
    screenOf.unmount();
  });

  it('is not finalised with the former day while another, unreadable one stands in the box', async () => {
    open('day');
    write(/支援実施日/, '11/2o');
    fireEvent.blur(box(/支援実施日/));
    fireEvent.click(screen.getByLabelText('電話'));
    write(/記録内容/, '母と話した。');
    await finalise();
    expect(post).not.toHaveBeenCalled();
    expect(screen.getByRole('alert').textContent).toContain('「支援実施日」');
    const day = today.slice(5).replace('-', '/');
    write(/支援実施日/, day);
    fireEvent.blur(box(/支援実施日/));
    await finalise();
    expect(post).toHaveBeenCalledOnce();
    expect(post.mock.calls[0]?.[1]).toMatchObject({ performed_on: today });
  });

  it('keeps a half-written record while another tab is looked at, for its own case only', async () => {
    const first = open('tab');
    write(/記録内容/, '途中まで');
    first.unmount();
    expect(window.dispatchEvent(new Event('beforeunload', { cancelable: true }))).toBe(false);
    const other = open('another');
    expect(box(/記録内容/)).toHaveProperty('value', '');
    other.unmount();
    const again = open('tab');
    expect(box(/記録内容/)).toHaveProperty('value', '途中まで');
    fireEvent.click(screen.getByLabelText('電話'));
    await finalise();
    await waitFor(() => expect(box(/記録内容/)).toHaveProperty('value', ''));
    expect(window.dispatchEvent(new Event('beforeunload', { cancelable: true }))).toBe(true);
    again.unmount();
  });

  it('forgets a record that was saved after its screen was left', async () => {
    let answer: (value: object) => void = () => undefined;
    post.mockReturnValue(new Promise((done) => (answer = done)));
    const first = open('late');
    write(/記録内容/, '電話した');
    fireEvent.click(screen.getByLabelText('電話'));
    await finalise();
    first.unmount();
    await act(async () => {
      answer({});
      await Promise.resolve();
    });
    await waitFor(() => {
      const again = open('late');
      const { value } = box(/記録内容/) as HTMLTextAreaElement;
      again.unmount();
      expect(value).toBe('');
    });
  });
});
