import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { fireEvent, render, screen, waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { api, ApiError } from '../../api/client';
import type { DocumentInfo } from '../../api/types';
import type { FormDefinition } from '../../forms/definition';
import type { DocumentConnection } from '../../sync/connection';
import { ToastProvider } from '../../ui';
import { FinaliseButton, Finals, finalsOf } from './Finals';

vi.mock('../../app/session', () => ({
  useSession: () => ({ session: { municipality: { zone: 'Asia/Tokyo' } } }),
}));

const definition = {
  id: 'form',
  title: '受付票',
  sections: [
    {
      id: 'one',
      title: '一',
      fields: [{ id: 'day', label: '訪問日', type: 'date', required: true }],
    },
  ],
} as unknown as FormDefinition;

const version = (seq: number, kind: 'automatic' | 'final') => ({
  id: `1-${seq}`,
  seq,
  kind,
  label: null,
  restored_from: null,
  at: `2026-11-0${seq}T01:00:00Z`,
  by: { account_id: 'a', name: '佐々木', agency_id: 'g', agency: '市社協' },
});

function show(children: React.ReactNode) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={queries}>
      <ToastProvider>{children}</ToastProvider>
    </QueryClientProvider>,
  );
}

function button(save: 'saved' | 'saving', day: string | null) {
  const doc = new Y.Doc();
  if (day) doc.getMap('fields').set('day', day);
  const state = {
    save,
    unsaved: 0,
    savedAt: null,
    synced: true,
    composing: false,
    fallback: false,
    blocked: false,
  };
  const connection = {
    doc,
    subscribe: () => () => undefined,
    state: () => state,
  } as unknown as DocumentConnection;
  show(
    <FinaliseButton connection={connection} documentId="d1" definition={definition} outside={{}} />,
  );
  fireEvent.click(screen.getByText('確定する'));
}

const post = vi.spyOn(api, 'post');
const get = vi.spyOn(api, 'get');

beforeEach(() => {
  post.mockReset();
  get.mockReset();
});

describe('確定する', () => {
  it('says what is missing before anything is sent', () => {
    button('saved', null);
    expect(screen.getByText('「訪問日」を入力してください。')).toBeDefined();
    expect(screen.queryByText('この内容で確定する')).toBeNull();
  });

  it('waits until everything is saved', () => {
    button('saving', '2026-11-02');
    fireEvent.click(screen.getByText('この内容で確定する'));
    expect(post).not.toHaveBeenCalled();
    expect(screen.getByText('保存が終わると確定できます。')).toBeDefined();
  });

  it('sends, and names what the server still found', async () => {
    post.mockRejectedValue(new ApiError(422, 'invalid', [{ path: 'day', code: 'required' }]));
    button('saved', '2026-11-02');
    fireEvent.click(screen.getByText('この内容で確定する'));
    expect(await screen.findByText('「訪問日」を入力してください。')).toBeDefined();
    expect(post).toHaveBeenCalledWith('documents/d1/finalise');
  });
});

describe('finals', () => {
  it('are numbered from the first and listed from the last', () => {
    const list = finalsOf([
      version(1, 'automatic'),
      version(2, 'final'),
      version(3, 'automatic'),
      version(4, 'final'),
    ]);
    expect(list.map((final) => [final.number, final.seq])).toEqual([
      [2, 4],
      [1, 2],
    ]);
  });

  it('are opened for a correction only after a question', async () => {
    get.mockResolvedValue({ items: [version(2, 'final')] });
    post.mockResolvedValue(undefined);
    show(<Finals info={{ id: 'd1', state: 'final' } as DocumentInfo} mayEdit />);
    expect(await screen.findByText('第1版')).toBeDefined();
    fireEvent.click(screen.getByText('訂正のために開く'));
    expect(post).not.toHaveBeenCalled();
    fireEvent.click(screen.getAllByText('訂正のために開く').at(-1)!);
    await waitFor(() => expect(post).toHaveBeenCalledWith('documents/d1/reopen'));
  });

  it('offer no way back to those who may not write', async () => {
    get.mockResolvedValue({ items: [version(2, 'final')] });
    show(<Finals info={{ id: 'd1', state: 'final' } as DocumentInfo} mayEdit={false} />);
    expect(await screen.findByText('第1版')).toBeDefined();
    expect(screen.queryByText('訂正のために開く')).toBeNull();
  });
});
