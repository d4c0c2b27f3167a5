import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { fireEvent, render, screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, api } from '../../api/client';
import { SearchField, suggestionsOf } from './SearchField';
import { hrefOf, SearchHits, type Hit } from './SearchHits';
import { filtersFrom, NO_FILTERS, searchProblem } from './SearchPage';

const CASE = {
  id: 'c1',
  case_no: '2026-0147',
  title: '',
  clients: ['［氏名1］'],
  stage: 'active',
  stage_label: '支援中',
  closed: false,
};

function hit(part: Partial<Hit>): Hit {
  return {
    kind: 'record',
    id: 'r1',
    case: CASE,
    cases: [],
    name: null,
    kana: null,
    section: null,
    heading: '訪問',
    day: '2026-11-16',
    agency: '東包括',
    masked: false,
    private: false,
    snippets: [
      {
        label: '',
        pieces: [
          { text: '玄関', hit: true },
          { text: 'で話した。', hit: false },
        ],
      },
    ],
    ...part,
  };
}

const SUGGESTED = {
  recent: ['家賃 滞納'],
  persons: [{ id: 'p1', name: '山本 健一', kana: 'やまもと けんいち' }],
  cases: [{ id: 'c1', case_no: '2026-0147', title: '' }],
};

function Field({
  onSearch,
  onOpen,
}: {
  onSearch: (q: string) => void;
  onOpen: (to: string) => void;
}) {
  const [words, setWords] = useState('');
  return (
    <QueryClientProvider client={new QueryClient()}>
      <SearchField
        id="f"
        label="探す"
        value={words}
        onChange={setWords}
        onSearch={onSearch}
        onOpen={onOpen}
      />
    </QueryClientProvider>
  );
}

describe('the search field', () => {
  beforeEach(() => {
    vi.restoreAllMocks();
  });

  it('leads to suggestions with the arrows and to the words with Enter', async () => {
    const post = vi.spyOn(api, 'post').mockResolvedValue(SUGGESTED);
    const [onSearch, onOpen] = [vi.fn(), vi.fn()];
    render(<Field onSearch={onSearch} onOpen={onOpen} />);
    const box = screen.getByRole('combobox');
    fireEvent.focus(box);
    fireEvent.change(box, { target: { value: '山本' } });
    await screen.findByRole('option', { name: /山本 健一/ });
    expect(post).toHaveBeenLastCalledWith('search/suggestions', { q: '山本' });
    fireEvent.keyDown(box, { key: 'ArrowDown' });
    fireEvent.keyDown(box, { key: 'ArrowDown' });
    fireEvent.keyDown(box, { key: 'Enter' });
    expect(onOpen).toHaveBeenCalledWith('/cases/c1/overview');
    fireEvent.change(box, { target: { value: '山本 猫 ' } });
    fireEvent.keyDown(box, { key: 'Enter' });
    expect(onSearch).toHaveBeenCalledWith('山本 猫');
  });

  it('leaves Enter to the input method and asks nothing while it composes', async () => {
    const post = vi.spyOn(api, 'post').mockResolvedValue(SUGGESTED);
    const onSearch = vi.fn();
    render(<Field onSearch={onSearch} onOpen={vi.fn()} />);
    const box = screen.getByRole('combobox');
    fireEvent.focus(box);
    fireEvent.compositionStart(box);
    fireEvent.change(box, { target: { value: 'やまも' } });
    fireEvent.keyDown(box, { key: 'Enter' });
    await new Promise((done) => setTimeout(done, 400));
    expect(onSearch).not.toHaveBeenCalled();
    expect(post).not.toHaveBeenCalled();
    fireEvent.compositionEnd(box);
    fireEvent.change(box, { target: { value: '山本' } });
    await waitFor(() => expect(post).toHaveBeenCalledWith('search/suggestions', { q: '山本' }));
    fireEvent.keyDown(box, { key: 'Enter' });
    expect(onSearch).toHaveBeenCalledWith('山本');
  });

  it('puts persons first, then cases, then own searches', () => {
    expect(suggestionsOf(SUGGESTED).map((item) => item.kind)).toEqual(['person', 'case', 'recent']);
    expect(suggestionsOf(undefined)).toEqual([]);
  });
});

describe('hits', () => {
  it('lead to where they are read', () => {
    expect(hrefOf(hit({}))).toBe('/cases/c1/progress/r1');
    expect(hrefOf(hit({ kind: 'sheet', section: 'intake' }))).toBe('/cases/c1/intake');
    expect(hrefOf(hit({ kind: 'case' }))).toBe('/cases/c1/overview');
    expect(hrefOf(hit({ kind: 'transcript', id: 't1' }))).toBe('/transcripts/t1');
    expect(hrefOf(hit({ kind: 'attachment', attachment: 'a1', heading: '書類.pdf' }))).toBe(
      '/cases/c1/progress/r1',
    );
    expect(hrefOf(hit({ kind: 'person', case: null }))).toBeUndefined();
  });

  it('say when they are masked, and mark the words', () => {
    const { container } = render(<SearchHits hits={[hit({ masked: true })]} start={1} />);
    expect(screen.getByText('マスク済み')).toBeDefined();
    expect(container.querySelector('mark')?.textContent).toBe('玄関');
    expect(screen.getByText('［氏名1］')).toBeDefined();
  });
});

it('reads filters that another version saved', () => {
  expect(filtersFrom(null)).toEqual(NO_FILTERS);
  expect(filtersFrom({ kind: 'nonsense', stage: 7, sort: '' })).toEqual(NO_FILTERS);
  expect(filtersFrom({ kind: 'record', from: '2026-04-01' })).toEqual({
    ...NO_FILTERS,
    kind: 'record',
    from: '2026-04-01',
  });
});

it('says in words of the search what is wrong with the words', () => {
  const refused = (code: string) => new ApiError(422, 'invalid', [{ path: 'q', code }]);
  expect(searchProblem(refused('too_long'))).toContain('200文字');
  expect(searchProblem(refused('too_many_words'))).toContain('10語');
  expect(searchProblem(new ApiError(503, 'search_not_ready'))).toContain('索引');
});
