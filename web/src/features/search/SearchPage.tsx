import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { api, ApiError } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { useSearched } from '../../app/Shell';
import { problemText } from '../../i18n/problems';
import {
  Button,
  Checkbox,
  DateInput,
  Empty,
  Notice,
  PageHead,
  Progress,
  Select,
  TextInput,
} from '../../ui';
import { STAGES } from '../cases/vocabulary';
import { SearchField } from './SearchField';
import { KIND_LABELS, SearchHits, type Kind } from './SearchHits';

type Answer = Schema<'SearchAnswer'>;
type Saved = Schema<'SavedSearches'>;

/** Hits of a page. */
const PAGE = 20;

export interface Filters {
  kind: Kind | '';
  stage: string;
  agency: string;
  state: string;
  from: string;
  to: string;
  sort: string;
}

export const NO_FILTERS: Filters = {
  kind: '',
  stage: '',
  agency: '',
  state: '',
  from: '',
  to: '',
  sort: 'relevance',
};

/** Filters that another version of the screen may have saved. */
export function filtersFrom(value: unknown): Filters {
  const kept = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const text = (name: keyof Filters): string =>
    typeof kept[name] === 'string' ? kept[name] : NO_FILTERS[name];
  const kind = text('kind');
  return {
    kind: kind in KIND_LABELS ? (kind as Kind) : '',
    stage: text('stage'),
    agency: text('agency'),
    state: text('state'),
    from: text('from'),
    to: text('to'),
    sort: text('sort') || 'relevance',
  };
}

/** 「検索」: one search over everything one may see. Words never go into the address. */
export default function SearchPage() {
  const { session } = useSession();
  const [, navigate] = useLocation();
  const searched = useSearched();
  const client = useQueryClient();
  const [words, setWords] = useState(searched?.q ?? '');
  const [applied, setApplied] = useState(searched?.q ?? '');
  const [filters, setFilters] = useState<Filters>(NO_FILTERS);
  const [trail, setTrail] = useState<string[]>([]);
  const cursor = trail.at(-1);
  const search = (next: string): void => {
    setWords(next);
    setApplied(next);
    setTrail([]);
  };
  // The search box of the top bar may be used again while this page is open.
  useEffect(() => {
    setWords(searched?.q ?? '');
    setApplied(searched?.q ?? '');
    setTrail([]);
  }, [searched]);
  const change = (part: Partial<Filters>): void => {
    setFilters({ ...filters, ...part });
    setTrail([]);
  };
  const query = useQuery({
    queryKey: ['search', applied, filters, cursor],
    queryFn: () =>
      api.post<Answer>('search', {
        q: applied,
        kinds: filters.kind === '' ? [] : [filters.kind],
        stages: filters.stage === '' ? [] : [filters.stage],
        agency: filters.agency || null,
        state: filters.state || null,
        from: filters.from || null,
        to: filters.to || null,
        sort: filters.sort,
        cursor: cursor ?? null,
        limit: PAGE,
      }),
    enabled: applied !== '',
    placeholderData: keepPreviousData,
    retry: (count, error) =>
      error instanceof ApiError && error.code === 'search_not_ready' && count < 5,
    retryDelay: 2000,
  });
  const agencies = useQuery({
    queryKey: ['agencies'],
    queryFn: ({ signal }) => api.get<Schema<'AgencyList'>>('agencies', {}, signal),
    staleTime: 300_000,
  });
  const kept = useQuery({
    queryKey: ['search', 'saved'],
    queryFn: ({ signal }) => api.get<Saved>('search/saved', {}, signal),
  });
  const refresh = () => client.invalidateQueries({ queryKey: ['search', 'saved'] });
  const remove = useMutation({
    mutationFn: (id: string) => api.delete<undefined>(`search/saved/${id}`),
    onSuccess: refresh,
  });
  const forget = useMutation({
    mutationFn: () => api.delete<undefined>('search/recent'),
    onSuccess: refresh,
  });
  const [counts, setCounts] = useState<Readonly<Record<string, number>>>({});
  // Narrowed to one kind, the answer counts that kind alone: the numbers of all stay from before.
  useEffect(() => {
    if (query.data && !query.isPlaceholderData && filters.kind === '') setCounts(query.data.counts);
  }, [query.data, query.isPlaceholderData, filters.kind]);
  const answer = applied === '' ? undefined : query.data;
  // Words came from the top bar: the next Tab is on the first hit, unless somebody went elsewhere.
  const list = useRef<HTMLOListElement>(null);
  const arrived = useRef<typeof searched>(null);
  const found = query.isSuccess && !query.isPlaceholderData;
  useEffect(() => {
    if (!found || !list.current || !searched || arrived.current === searched) return;
    arrived.current = searched;
    const at = document.activeElement;
    if (at === null || at === document.body || at.id === 'main')
      list.current.focus({ preventScroll: true });
  }, [found, searched]);
  const narrowed =
    filters.stage !== '' ||
    filters.agency !== '' ||
    filters.state !== '' ||
    filters.from !== '' ||
    filters.to !== '';
  const first = trail.length * PAGE + 1;
  const readsMasked = session.membership.agency.class === 'agency';
  return (
    <>
      <PageHead
        title="検索"
        lead="人・事案・シート・支援経過・文字起こし・添付ファイルを、まとめて探します。開示されているものだけが見つかります。"
      />
      <div className="search-page">
        <form
          role="search"
          aria-label="全体を探す"
          className="search-page__form"
          onSubmit={(event) => {
            event.preventDefault();
            search(words.trim());
          }}
        >
          <SearchField
            id="search-words"
            label="探すことば（氏名・かな・事案番号・記録のことば）"
            value={words}
            onChange={setWords}
            onSearch={search}
            onOpen={navigate}
          />
          <Button type="submit" variant="primary" icon="search" busy={query.isFetching}>
            探す
          </Button>
        </form>
        {applied !== '' && (
          <>
            <div className="search-page__kinds" role="group" aria-label="種類で絞り込む">
              {(['', ...(Object.keys(KIND_LABELS) as Kind[])] as const).map((kind) => {
                const number =
                  kind === ''
                    ? Object.values(counts).reduce((sum, count) => sum + count, 0)
                    : (counts[kind] ?? 0);
                return (
                  <button
                    key={kind}
                    type="button"
                    aria-pressed={filters.kind === kind}
                    onClick={() => change({ kind })}
                  >
                    {kind === '' ? 'すべて' : KIND_LABELS[kind]}
                    {!query.isError && <span className="search-page__count">{number}</span>}
                  </button>
                );
              })}
            </div>
            <details className="search-page__filters" open={narrowed}>
              <summary>段階・担当機関・期間などで絞り込む</summary>
              <div className="filters">
                <Select
                  label="段階"
                  value={filters.stage}
                  empty="すべて"
                  options={Object.entries(STAGES).map(([code, label]) => ({ code, label }))}
                  onChange={(stage) => change({ stage })}
                />
                <Select
                  label="担当機関"
                  value={filters.agency}
                  empty="すべて"
                  options={(agencies.data?.items ?? [])
                    .filter((agency) => agency.class === 'coordinator')
                    .map((agency) => ({ code: agency.id, label: agency.name }))}
                  onChange={(agency) => change({ agency })}
                />
                <Select
                  label="終結"
                  value={filters.state}
                  empty="すべて"
                  options={[
                    { code: 'open', label: '支援中の事案' },
                    { code: 'closed', label: '終結した事案' },
                  ]}
                  onChange={(state) => change({ state })}
                />
                <DateInput
                  label="この日から"
                  value={filters.from}
                  onChange={(from) => change({ from })}
                />
                <DateInput
                  label="この日まで"
                  value={filters.to}
                  onChange={(to) => change({ to })}
                />
                {narrowed && (
                  <Button
                    variant="text"
                    onClick={() =>
                      change({ ...NO_FILTERS, kind: filters.kind, sort: filters.sort })
                    }
                  >
                    絞り込みを外す
                  </Button>
                )}
              </div>
            </details>
          </>
        )}
        {applied !== '' && query.isError && (
          <Notice tone="error" live title="探せませんでした">
            {searchProblem(query.error)}
          </Notice>
        )}
        {applied !== '' && query.isPending && !query.isError && <Progress label="探しています" />}
        {answer && !query.isError && (
          <section aria-label="見つかったもの">
            <div className="search-page__head">
              <p role="status" className={answer.total === 0 ? 'visually-hidden' : undefined}>
                {answer.total === 0
                  ? '見つかりませんでした'
                  : `${answer.total}件${answer.more ? '以上' : ''}見つかりました`}
              </p>
              {answer.total > 0 && (
                <span className="row">
                  <Select
                    label="並び順"
                    value={filters.sort}
                    options={[
                      { code: 'relevance', label: '関連の高い順' },
                      { code: 'newest', label: '新しい順' },
                      { code: 'oldest', label: '古い順' },
                    ]}
                    onChange={(sort) => change({ sort })}
                  />
                  <SaveSearch words={applied} filters={filters} onSaved={() => void refresh()} />
                </span>
              )}
            </div>
            {answer.notice === 'indexing' && (
              <Notice tone="info" title="索引を作っています">
                {`まだ見つからない記録があります（${answer.percent ?? 0}%まで進みました）。数分後にもう一度探してください。`}
              </Notice>
            )}
            {readsMasked && answer.total > 0 && (
              <p className="soft search-page__hint">
                マスク済みで開示されている記録は、マスク済みの文だけを探しています。伏せられた氏名や住所、添付ファイルは見つかりません。
              </p>
            )}
            {answer.hits.length > 0 ? (
              <SearchHits hits={answer.hits} start={first} list={list} />
            ) : (
              <NothingFound
                answer={answer}
                narrowed={narrowed || filters.kind !== ''}
                masked={readsMasked}
              />
            )}
            {(trail.length > 0 || answer.next_cursor) && (
              <div className="list-foot">
                <span className="soft">{`${first}〜${first + answer.hits.length - 1}件目`}</span>
                <span className="row">
                  {trail.length > 0 && (
                    <Button size="s" icon="left" onClick={() => setTrail(trail.slice(0, -1))}>
                      前へ
                    </Button>
                  )}
                  {answer.next_cursor && (
                    <Button
                      size="s"
                      iconAfter="right"
                      busy={query.isFetching}
                      onClick={() => setTrail([...trail, answer.next_cursor ?? ''])}
                    >
                      次へ
                    </Button>
                  )}
                </span>
              </div>
            )}
          </section>
        )}
        {applied === '' && (
          <div className="search-page__start">
            <section>
              <h2>保存した検索</h2>
              {kept.data && kept.data.saved.length === 0 && (
                <p className="soft">
                  よく使う検索は、結果の右上の「この検索を保存」で名前を付けて残せます。自分だけに見えます。
                </p>
              )}
              <ul className="kept">
                {kept.data?.saved.map((saved) => (
                  <li key={saved.id}>
                    <Button
                      variant="text"
                      icon="star"
                      onClick={() => {
                        setFilters(filtersFrom(saved.filters));
                        search(saved.words);
                      }}
                    >
                      {saved.name}
                    </Button>
                    <span className="soft">{saved.words}</span>
                    <Button
                      variant="text"
                      size="s"
                      icon="trash"
                      aria-label={`「${saved.name}」を消す`}
                      onClick={() => remove.mutate(saved.id)}
                    >
                      消す
                    </Button>
                  </li>
                ))}
              </ul>
            </section>
            <section>
              <h2>最近の検索</h2>
              {kept.data && kept.data.recent.length === 0 && (
                <p className="soft">
                  まだありません。「/」キーで、どの画面からでも検索欄に移れます。
                </p>
              )}
              <ul className="kept">
                {kept.data?.recent.slice(0, 8).map((recent) => (
                  <li key={recent.id}>
                    <Button variant="text" icon="clock" onClick={() => search(recent.words)}>
                      {recent.words}
                    </Button>
                  </li>
                ))}
              </ul>
              {kept.data && kept.data.recent.length > 0 && (
                <Button size="s" busy={forget.isPending} onClick={() => forget.mutate()}>
                  最近の検索を消す
                </Button>
              )}
            </section>
            <section className="search-page__tips">
              <h2>探し方</h2>
              <ul>
                <li>空白で区切ると、すべてのことばを含むものを探します（例：佐藤 家賃）。</li>
                <li>「」や " " で囲むと、そのままの並びで探します（例：「家賃の滞納」）。</li>
                <li>
                  かなで漢字も見つかります。髙・高、﨑・崎、邊・辺などの字の違いは気にしなくてかまいません。
                </li>
              </ul>
            </section>
          </div>
        )}
      </div>
    </>
  );
}

/** What went wrong with the words themselves is said in words of the search. */
export function searchProblem(error: unknown): string {
  if (error instanceof ApiError) {
    const code = error.fields.find((field) => field.path === 'q')?.code;
    if (code === 'too_long') return '検索のことばが長すぎます。200文字以内にしてください。';
    if (code === 'too_many_words') return '検索のことばが多すぎます。10語以内にしてください。';
  }
  return problemText(error);
}

function NothingFound({
  answer,
  narrowed,
  masked,
}: {
  answer: Answer;
  narrowed: boolean;
  masked: boolean;
}) {
  if (answer.notice === 'no_words')
    return (
      <Empty icon="search" title="記号だけでは探せません">
        漢字・かな・英数字を入れてください。
      </Empty>
    );
  return (
    <Empty icon="search" title="見つかりませんでした">
      {narrowed ? '絞り込みを外す、' : ''}
      ことばを減らす、かなで探す、別の言い方にする、などをお試しください。
      {masked
        ? 'マスク済みで開示されている記録は、伏せられた氏名や住所では見つかりません。'
        : '開示されていない事案や記録は見つかりません。'}
    </Empty>
  );
}

function SaveSearch({
  words,
  filters,
  onSaved,
}: {
  words: string;
  filters: Filters;
  onSaved: () => void;
}) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState(words);
  const [withFilters, setWithFilters] = useState(true);
  useEffect(() => {
    setOpen(false);
    setName(words);
  }, [words]);
  const save = useMutation({
    mutationFn: () =>
      api.post<Schema<'SavedSearchAnswer'>>('search/saved', {
        name: name.trim(),
        words,
        filters: withFilters ? filters : {},
      }),
    onSuccess: () => {
      setOpen(false);
      onSaved();
    },
  });
  if (!open)
    return (
      <Button size="s" icon="star" onClick={() => setOpen(true)}>
        {save.isSuccess ? '保存しました' : 'この検索を保存'}
      </Button>
    );
  return (
    <form
      className="search-page__save"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <TextInput label="検索の名前" value={name} onChange={setName} />
      <Checkbox label="絞り込みも残す" checked={withFilters} onChange={setWithFilters} />
      <Button type="submit" size="s" busy={save.isPending}>
        保存
      </Button>
      <Button size="s" variant="text" onClick={() => setOpen(false)}>
        やめる
      </Button>
      {save.isError && <p className="field__error">{problemText(save.error)}</p>}
    </form>
  );
}
