import { useMemo } from 'react';
import { fieldAt, fieldsOf, labelAt } from '../../forms/definition';
import { useForm } from '../sheet';

const NONE: readonly string[] = [];

export { useForm };

/** Names and order of the fields of a form; ids themselves until the definition is here. */
export function useFieldNames(form: string | null | undefined): {
  label: (path: string) => string;
  order: readonly string[];
  /** Kept back from agencies off a protected person's list, whatever was looked at. */
  protects: (path: string) => boolean;
} {
  const { data } = useForm(form);
  return useMemo(
    () => ({
      label: (path: string) => (path === 'content' ? '本文' : data ? labelAt(data, path) : path),
      protects: (path: string) =>
        data ? (fieldAt(data, path)?.confidential_address ?? false) : false,
      order: data ? fieldsOf(data).map((field) => field.id) : NONE,
    }),
    [data],
  );
}
