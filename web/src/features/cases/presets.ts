import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';

export const PRESETS_KEY = ['disclosure-presets'];

/** What ships, and the municipality's own. */
export function usePresets() {
  return useQuery({
    queryKey: PRESETS_KEY,
    queryFn: ({ signal }) =>
      api.get<Schema<'DisclosurePresetList'>>('disclosure-presets', undefined, signal),
    staleTime: 60_000,
  });
}
