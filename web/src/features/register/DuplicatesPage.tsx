import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { Button, Card, Empty, PageHead, Table, Tag } from '../../ui';
import { ageText, wareki } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { REASON_WORDS } from '../cases/reception';
import { MergeDialog } from './MergeDialog';

type Pair = Schema<'DuplicatePair'>;

/** 「重複の候補」: persons of the register who are likely to be one. */
export default function DuplicatesPage() {
  const [open, setOpen] = useState<Pair | null>(null);
  const query = useInfiniteQuery({
    queryKey: ['persons', 'duplicates'],
    queryFn: ({ pageParam, signal }) =>
      api.get<Schema<'DuplicateList'>>(
        'persons/duplicates',
        pageParam === null ? {} : { cursor: pageParam },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor ?? null,
  });
  // A pair may share several notations of its name.
  const pairs = [
    ...new Map(
      (query.data?.pages ?? [])
        .flatMap((page) => page.items)
        .map((pair) => [`${pair.one.id} ${pair.other.id}`, pair]),
    ).values(),
  ];
  return (
    <>
      <PageHead title="重複の候補" />
      <Card title="同じ方かもしれない登録" icon="people" flush>
        {query.data ? (
          pairs.length === 0 && !query.hasNextPage ? (
            <Empty icon="check" title="重複の候補はありません">
              氏名が同じ（字体違い・姓名の入れ替わりを含む）で、生年月日の違わない方どうしを調べました。
            </Empty>
          ) : (
            <Table
              caption="同じ方かもしれない登録の表"
              captionHidden
              rows={pairs}
              rowKey={(pair) => `${pair.one.id} ${pair.other.id}`}
              columns={[
                {
                  key: 'one',
                  head: '登録',
                  header: true,
                  cell: (pair) => <Somebody person={pair.one} />,
                },
                {
                  key: 'other',
                  head: 'もう1つの登録',
                  cell: (pair) => <Somebody person={pair.other} />,
                },
                {
                  key: 'why',
                  head: '理由',
                  cell: (pair) => (
                    <span className="alike-reasons">
                      {pair.reasons.map((reason) => (
                        <Tag key={reason} tone="orange" small>
                          {REASON_WORDS[reason] ?? reason}
                        </Tag>
                      ))}
                    </span>
                  ),
                },
                {
                  key: 'open',
                  head: '操作',
                  cell: (pair) => (
                    <Button size="s" onClick={() => setOpen(pair)}>
                      見比べる
                      <span className="visually-hidden">
                        （{pair.one.display}さんと{pair.other.display}さん）
                      </span>
                    </Button>
                  ),
                },
              ]}
            />
          )
        ) : (
          <QueryState query={query} what="重複の候補" />
        )}
        {query.hasNextPage && (
          <div className="duplicates-more">
            <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              続きを調べる
            </Button>
          </div>
        )}
      </Card>
      {open && (
        <MergeDialog
          kept={open.one.id}
          other={open.other.id}
          onDone={() => setOpen(null)}
          onClose={() => setOpen(null)}
        />
      )}
    </>
  );
}

function Somebody({ person }: { person: Schema<'PersonSummary'> }) {
  const numbers = person.cases.map((item) => item.case_no);
  return (
    <>
      <strong>{person.display}</strong>
      {person.kana && <div className="soft">{person.kana}</div>}
      <div className="soft">
        {[person.birth_date && `${wareki(person.birth_date)}生まれ`, ageText(person)]
          .filter(Boolean)
          .join('　')}
      </div>
      {numbers.length > 0 && <div className="soft">事案 {numbers.join('、')}</div>}
    </>
  );
}
