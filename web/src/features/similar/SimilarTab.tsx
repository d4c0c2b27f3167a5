import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { QueryState } from '../cases/parts';
import { Notice } from '../../ui';
import { filterHits, noticeText, SimilarHits, type SimilarFilter } from './SimilarHits';
import { ALL, SimilarFilters } from './SimilarTools';

/** 「類似事案」 of the open case. */
export function SimilarTab({ caseId }: { caseId: string }) {
  const query = useQuery({
    queryKey: ['case', caseId, 'similar'],
    queryFn: ({ signal }) =>
      api.get<Schema<'SimilarList'>>(`cases/${caseId}/similar`, undefined, signal),
    staleTime: 60_000,
  });
  const [filter, setFilter] = useState<SimilarFilter>(ALL);
  const hits = query.data?.hits ?? [];
  return (
    <>
      <Notice>
        この事案のマスク済みの文と、似た状況の事案を探しました。氏名や住所は使っていません。ことばで探すときは
        <Link href="/similar">類似事案の画面</Link>を使います。
      </Notice>
      <QueryState query={query} what="似た事案" />
      {query.data && hits.length > 0 && (
        <SimilarFilters hits={hits} filter={filter} onChange={setFilter} />
      )}
      {query.data && (
        <SimilarHits
          hits={filterHits(hits, filter)}
          emptyText={
            noticeText(query.data.notice) ??
            '記録がまだ少ないか、絞り込みに合うものがありません。類似検索に使うことを認めた事案だけが対象です。'
          }
        />
      )}
    </>
  );
}
