import { useQuery } from '@tanstack/react-query';
import { api } from '../api/client';
import type { FormDefinition } from './definition';

/** The definition of a form; it changes only with the server's version. */
export function useForm(id: string | null | undefined) {
  return useQuery({
    queryKey: ['forms', id],
    queryFn: ({ signal }) => api.get<FormDefinition>(`forms/${id ?? ''}`, undefined, signal),
    enabled: Boolean(id),
    staleTime: Infinity,
  });
}
