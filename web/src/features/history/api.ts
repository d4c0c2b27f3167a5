/** Shapes of a document's past, and the hooks that read it. */
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';

export type HistoryItem = Schema<'HistoryItem'>;
export type HistoryPart = Schema<'HistoryPart'>;
export type HistoryPerson = Schema<'Person'>;
export type HistoryList = Schema<'HistoryList'>;
export type Version = Schema<'VersionItem'>;
export type Comparison = Schema<'ComparisonAnswer'>;
export type FieldDifference = Schema<'FieldDifference'>;
export type RowDifference = Schema<'RowDifference'>;
export type TextPiece = Schema<'TextPiece'>;
export type Restored = Schema<'RestoreAnswer'>;

/** The present state, in place of a version's id. */
export const NOW = 'now';

/** What the timeline shows; '' = everything. */
export interface Filter {
  field: string;
  /** `account:<id>`, `agency:<id>`. */
  who: string;
}

function queryOf({ field, who }: Filter): Record<string, string | undefined> {
  const [kind, id] = who.split(':');
  return {
    field: field || undefined,
    account_id: kind === 'account' ? id : undefined,
    agency_id: kind === 'agency' ? id : undefined,
  };
}

/**
 * Not under the document's own key, which case events refresh: what is being read must not move under
 * the reader's eyes at every letter that somebody types, and each look is written down.
 */
const pastKey = (document: string, ...rest: string[]) => ['past', document, ...rest];

/** Contributions, the newest first, page by page. */
export function useContributions(document: string, filter: Filter) {
  return useInfiniteQuery({
    queryKey: pastKey(document, 'history', filter.field, filter.who),
    queryFn: ({ pageParam, signal }) =>
      api.get<HistoryList>(
        `documents/${document}/history`,
        { ...queryOf(filter), cursor: pageParam, limit: 50 },
        signal,
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchOnWindowFocus: false,
  });
}

/** Kept versions, the newest first. */
export function useKept(document: string) {
  return useQuery({
    queryKey: ['documents', document, 'versions'],
    queryFn: ({ signal }) =>
      api.get<Schema<'VersionList'>>(`documents/${document}/versions`, undefined, signal),
    select: ({ items }) => [...items].reverse(),
  });
}

export function useComparison(document: string, from: string, to: string) {
  return useQuery({
    queryKey: pastKey(document, 'comparison', from, to),
    queryFn: ({ signal }) =>
      api.get<Comparison>(`documents/${document}/comparison`, { from, to }, signal),
    enabled: from !== '' && to !== '',
    refetchOnWindowFocus: false,
  });
}

/** Asks for everything about the document anew. */
export function useRefresh(document: string): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await client.invalidateQueries({ queryKey: ['documents', document] });
    await client.invalidateQueries({ queryKey: pastKey(document) });
  };
}
