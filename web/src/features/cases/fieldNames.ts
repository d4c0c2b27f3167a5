import { useMemo } from 'react';
import { fieldsOf, labelAt } from '../../forms/definition';
import { useForm } from '../sheet';

const NONE: readonly string[] = [];

export { useForm };

/** Names and order of the fields of a form; ids themselves until the definition is here. */
export function useFieldNames(form: string | null | undefined): {
  label: (path: string) => string;
  order: readonly string[];
} {
  const { data } = useForm(form);
  return useMemo(
    () => ({
      label: (path: string) => (path === 'content' ? '本文' : data ? labelAt(data, path) : path),
      order: data ? fieldsOf(data).map((field) => field.id) : NONE,
    }),
    [data],
  );
}
