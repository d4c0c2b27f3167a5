import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { NewCaseLink } from './NewCaseLink';
import { Button, Checkbox, Empty, LinkButton, PageHead, Select, Table, TextInput } from '../../ui';
import type { CasePage } from './api';
import { ago, daysSince, localDate, monthDay, QUIET_DAYS } from './dates';
import { CaseLink, ConsentChips, FlagChips, QueryState, StageMeter, UrgencyChip } from './parts';
import { isEnded, STAGES } from './vocabulary';

const PAGE = 25;

/** 「事案」: every case one may see, with filters. Words searched for never go into the address. */
export default function CaseListPage() {
  const { session, can } = useSession();
  const [words, setWords] = useState('');
  const [applied, setApplied] = useState('');
  const [stage, setStage] = useState('');
  const [mine, setMine] = useState(false);
  const [trail, setTrail] = useState<string[]>([]);
  const cursor = trail.at(-1);
  const today = localDate(new Date(), session.municipality.zone);

  const query = useQuery({
    queryKey: ['cases', 'list', applied, stage, mine, cursor],
    // Names travel in the body, never in an address.
    queryFn: ({ signal }) =>
      applied === ''
        ? api.get<CasePage>(
            'cases',
            { stage, mine: mine || undefined, cursor, limit: PAGE },
            signal,
          )
        : api.post<CasePage>('cases/search', { q: applied, stage, mine, cursor, limit: PAGE }),
    placeholderData: keepPreviousData,
  });
  const items = query.data?.items ?? [];
  const filtered = applied !== '' || stage !== '' || mine;
  const first = trail.length * PAGE + 1;

  return (
    <>
      <PageHead
        title="事案"
        lead="開示されている事案だけが並びます。"
        actions={
          <>
            {can('merge_persons') && (
              <LinkButton href="/persons/duplicates" icon="people">
                重複の候補
              </LinkButton>
            )}
            {can('export_cases') && (
              <LinkButton href="/exchange/export" icon="download">
                CSVに書き出す
              </LinkButton>
            )}
            {can('create_case') && <NewCaseLink />}
          </>
        }
      />
      <div className="card">
        <form
          className="filters"
          role="search"
          aria-label="事案を絞り込む"
          onSubmit={(event) => {
            event.preventDefault();
            setApplied(words.trim());
            setTrail([]);
          }}
        >
          <div className="filters__grow">
            <TextInput
              label="氏名・かな・事案番号・ことば"
              type="search"
              value={words}
              onChange={setWords}
            />
          </div>
          <Select
            label="段階"
            value={stage}
            empty="すべて"
            options={Object.entries(STAGES).map(([code, label]) => ({ code, label }))}
            onChange={(code) => {
              setStage(code);
              setTrail([]);
            }}
          />
          <Checkbox
            label="わたしの担当だけ"
            checked={mine}
            onChange={(checked) => {
              setMine(checked);
              setTrail([]);
            }}
          />
          <Button type="submit" icon="search">
            探す
          </Button>
          {filtered && (
            <Button
              variant="text"
              onClick={() => {
                setWords('');
                setApplied('');
                setStage('');
                setMine(false);
                setTrail([]);
              }}
            >
              条件を外す
            </Button>
          )}
        </form>
        {!query.data && (
          <div className="card__body">
            <QueryState query={query} what="事案の一覧" />
          </div>
        )}
        {query.data && (
          <>
            <p className="visually-hidden" role="status">
              {query.isFetching ? '読み込んでいます' : `${query.data.total}件の事案があります`}
            </p>
            {items.length === 0 ? (
              <Empty
                icon={filtered ? 'search' : 'folder'}
                title={filtered ? '条件に合う事案はありません' : '見られる事案はまだありません'}
                action={
                  !filtered &&
                  can('create_case') && (
                    <LinkButton href="/cases/new" variant="primary" icon="plus">
                      新しい相談を受け付ける
                    </LinkButton>
                  )
                }
              >
                {filtered
                  ? 'かなで探す、字を減らす、段階を「すべて」にする、などをお試しください。開示されていない事案は表示されません。'
                  : '相談を受け付けるか、支援機関に加えられると、ここに並びます。'}
              </Empty>
            ) : (
              <Table
                caption="事案の一覧"
                captionHidden
                rows={items}
                rowKey={(item) => item.id}
                columns={[
                  {
                    key: 'who',
                    head: '対象者・事案番号',
                    header: true,
                    cell: (item) => <CaseLink item={item} />,
                  },
                  {
                    key: 'urgency',
                    head: '緊急性',
                    cell: (item) => <UrgencyChip code={item.urgency} />,
                  },
                  { key: 'stage', head: '段階', cell: (item) => <StageMeter stage={item.stage} /> },
                  { key: 'consent', head: '同意', cell: (item) => <ConsentChips item={item} /> },
                  { key: 'flags', head: '注意', cell: (item) => <FlagChips flags={item.flags} /> },
                  {
                    key: 'last',
                    head: '最後の記録',
                    cell: (item) => {
                      if (!item.last_progress_on) return <span className="soft">なし</span>;
                      const late =
                        !isEnded(item.stage) &&
                        (daysSince(item.last_progress_on, today) ?? 0) >= QUIET_DAYS;
                      return (
                        <>
                          <span className="nowrap">{monthDay(item.last_progress_on, today)}</span>
                          <div className={late ? 'late' : 'soft'}>
                            {ago(item.last_progress_on, today)}
                          </div>
                        </>
                      );
                    },
                  },
                  {
                    key: 'owner',
                    head: '主担当',
                    cell: (item) => (
                      <>
                        {item.owner?.name ?? '—'}
                        {item.lead_agency && <div className="soft">{item.lead_agency.name}</div>}
                      </>
                    ),
                  },
                  {
                    key: 'received',
                    head: '受付',
                    cell: (item) => (
                      <span className="nowrap">{monthDay(item.received_on, today)}</span>
                    ),
                  },
                ]}
              />
            )}
            <div className="list-foot">
              <span className="soft">
                {items.length > 0
                  ? `全${query.data.total}件のうち ${first}〜${first + items.length - 1}件目`
                  : '0件'}
              </span>
              <span className="row">
                {query.isError && <QueryState query={query} what="つづき" />}
                {trail.length > 0 && (
                  <Button size="s" icon="left" onClick={() => setTrail(trail.slice(0, -1))}>
                    前へ
                  </Button>
                )}
                {query.data.next_cursor && (
                  <Button
                    size="s"
                    iconAfter="right"
                    busy={query.isFetching}
                    onClick={() => setTrail([...trail, query.data?.next_cursor ?? ''])}
                  >
                    次へ
                  </Button>
                )}
              </span>
            </div>
          </>
        )}
      </div>
    </>
  );
}
