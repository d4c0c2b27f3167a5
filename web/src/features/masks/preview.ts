import type { Projection } from '../../api/types';

/** The released text of a field, if the projection has one. Table cells are `table/rowId/column`. */
export function projectedText(
  projection: Projection | undefined,
  field: string,
): { text: string | null; withheld: boolean } {
  if (!projection) return { text: null, withheld: false };
  const [id = '', row, column] = field.split('/');
  const top = projection.fields[id];
  const cell = row && column ? top?.rows?.find((entry) => entry.id === row)?.cells[column] : top;
  return { text: cell?.text ?? null, withheld: cell?.withheld ?? false };
}
