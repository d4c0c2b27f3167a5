import * as Y from 'yjs';
import type { ProjectedField, Projection } from '../../api/types';
import { fieldsOf, type Field, type FormDefinition } from '../../forms/definition';
import { isEmpty, isRow, selectedCodes, type Values } from '../../forms/rules';
import { between, compareOrder } from '../../sync/fractional-index';
import { newId } from '../../sync/id';

/** Origin of edits made with controls other than text boxes, so that undo knows them. */
export class ControlEdit {}
export const CONTROL_EDIT = new ControlEdit();

/** The root map of a sheet. */
export function fieldsMap(doc: Y.Doc): Y.Map<unknown> {
  return doc.getMap('fields');
}

/** A shared value as plain JSON: text as string, options as map of true, tables as sorted rows. */
function plain(field: Field, value: unknown): unknown {
  if (value instanceof Y.Text) return value.toString();
  if (!(value instanceof Y.Map)) return value;
  if (field.type === 'table') return readRows(field, value as Y.Map<unknown>);
  const chosen: Record<string, boolean> = {};
  for (const [code, on] of value.entries()) if (on === true) chosen[code] = true;
  return chosen;
}

/** A row of a table, in the order everybody sees. */
export type Row = { id: string; order: string } & Record<string, unknown>;

function readRows(field: Field, table: Y.Map<unknown>): Row[] {
  const rows: Row[] = [];
  for (const [id, row] of table.entries()) {
    if (!(row instanceof Y.Map)) continue;
    const order: unknown = row.get('order');
    const cells: Row = { id, order: typeof order === 'string' ? order : '' };
    for (const column of field.columns ?? []) {
      const value = plain(column, row.get(column.id));
      if (value !== undefined && value !== null) cells[column.id] = value;
    }
    rows.push(cells);
  }
  return rows.sort(compareOrder);
}

/** All values of a sheet; empty ones are missing. */
export function readValues(definition: FormDefinition, fields: Y.Map<unknown>): Values {
  const values: Record<string, unknown> = {};
  for (const field of fieldsOf(definition)) {
    const value = plain(field, fields.get(field.id));
    if (value !== undefined && value !== null) values[field.id] = value;
  }
  return values;
}

/** The map that holds a field's value: the root, or a row of a table. */
export interface Place {
  map: Y.Map<unknown>;
  /** `field` or `table/row/column`. */
  path: string;
  field: Field;
}

/** Writes a scalar; empty removes it. */
export function writeScalar(place: Place, value: string | number | boolean | null): void {
  place.map.doc?.transact(() => {
    if (value === null || value === '') place.map.delete(place.field.id);
    else place.map.set(place.field.id, value);
  }, CONTROL_EDIT);
}

/** Checks or unchecks one option. */
export function writeOption(place: Place, code: string, on: boolean): void {
  const options = place.map.get(place.field.id);
  if (!(options instanceof Y.Map)) return;
  place.map.doc?.transact(() => {
    if (on) options.set(code, true);
    else options.delete(code);
  }, CONTROL_EDIT);
}

/** Adds a row at the end, whole: with its texts and option maps. Returns its id. */
export function addRow(table: Y.Map<unknown>, field: Field): string {
  const rows = readRows(field, table);
  const id = newId();
  const row = new Y.Map<unknown>();
  row.set('order', between(rows.at(-1)?.order ?? null, null));
  for (const column of field.columns ?? []) {
    if (column.type === 'text' || column.type === 'textarea') row.set(column.id, new Y.Text());
    if (column.type === 'multiselect') row.set(column.id, new Y.Map());
  }
  table.doc?.transact(() => table.set(id, row), CONTROL_EDIT);
  return id;
}

/** Moves a row one place up (-1) or down (1). */
export function moveRow(table: Y.Map<unknown>, field: Field, id: string, by: -1 | 1): void {
  const rows = readRows(field, table);
  const at = rows.findIndex((row) => row.id === id);
  const to = at + by;
  if (at < 0 || to < 0 || to >= rows.length) return;
  const order =
    by < 0
      ? between(rows[to - 1]?.order ?? null, rows[to]?.order ?? null)
      : between(rows[to]?.order ?? null, rows[to + 1]?.order ?? null);
  const row = table.get(id);
  if (row instanceof Y.Map) table.doc?.transact(() => row.set('order', order), CONTROL_EDIT);
}

/** Removes a row. */
export function deleteRow(table: Y.Map<unknown>, id: string): void {
  table.doc?.transact(() => table.delete(id), CONTROL_EDIT);
}

/** Whether a value counts as filled in on the screen. */
export function filled(value: unknown): boolean {
  return !isEmpty(value) || (isRow(value) && selectedCodes(value).length > 0);
}

/** Plain values in the shape of a projection, so that one view shows both. */
export function asCells(definition: FormDefinition, values: Values): Projection['fields'] {
  const cells: Record<string, ProjectedField> = {};
  const cell = (field: Field, value: unknown): ProjectedField => {
    if (field.type === 'table' && Array.isArray(value))
      return {
        rows: (value as Row[]).map((row) => ({
          id: row.id,
          cells: Object.fromEntries(
            (field.columns ?? []).map((column) => [column.id, cell(column, row[column.id])]),
          ),
        })),
      };
    if (field.type === 'text' || field.type === 'textarea')
      return typeof value === 'string' ? { text: value } : {};
    return value === undefined ? {} : { value };
  };
  for (const field of fieldsOf(definition)) cells[field.id] = cell(field, values[field.id]);
  return cells;
}
