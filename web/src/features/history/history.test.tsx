import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Router } from 'wouter';
import { memoryLocation } from 'wouter/memory-location';
import { api } from '../../api/client';
import type { FormDefinition } from '../../forms/definition';
import { ToastProvider } from '../../ui';
import type { Comparison, HistoryItem, HistoryList, Version } from './api';
import { ComparisonView } from './ComparisonView';
import { Timeline, whoOptions } from './Timeline';
import { fold, side } from './pieces';
import { Versions } from './Versions';
import { byDay, rowWords, spanWords, versionWords, withMarks } from './words';

vi.mock('../../app/session', () => ({
  useSession: () => ({ session: { municipality: { zone: 'Asia/Tokyo' } } }),
}));

const get = vi.spyOn(api, 'get');
/** Answers the timeline with a page, and the question for versions with none. */
const answer = (page: HistoryList) =>
  get.mockImplementation((path, query) =>
    Promise.resolve(path.endsWith('/versions') ? { items: [] } : query?.cursor ? list([]) : page),
  );
const post = vi.spyOn(api, 'post');

beforeEach(() => {
  get.mockReset();
  post.mockReset();
});

const definition = {
  id: 'form',
  title: 'アセスメント',
  lists: [{ id: 'areas', title: '', options: [{ code: 'money', label: '経済的困窮' }] }],
  sections: [
    {
      id: 'one',
      title: '主訴・経緯',
      fields: [
        { id: 'summary', label: '相談の概要', type: 'textarea' },
        { id: 'areas', label: '分野', type: 'multiselect', options: 'areas' },
        { id: 'day', label: '訪問日', type: 'date' },
      ],
    },
  ],
} as unknown as FormDefinition;

const props = {
  documentId: 'd1',
  base: '/cases/c1/assessment',
  formId: undefined,
  mayEdit: true,
  final: false,
};

const person = (name: string, agency: string) => ({
  account_id: `acc-${name}`,
  name,
  agency_id: `ag-${agency}`,
  agency,
});

const item = (over: Partial<HistoryItem>): HistoryItem => ({
  id: '1.0',
  since: '2026-11-30T01:02:00.000Z',
  until: '2026-11-30T01:02:00.000Z',
  by: person('佐々木', '市社協'),
  field: 'summary',
  label: '相談の概要',
  row: null,
  row_number: null,
  row_name: null,
  parts: [],
  ...over,
});

const part = (over: Partial<HistoryItem['parts'][number]>): HistoryItem['parts'][number] => ({
  path: 'summary',
  label: null,
  kind: 'text',
  inserted: 0,
  deleted: 0,
  words: [],
  more: false,
  value: null,
  ...over,
});

const list = (items: HistoryItem[], next: string | null = null): HistoryList => ({
  section: 'assessment',
  items,
  next_cursor: next,
  people: [person('佐々木', '市社協'), person('田中', '東包括')],
  fields: [{ id: 'summary', label: '相談の概要' }],
});

const version = (over: Partial<Version>): Version => ({
  id: '1-3',
  seq: 3,
  at: '2026-11-29T01:00:00.000Z',
  kind: 'kept',
  label: '会議の前',
  restored_from: null,
  by: person('佐々木', '市社協'),
  ...over,
});

function show(children: React.ReactNode) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const { hook, history } = memoryLocation({ path: '/', record: true });
  render(
    <Router hook={hook}>
      <QueryClientProvider client={queries}>
        <ToastProvider>{children}</ToastProvider>
      </QueryClientProvider>
    </Router>,
  );
  return history;
}

describe('words', () => {
  it('puts contributions under the day of the municipality', () => {
    const days = byDay(
      [
        item({ since: '2026-11-30T15:30:00.000Z' }),
        item({ since: '2026-11-30T14:30:00.000Z' }),
        item({ since: '2026-11-30T01:00:00.000Z' }),
      ],
      'Asia/Tokyo',
    );
    expect(days.map(({ day, items }) => [day, items.length])).toEqual([
      ['令和8年12月1日（火）', 1],
      ['令和8年11月30日（月）', 2],
    ]);
  });

  it('puts kept moments among what was written, as far back as that is loaded', () => {
    const items = [
      item({ id: '2.0', since: '2026-11-30T02:00:00.000Z' }),
      item({ id: '1.0', since: '2026-11-30T01:00:00.000Z' }),
    ];
    const at = (time: string, kind: Version['kind']) =>
      version({ id: time, kind, at: `2026-11-30T${time}:00.000Z` });
    const versions = [
      at('03:00', 'restored'),
      at('02:59', 'before_restore'),
      at('01:30', 'kept'),
      at('01:20', 'automatic'),
      at('00:10', 'final'),
    ];
    const order = (open: boolean) =>
      withMarks(items, versions, open).map((one) => ('version' in one ? one.version.id : one.id));
    expect(order(false)).toEqual(['03:00', '2.0', '01:30', '1.0', '00:10']);
    expect(order(true)).toEqual(['03:00', '2.0', '01:30', '1.0']);
  });

  it('says how long a contribution took only when it took a while', () => {
    expect(spanWords(item({}), 'Asia/Tokyo')).toBe('10:02');
    expect(spanWords(item({ until: '2026-11-30T01:31:00.000Z' }), 'Asia/Tokyo')).toBe(
      '10:02〜10:31',
    );
  });

  it('names versions, rows and people', () => {
    const kept = version({});
    expect(versionWords(kept, 'Asia/Tokyo')).toBe('会議の前');
    const restored = version({ id: '1-9', kind: 'restored', restored_from: '1-3', label: null });
    expect(versionWords(restored, 'Asia/Tokyo', [kept])).toBe(
      '令和8年11月29日（日）10:00の版に戻した',
    );
    const row = { id: 'r', kind: 'changed' as const, cells: [], last: null };
    expect(rowWords({ ...row, name: null, number_before: 1, number_after: 2 })).toBe('2行目');
    expect(rowWords({ ...row, name: null, number_before: 3, number_after: null })).toBe(
      'もとの3行目',
    );
    expect(rowWords({ ...row, name: '花子', number_before: 1, number_after: 1 })).toBe('「花子」');
    expect(whoOptions(list([]).people).map(({ label }) => label)).toEqual([
      '機関：市社協',
      '機関：東包括',
      '佐々木（市社協）',
      '田中（東包括）',
    ]);
  });
});

describe('comparison of texts', () => {
  const long = 'あ'.repeat(300);

  it('folds what is far from every change, and keeps all of it', () => {
    const shown = fold([
      { kind: 'same', text: long },
      { kind: 'added', text: '新' },
      { kind: 'same', text: long },
    ]);
    expect(shown.map(({ kind, text }) => [kind, [...text].length])).toEqual([
      ['folded', 260],
      ['same', 40],
      ['added', 1],
      ['same', 40],
      ['folded', 260],
    ]);
    expect(shown.map(({ text }) => text).join('')).toBe(`${long}新${long}`);
  });

  it('does not cut a character and leaves short stretches', () => {
    const text = '𠮷'.repeat(120);
    const shown = fold([
      { kind: 'same', text },
      { kind: 'removed', text: '古' },
    ]);
    expect(shown.map((piece) => piece.text).join('')).toBe(`${text}古`);
    expect(shown.every((piece) => !/[\ud800-\udbff]$/.test(piece.text))).toBe(true);
    expect(
      fold([
        { kind: 'same', text: '短い' },
        { kind: 'added', text: '新' },
      ]),
    ).toHaveLength(2);
  });

  it('shows each side without what the other has', () => {
    const pieces = [
      { kind: 'same' as const, text: '夜は' },
      { kind: 'removed' as const, text: '眠れない' },
      { kind: 'added' as const, text: '眠れる' },
    ];
    const words = (which: 'before' | 'after') =>
      side(pieces, which)
        .map(({ text }) => text)
        .join('');
    expect(words('before')).toBe('夜は眠れない');
    expect(words('after')).toBe('夜は眠れる');
  });
});

describe('だれが・いつ・何を', () => {
  const timeline = (onFilter = vi.fn()) =>
    show(
      <Timeline
        {...props}
        definition={definition}
        filter={{ field: '', who: '' }}
        onFilter={onFilter}
      />,
    );

  it('tells words that are there, the number of those that are gone, and values by name', async () => {
    answer(
      list([
        item({
          id: '3.0',
          parts: [part({ inserted: 12, deleted: 4, words: ['母と二人暮らし。', '夜は'] })],
        }),
        item({
          id: '2.0',
          by: person('田中', '東包括'),
          field: 'areas',
          label: '分野',
          parts: [part({ path: 'areas/money', kind: 'value', value: true })],
        }),
        item({
          id: '1.0',
          field: 'day',
          label: '訪問日',
          parts: [part({ path: 'day', kind: 'value', value: '2026-11-02' })],
        }),
        item({ id: '0.0', parts: [part({ inserted: 9 })] }),
      ]),
    );
    timeline();
    expect(await screen.findByText('入力（12字）')).toBeDefined();
    expect(screen.getByText('削除（4字）')).toBeDefined();
    expect(screen.getByText('母と二人暮らし。', { exact: false })).toBeDefined();
    expect(screen.getByText('経済的困窮')).toBeDefined();
    expect(screen.getByText('令和8年11月2日')).toBeDefined();
    expect(screen.getByText('その後、すべて書き直されました。')).toBeDefined();
    const links = screen.getAllByRole('link', { name: '相談の概要' });
    expect(links[0]?.getAttribute('href')).toBe('/cases/c1/assessment#summary');
  });

  it('asks the server for one field and one agency, and for older pages', async () => {
    answer(list([item({ parts: [part({ deleted: 1 })] })], '1.0'));
    const onFilter = vi.fn();
    show(
      <Timeline
        {...props}
        definition={definition}
        filter={{ field: 'summary', who: 'agency:ag-東包括' }}
        onFilter={onFilter}
      />,
    );
    await screen.findByText('削除（1字）');
    const asked = () => get.mock.calls.findLast(([path]) => path.endsWith('/history'))?.[1];
    expect(asked()).toMatchObject({
      field: 'summary',
      agency_id: 'ag-東包括',
      account_id: undefined,
      cursor: undefined,
    });
    fireEvent.click(screen.getByText('さらに古い記入を見る'));
    await waitFor(() => expect(asked()).toMatchObject({ cursor: '1.0' }));
    fireEvent.change(screen.getByLabelText('欄'), { target: { value: '' } });
    expect(onFilter).toHaveBeenCalledWith({ field: '', who: 'agency:ag-東包括' });
  });
});

describe('くらべる・戻す', () => {
  const comparison: Comparison = {
    section: 'assessment',
    from: version({}),
    to: version({ id: 'now', kind: 'now', label: null, by: null }),
    fields: [
      {
        field: 'summary',
        label: '相談の概要',
        heading: '主訴・経緯',
        pieces: [
          { kind: 'same', text: '夜は' },
          { kind: 'removed', text: '眠れない' },
          { kind: 'added', text: '眠れる' },
        ],
        last: { at: '2026-11-30T01:02:00.000Z', by: person('田中', '東包括') },
      },
      { field: 'day', label: '訪問日', heading: '主訴・経緯', after: '2026-11-02', last: null },
    ],
  };
  const open = (over: Partial<typeof props> = {}) => {
    get.mockImplementation((path) =>
      Promise.resolve(path.endsWith('/versions') ? { items: [version({})] } : comparison),
    );
    return show(
      <ComparisonView
        {...props}
        {...over}
        definition={definition}
        from="1-3"
        to="now"
        onMoments={vi.fn()}
      />,
    );
  };

  it('marks what came and went by more than colour', async () => {
    open();
    expect(await screen.findByText('2欄が違います。')).toBeDefined();
    const field = screen.getByRole('region', { name: '相談の概要' });
    expect(field.querySelector('ins')?.textContent).toBe('［追加：眠れる］');
    expect(field.querySelector('del')?.textContent).toBe('［削除：眠れない］');
    expect(within(field).getByText(/田中（東包括）/)).toBeDefined();
    expect(screen.getByText('（空欄）')).toBeDefined();
  });

  it('goes back only after a question whose first answer is やめる', async () => {
    post.mockResolvedValue({ seq: 9, before: '1-8', changed: ['summary', 'day'], left_out: [] });
    const history = open();
    fireEvent.click(await screen.findByRole('button', { name: /前の版.*に戻す/ }));
    const dialog = await screen.findByRole('alertdialog');
    expect(within(dialog).getByText('相談の概要、訪問日')).toBeDefined();
    const answers = within(dialog).getAllByRole('button').slice(-2);
    expect(answers.map((button) => button.textContent)).toEqual(['やめる', '2欄を戻す']);
    expect(post).not.toHaveBeenCalled();
    fireEvent.click(within(dialog).getByText('やめる'));
    expect(post).not.toHaveBeenCalled();
    fireEvent.click(screen.getByRole('button', { name: /前の版.*に戻す/ }));
    fireEvent.click(within(await screen.findByRole('alertdialog')).getByText('2欄を戻す'));
    await waitFor(() =>
      expect(post).toHaveBeenCalledWith('documents/d1/restore', { version: '1-3' }),
    );
    expect(await screen.findByText(/2欄を、前の版の内容に戻しました/)).toBeDefined();
    expect(history.at(-1)).toBe('/cases/c1/assessment');
  });

  it('says which fields could not be taken back', async () => {
    post.mockResolvedValue({ seq: 9, before: '1-8', changed: ['summary'], left_out: ['day'] });
    open();
    fireEvent.click(await screen.findByRole('button', { name: /前の版.*に戻す/ }));
    fireEvent.click(within(await screen.findByRole('alertdialog')).getByText('2欄を戻す'));
    expect(await screen.findByText(/そのままです：訪問日/)).toBeDefined();
  });

  it('offers no way back to readers, and says why a final sheet has none', async () => {
    open({ mayEdit: false });
    await screen.findByText('2欄が違います。');
    expect(screen.queryByRole('button', { name: /に戻す/ })).toBeNull();
  });

  it('says why a final sheet cannot be taken back', async () => {
    open({ final: true });
    const button = await screen.findByRole('button', { name: /前の版.*に戻す/ });
    fireEvent.click(button);
    expect(screen.queryByRole('alertdialog')).toBeNull();
    expect(screen.getByText(/確定した記録です/)).toBeDefined();
  });
});

describe('版', () => {
  it('shows named versions first and the automatic ones on request', async () => {
    get.mockResolvedValue({
      items: [
        version({ id: '1-1', kind: 'automatic', label: null }),
        version({}),
        version({ id: '1-4', kind: 'automatic', label: null }),
      ],
    });
    show(<Versions {...props} />);
    expect(await screen.findByText('会議の前')).toBeDefined();
    expect(screen.queryByText('自動')).toBeNull();
    fireEvent.click(screen.getByText('自動の版も表示（2件）'));
    expect(screen.getAllByText('自動')).toHaveLength(2);
    const link = screen.getAllByRole('link', { name: /いまとくらべる/ })[1];
    expect(link?.getAttribute('href')).toBe('/cases/c1/assessment/compare?from=1-3&to=now');
  });

  it('keeps the present one under a name and says what must not be in it', async () => {
    get.mockResolvedValue({ items: [] });
    post.mockResolvedValue(version({}));
    show(<Versions {...props} />);
    fireEvent.click(await screen.findByText('いまの版を残す'));
    expect(screen.getByText(/個人が分かることばは書かないでください/)).toBeDefined();
    fireEvent.click(screen.getByText('この名前で残す'));
    expect(post).not.toHaveBeenCalled();
    fireEvent.click(screen.getByText('会議の前'));
    fireEvent.click(screen.getByText('この名前で残す'));
    await waitFor(() =>
      expect(post).toHaveBeenCalledWith('documents/d1/versions', { label: '会議の前' }),
    );
  });
});
