import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, fireEvent, render, screen } from '@testing-library/react';
import { Router } from 'wouter';
import { memoryLocation } from 'wouter/memory-location';
import { describe, expect, it, vi } from 'vitest';
import { api } from '../../api/client';
import { ToastProvider } from '../../ui';
import type { CaseDetail } from '../cases/api';
import { TranscriptsTab } from './TranscriptsTab';

let answer: (value: { id: string }) => void = () => undefined;
vi.mock('../../api/upload', () => ({
  upload: () => ({
    result: new Promise((done) => (answer = done)),
    abort: () => undefined,
  }),
}));
vi.mock('../../app/session', () => ({
  useSession: () => ({ session: { municipality: { zone: 'Asia/Tokyo' } }, can: () => true }),
}));

const detail = { id: 'c1', sections: [{ section: 'intake', level: 'edit' }] } as CaseDetail;

function open() {
  vi.spyOn(api, 'get').mockResolvedValue({ items: [] });
  const queries = new QueryClient();
  const place = memoryLocation({ path: '/cases/c1/transcripts', record: true });
  const page = (here: boolean) => (
    <QueryClientProvider client={queries}>
      <ToastProvider>
        <Router hook={place.hook}>{here && <TranscriptsTab detail={detail} />}</Router>
      </ToastProvider>
    </QueryClientProvider>
  );
  const { rerender } = render(page(true));
  fireEvent.change(screen.getByLabelText(/文を貼り付ける/), { target: { value: '本人：はい' } });
  fireEvent.click(screen.getByText('貼り付けた文を取り込む'));
  return { place, leave: () => rerender(page(false)) };
}

const arrive = () =>
  act(async () => {
    answer({ id: 't1' });
    await Promise.resolve();
  });

describe('a transcript that has been read', () => {
  it('opens its draft while the tab is still there', async () => {
    const { place } = open();
    await arrive();
    expect(place.history.at(-1)).toBe('/transcripts/t1');
  });

  it('does not pull anybody away from where they went meanwhile', async () => {
    const { place, leave } = open();
    leave();
    await arrive();
    expect(place.history).toEqual(['/cases/c1/transcripts']);
    fireEvent.click(screen.getByText('下書きを開く'));
    expect(place.history.at(-1)).toBe('/transcripts/t1');
  });
});
