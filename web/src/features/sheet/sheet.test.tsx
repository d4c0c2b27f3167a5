import { act, fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import type { FormDefinition } from '../../forms/definition';
import type { DocumentConnection } from '../../sync/connection';
import { ToastProvider } from '../../ui';
import { SeenBadge } from './SeenBadge';
import { SheetEditor } from './SheetEditor';

vi.mock('../../app/session', () => ({
  useSession: () => ({ session: { municipality: { zone: 'Asia/Tokyo' } } }),
}));

const definition = {
  id: 'form',
  title: '様式',
  version: 1,
  verified: true,
  sections: [
    {
      id: 'one',
      title: '一',
      fields: [
        { id: 'choice', label: '区分', type: 'bool' },
        { id: 'day', label: '訪問日', type: 'date', required: true },
        { id: 'money', label: '月収', type: 'int' },
      ],
    },
  ],
} as unknown as FormDefinition;

const saved = {
  save: 'saved',
  unsaved: 0,
  savedAt: null,
  synced: true,
  composing: false,
  fallback: false,
  blocked: false,
} as const;

function open() {
  const doc = new Y.Doc();
  const connection = {
    doc,
    awareness: new Awareness(doc),
    writable: true,
    subscribe: () => () => undefined,
    state: () => saved,
    setPresence: () => undefined,
    setComposing: () => undefined,
  } as unknown as DocumentConnection;
  render(
    <ToastProvider>
      <SheetEditor
        connection={connection}
        definition={definition}
        references={{ users: [], orgs: [], persons: [] }}
        seenBy={[]}
      />
    </ToastProvider>,
  );
  return doc.getMap('fields');
}

const write = (label: RegExp, value: string) => {
  const box = screen.getByLabelText(label);
  fireEvent.change(box, { target: { value } });
  return box;
};
/** The save state as it is seen; what is read out follows once it lasts. */
const shownState = () =>
  document.querySelector('.save-status')?.firstElementChild?.nextSibling?.textContent;
const check = () => fireEvent.click(screen.getByText('内容を確認'));
const FINE = '入力内容に誤りはありません。';

describe('a sheet with a box that cannot be read', () => {
  it('is not called free of errors, nor saved', () => {
    const fields = open();
    fireEvent.blur(write(/訪問日/, '2026-11-20'));
    expect(shownState()).toBe('保存済み');
    write(/月収/, '十万くらい');
    expect(shownState()).toBe('入力中');
    fireEvent.blur(screen.getByLabelText(/月収/));
    expect(shownState()).toBe('未保存 1件');
    check();
    expect(screen.queryByText(FINE)).toBeNull();
    expect(screen.getByRole('alert').textContent).toContain('「月収」：数字で入力してください。');
    fireEvent.blur(write(/月収/, '１００，０００円'));
    expect(fields.get('money')).toBe(100_000);
    check();
    expect(screen.getByText(FINE)).toBeDefined();
    expect(shownState()).toBe('保存済み');
  });

  it('does not take the focus from whoever mends it', () => {
    open();
    check();
    expect(document.activeElement).toBe(screen.getByRole('alert'));
    const box = write(/訪問日/, '2026-11-20');
    fireEvent.blur(box);
    act(() => screen.getByLabelText(/月収/).focus());
    fireEvent.blur(write(/訪問日/, ''));
    expect(screen.getByRole('alert')).toBeDefined();
    expect(document.activeElement).toBe(screen.getByLabelText(/月収/));
  });

  it('leaves Ctrl+Z in a box being typed into to the browser', () => {
    const fields = open();
    fireEvent.click(screen.getByLabelText('はい'));
    expect(fields.get('choice')).toBe(true);
    const box = write(/訪問日/, '2026-11');
    expect(fireEvent.keyDown(box, { key: 'z', ctrlKey: true })).toBe(true);
    expect(fields.get('choice')).toBe(true);
    fireEvent.blur(write(/訪問日/, ''));
    expect(fireEvent.keyDown(box, { key: 'z', ctrlKey: true })).toBe(false);
    expect(fields.get('choice')).toBeUndefined();
  });
});

describe('SeenBadge', () => {
  it('names the agencies when pressed, and puts them away with Esc', () => {
    render(
      <SeenBadge
        seenBy={[
          { agency_id: 'a', name: '甲機関', level: 'edit' },
          { agency_id: 'b', name: '乙機関', level: 'masked' },
        ]}
      />,
    );
    const button = screen.getByRole('button', { expanded: false });
    fireEvent.click(button);
    expect(screen.getByRole('button', { expanded: true })).toBe(button);
    expect(screen.getAllByRole('listitem').map((item) => item.textContent)).toEqual([
      '甲機関編集',
      '乙機関マスク済み',
    ]);
    fireEvent.keyDown(button, { key: 'Escape' });
    expect(screen.queryByText('甲機関')).toBeNull();
  });
});
