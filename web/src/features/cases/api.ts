/** Shapes of the case answers, and the hooks that read and change them. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { api, apiUrl } from '../../api/client';
import type { Projection, Schema } from '../../api/types';

export type CaseSummary = Schema<'CaseSummary'>;
export type SectionInfo = Schema<'SectionAnswer'>;
export type CaseDetail = Schema<'CaseDetail'>;
export type CasePage = Schema<'CaseList'>;
export type ProgressRecord = Schema<'ProgressAnswer'>;
export type Person = Schema<'PersonSummary'>;

export const caseKeys = {
  detail: (id: string) => ['case', id] as const,
  part: (id: string, part: string) => ['case', id, part] as const,
  projection: (document: string) => ['documents', document, 'projection'] as const,
};

export function useCase(id: string) {
  return useQuery({
    queryKey: caseKeys.detail(id),
    queryFn: ({ signal }) => api.get<CaseDetail>(`cases/${id}`, undefined, signal),
    enabled: id !== '',
  });
}

/** The agencies of the municipality, stopped ones too. */
export function useAgencies() {
  return useQuery({
    queryKey: ['agencies'],
    queryFn: ({ signal }) => api.get<Schema<'AgencyList'>>('agencies', undefined, signal),
    staleTime: 60_000,
  });
}

export function useProjection(document: string | null | undefined) {
  return useQuery({
    queryKey: caseKeys.projection(document ?? ''),
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${document}/projection`, undefined, signal),
    enabled: Boolean(document),
    refetchInterval: 20_000,
  });
}

/** Names a person by what the reader may see. */
export function personName(person: { display?: string | null; name?: string | null }): string {
  return person.display ?? person.name ?? '（氏名なし）';
}

/** How long a burst of events is collected before asking again, in ms. */
const COLLECT = 300;
/** How long to wait before a stream that the server ended is opened again, in ms. */
const REOPEN = 15_000;

/**
 * Keeps a case fresh: the server's events carry ids only, so each one makes us ask again for what
 * we may see. When the stream cannot be opened (a gateway cuts it), the screens' own slow polling
 * remains. EventSource reconnects by itself after a cut line, and never after a refusal (right taken
 * away, session over, too many): then we ask at once what may still be seen, and knock again later.
 */
export function useCaseEvents(id: string): void {
  const client = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      void client.invalidateQueries({ queryKey: ['case', id] });
      void client.invalidateQueries({ queryKey: ['documents'] });
    }, COLLECT);
  }, [client, id]);
  useEffect(() => {
    if (typeof EventSource === 'undefined') return;
    let source: EventSource;
    let again: ReturnType<typeof setTimeout> | undefined;
    const names = [
      'message',
      'projection',
      'masks',
      'case',
      'progress',
      'transcripts',
      'refetch',
      'lagged',
    ];
    const open = () => {
      source = new EventSource(apiUrl(`cases/${id}/events`));
      for (const name of names) source.addEventListener(name, refresh);
      source.addEventListener('error', () => {
        if (source.readyState !== EventSource.CLOSED) return;
        refresh();
        again = setTimeout(open, REOPEN);
      });
    };
    open();
    return () => {
      source.close();
      clearTimeout(again);
      if (timer.current) clearTimeout(timer.current);
      timer.current = null;
    };
  }, [id, refresh]);
}
