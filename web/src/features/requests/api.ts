/** Requests: つなぐ, 割当, 引継ぎ and the 支援決定. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { caseKeys } from '../cases/api';

export type CaseRequest = Schema<'RequestAnswer'>;

/** How often the lists look for what came, in ms. */
const LOOK = 60_000;

/** What the caller's agency was asked and asked itself. */
export function useRequests() {
  return useQuery({
    queryKey: ['requests'],
    queryFn: ({ signal }) => api.get<Schema<'RequestList'>>('requests', undefined, signal),
    refetchInterval: LOOK,
  });
}

export function useCaseRequests(id: string) {
  return useQuery({
    queryKey: caseKeys.part(id, 'requests'),
    queryFn: ({ signal }) =>
      api.get<Schema<'RequestList'>>(`cases/${id}/requests`, undefined, signal),
  });
}

export function useColleagues(enabled: boolean) {
  return useQuery({
    queryKey: ['colleagues'],
    queryFn: ({ signal }) => api.get<Schema<'ColleagueList'>>('colleagues', undefined, signal),
    enabled,
  });
}

/** Fetches again whatever a request may have changed. */
export function useRequestsChanged(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['requests'] }),
      client.invalidateQueries({ queryKey: ['case'] }),
      client.invalidateQueries({ queryKey: ['cases'] }),
    ]);
  };
}
