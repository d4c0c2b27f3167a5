import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { api } from '../../api/client';
import type { CaseDetail } from './api';
import { localDate } from './dates';
import { ProgressEntry } from './ProgressTab';

vi.mock('../../app/session', () => ({
  useSession: () => ({
    session: { account: { id: 'me' }, municipality: { zone: 'Asia/Tokyo' } },
  }),
}));

const detail = { id: 'c1', clients: [{ person_id: 'p1', display: '甲' }] } as CaseDetail;
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
  beforeEach(() => post.mockReset().mockResolvedValue({}));

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
