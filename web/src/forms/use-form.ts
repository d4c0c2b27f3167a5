import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import type * as Y from 'yjs';
import { api } from '../api/client';
import { fieldsOf, type FormDefinition } from './definition';

/** The municipality may add fields at any time; what is kept is asked for again after this long. */
const FRESH = 60_000;

/**
 * The definition of a form as the municipality has it: the newest one, or with `version` that of a
 * publication, which never changes.
 */
export function useForm(id: string | null | undefined, version?: number | null) {
  const at = version ?? null;
  return useQuery({
    queryKey: ['forms', id, at],
    queryFn: ({ signal }) =>
      api.get<FormDefinition>(
        `forms/${id ?? ''}`,
        at === null ? undefined : { version: at },
        signal,
      ),
    enabled: Boolean(id),
    staleTime: at === null ? FRESH : Infinity,
  });
}

/** Asks for the definition again when the document gets a field that it does not know. */
export function useNewFields(definition: FormDefinition, fields: Y.Map<unknown>): void {
  const client = useQueryClient();
  useEffect(() => {
    const known = new Set(fieldsOf(definition).map((field) => field.id));
    const asked = new Set<string>();
    const look = () => {
      const added = [...fields.keys()].filter((key) => !known.has(key) && !asked.has(key));
      if (added.length === 0) return;
      for (const key of added) asked.add(key);
      void client.invalidateQueries({ queryKey: ['forms', definition.id, null] });
    };
    look();
    fields.observe(look);
    return () => fields.unobserve(look);
  }, [client, definition, fields]);
}
