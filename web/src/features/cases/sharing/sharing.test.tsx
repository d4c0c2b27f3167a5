import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { Router } from 'wouter';
import { memoryLocation } from 'wouter/memory-location';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError } from '../../../api/client';
import type { CaseDetail } from '../api';
import { SharingTab } from './SharingTab';

vi.mock('../../../app/session', () => ({
  useSession: () => ({
    session: {
      account: { id: 'me' },
      membership: { agency: { id: 'lead' }, role: 'coordinator' },
      municipality: { zone: 'Asia/Tokyo', name: '市' },
    },
  }),
}));

const member = (id: string, name: string) => ({
  agency: { id, name },
  role: 'member',
  from: '2026-04-01',
  to: null,
  active: true,
});

const detail = (id: string) =>
  ({
    id,
    permissions: ['manage_disclosure'],
    lead_agency: { id: 'lead', name: '市' },
    members: [member('lead', '市'), member('a', '甲機関'), member('b', '乙機関')],
    sections: [{ section: 'intake' }, { section: 'progress' }],
    persons: [],
    consent: [],
  }) as unknown as CaseDetail;

const row = (agency_id: string, level: string) => ({ agency_id, section: 'intake', level });

const get = vi.spyOn(api, 'get');
const put = vi.spyOn(api, 'put');
beforeEach(() => {
  put.mockReset();
  get.mockReset().mockResolvedValue({ items: [row('a', 'read'), row('b', 'masked')] });
});

function open(id: string, part?: string) {
  const queries = new QueryClient();
  const place = memoryLocation({ path: '/', record: true });
  const page = (shown: string | undefined) => (
    <QueryClientProvider client={queries}>
      <Router hook={place.hook}>
        <SharingTab detail={detail(id)} part={shown} />
      </Router>
    </QueryClientProvider>
  );
  const { rerender } = render(page(part));
  return { queries, place, show: (next: string) => rerender(page(next)) };
}

const box = (name: string) => screen.findByLabelText<HTMLSelectElement>(`${name}の「受付」`);

describe('開示の設定', () => {
  it('keeps the edits when the matrix is read again or another part is looked at', async () => {
    const { queries, show } = open('keep', 'matrix');
    fireEvent.change(await box('乙機関'), { target: { value: 'read' } });
    await act(() => queries.invalidateQueries({ queryKey: ['case', 'keep'] }));
    expect((await box('乙機関')).value).toBe('read');
    show('members');
    show('matrix');
    expect((await box('乙機関')).value).toBe('read');
    expect(screen.queryByText('ほかの人が変更しました')).toBeNull();
  });

  it('says what a colleague revoked, and sends only the own changes', async () => {
    const { queries } = open('revoke', 'matrix');
    fireEvent.change(await box('乙機関'), { target: { value: 'read' } });
    const now = { items: [row('a', 'none'), row('b', 'masked')] };
    get.mockResolvedValue(now);
    await act(() => queries.invalidateQueries({ queryKey: ['case', 'revoke'] }));
    await screen.findByText('ほかの人が変更しました');
    expect((await box('甲機関')).value).toBe('none');
    expect((await box('乙機関')).value).toBe('read');
    const after = { items: [row('a', 'none'), row('b', 'read')] };
    put.mockResolvedValue(after);
    get.mockResolvedValue(after);
    fireEvent.click(screen.getByText('開示の設定を保存する'));
    await screen.findByText('変更はありません');
    expect(put.mock.calls[0]?.[1]).toEqual({
      entries: [{ agency_id: 'b', section: 'intake', level: 'read', comment: false }],
    });
    expect(screen.queryByText('ほかの人が変更しました')).toBeNull();
  });

  it('takes the new state when asked to', async () => {
    const { queries } = open('take', 'matrix');
    fireEvent.change(await box('乙機関'), { target: { value: 'edit' } });
    get.mockResolvedValue({ items: [row('a', 'read'), row('b', 'none')] });
    await act(() => queries.invalidateQueries({ queryKey: ['case', 'take'] }));
    fireEvent.click(await screen.findByText('自分の変更をやめて、新しい設定にする'));
    expect((await box('乙機関')).value).toBe('none');
    expect(screen.getByText('変更はありません')).toBeDefined();
  });

  it('keeps the question for a basis open, with what was typed into it', async () => {
    const { queries } = open('ask', 'matrix');
    fireEvent.change(await box('乙機関'), { target: { value: 'edit' } });
    put.mockRejectedValue(
      new ApiError(409, 'consent_confirmation_required', [], {
        persons: [{ person_id: 'p1', display: '甲', status: 'unconfirmed' }],
        agencies: [{ id: 'b', name: '乙機関' }],
        sections: ['progress'],
        bases: [{ id: 'life', name: '生命の保護', note: '', verified: true, meeting_bound: false }],
      }),
    );
    fireEvent.click(screen.getByText('開示の設定を保存する'));
    const reason = await screen.findByLabelText(/^理由/);
    fireEvent.change(reason, { target: { value: '安否の確認のため' } });
    get.mockResolvedValue({ items: [row('a', 'none'), row('b', 'masked')] });
    await act(() => queries.invalidateQueries({ queryKey: ['case', 'ask'] }));
    await screen.findByText(/この間に、ほかの人が開示の設定を変更しました（甲機関の「受付」を/);
    expect(screen.getByLabelText(/^理由/)).toHaveProperty('value', '安否の確認のため');
  });
});

describe('同意・共有', () => {
  it('shows the part in the address and goes there when another one is chosen', async () => {
    get.mockResolvedValue({ items: [] });
    const { place, show } = open('tabs');
    const selected = () => screen.getByRole('tab', { selected: true }).textContent;
    expect(selected()).toBe('本人の同意');
    fireEvent.click(screen.getByRole('tab', { name: '支援機関' }));
    expect(place.history.at(-1)).toBe('/cases/tabs/sharing/members');
    show('view-as');
    expect(selected()).toBe('見え方の確認');
    await waitFor(() => expect(screen.getByLabelText(/どの機関からの見え方/)).toBeDefined());
  });

  it('leafs through the access log', async () => {
    get.mockResolvedValueOnce({ items: [], next_cursor: '50' });
    open('log', 'log');
    get.mockResolvedValueOnce({ items: [], next_cursor: null });
    fireEvent.click(await screen.findByText('古い方へ'));
    await screen.findByText('新しい方へ');
    expect(get.mock.calls.map((call) => call[1])).toMatchObject([
      { cursor: undefined },
      { cursor: '50' },
    ]);
  });
});
