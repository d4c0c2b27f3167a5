/** Draft values and sheet values in words, and putting a sheet value back as it was. */
import * as Y from 'yjs';
import { optionLabel, type Field, type FormDefinition } from '../../forms/definition';
import { formatWareki } from '../../forms/wareki';

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

/**
 * Puts back what stood in a field before a draft was accepted. Text is changed in place, so that
 * what others wrote next to it in the meantime is not thrown away with it: if they did, we refuse.
 */
export function restoreValue(
  doc: Y.Doc,
  field: string,
  before: unknown,
  accepted: unknown,
): boolean {
  const now = readValue(doc, field);
  if (JSON.stringify(now) !== JSON.stringify(accepted)) return false;
  const fields = doc.getMap('fields');
  const value = fields.get(field);
  doc.transact(() => {
    if (value instanceof Y.Text) {
      const text = typeof before === 'string' ? before : '';
      value.delete(0, value.length);
      if (text !== '') value.insert(0, text);
    } else if (value instanceof Y.Map) {
      const codes = Array.isArray(before) ? (before as unknown[]) : [];
      for (const code of value.keys()) if (!codes.includes(code)) value.set(code, false);
    } else if (before === null || before === undefined) fields.delete(field);
    else fields.set(field, before);
  });
  return true;
}

/** A value in words: labels instead of codes, era dates, 「あり」 for true. */
export function valueText(
  definition: FormDefinition | undefined,
  field: Field | null,
  value: unknown,
): string {
  if (value === null || value === undefined || value === '') return '（空欄）';
  if (Array.isArray(value)) {
    if (value.length === 0) return '（空欄）';
    if (field?.type === 'table') return `${value.length}行`;
    return value.map((entry) => valueText(definition, field, entry)).join('、');
  }
  if (typeof value === 'boolean') return value ? 'はい' : 'いいえ';
  if (typeof value === 'object') {
    const codes = Object.entries(value)
      .filter(([, chosen]) => chosen === true)
      .map(([code]) => code);
    return codes.length > 0
      ? valueText(definition, field, codes)
      : Object.values(value)
          .filter((entry) => typeof entry === 'string')
          .join('　');
  }
  if (typeof value === 'number') return `${value}${field?.unit ?? ''}`;
  if (typeof value !== 'string') return '';
  if (field?.type === 'date' && /^\d{4}-\d{2}-\d{2}$/.test(value)) return formatWareki(value);
  if (definition && field?.options) return optionLabel(definition, field, value);
  return value;
}
