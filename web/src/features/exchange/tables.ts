import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';

/** The names of other systems that are kept for everybody who imports. */
export function useMappings() {
  return useQuery({
    queryKey: ['exchange-mappings'],
    queryFn: ({ signal }) => api.get<Schema<'MappingList'>>('exchange-mappings', undefined, signal),
  });
}

/** The standard files and their columns, with the fields that the municipality added to its sheets. */
export function useTables() {
  return useQuery({
    queryKey: ['exchange-tables'],
    queryFn: async ({ signal }) =>
      (await api.get<Schema<'TableList'>>('exchange-tables', undefined, signal)).items,
    // Something may have been added meanwhile.
    staleTime: 60_000,
  });
}
