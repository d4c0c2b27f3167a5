/** Sheet values as a draft finds them, and putting one back as it was. */
import * as Y from 'yjs';

/** A value as it stands in a sheet: plain JSON, Y.Text as string, multiselect as list of codes. */
export function readValue(doc: Y.Doc, field: string): unknown {
  const value = doc.getMap('fields').get(field);
  if (value instanceof Y.Text) return value.toString();
  if (value instanceof Y.Map) {
    const entries = [...value.entries()];
    if (entries.some(([, entry]) => entry instanceof Y.Map)) return entries.map(([id]) => id);
    return entries.filter(([, chosen]) => chosen === true).map(([code]) => code);
  }
  return value ?? null;
}

/** A field's whole content, for telling whether it has changed; rows of tables with their cells. */
export function trace(doc: Y.Doc, field: string): string {
  const value = doc.getMap('fields').get(field);
  const plain: unknown = value instanceof Y.AbstractType ? value.toJSON() : (value ?? null);
  // Keys in order: the order within a Y.Map differs between browsers.
  return JSON.stringify(plain, (_, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([x], [y]) => (x < y ? -1 : 1)))
      : entry,
  );
}

/**
 * Puts back what stood in a field before a draft was accepted. Refused when the field is no longer
 * what the draft left (`accepted`, a {@link trace}): what others wrote since would be thrown away.
 */
export function restoreValue(
  doc: Y.Doc,
  field: string,
  before: unknown,
  accepted: string,
): boolean {
  if (trace(doc, field) !== accepted) return false;
  const fields = doc.getMap('fields');
  const value = fields.get(field);
  if (value instanceof Y.Map) return restoreEntries(doc, value as Y.Map<unknown>, before);
  doc.transact(() => {
    if (value instanceof Y.Text) {
      const text = typeof before === 'string' ? before : '';
      value.delete(0, value.length);
      if (text !== '') value.insert(0, text);
    } else if (before === null || before === undefined) fields.delete(field);
    else fields.set(field, before);
  });
  return true;
}

/** Choices by code, or rows of a table by id. Rows that were replaced are gone for good. */
function restoreEntries(doc: Y.Doc, value: Y.Map<unknown>, before: unknown): boolean {
  const wanted = new Set(Array.isArray(before) ? (before as string[]) : []);
  const rows = [...value.entries()].filter(([, entry]) => entry instanceof Y.Map);
  if (rows.length > 0 && [...wanted].some((id) => !value.has(id))) return false;
  doc.transact(() => {
    for (const [code, entry] of [...value.entries()])
      if (wanted.has(code)) continue;
      else if (entry instanceof Y.Map) value.delete(code);
      else if (entry === true) value.set(code, false);
    for (const code of wanted)
      if (value.get(code) !== true && !(value.get(code) instanceof Y.Map)) value.set(code, true);
  });
  return true;
}
