import { optionLabel, type Field, type FormDefinition } from './definition';
import { isIso, selectedCodes } from './rules';
import { formatWareki } from './wareki';

/** A value in words: labels instead of codes, era dates, はい for true; '' when there is none. */
export function valueText(
  definition: FormDefinition | undefined,
  field: Field | null,
  value: unknown,
): string {
  if (value === null || value === undefined || value === '') return '';
  if (Array.isArray(value)) {
    if (field?.type === 'table') return value.length === 0 ? '' : `${value.length}行`;
    return value.map((entry) => valueText(definition, field, entry)).join('、');
  }
  if (typeof value === 'boolean') return value ? 'はい' : 'いいえ';
  if (typeof value === 'number') return `${value.toLocaleString('ja-JP')}${field?.unit ?? ''}`;
  if (typeof value === 'object') {
    const codes = selectedCodes(value);
    if (codes.length > 0) return valueText(definition, field, codes);
    return Object.values(value)
      .filter((entry) => typeof entry === 'string')
      .join('　');
  }
  if (typeof value !== 'string') return '';
  if (field?.type === 'date' || field?.type === 'datetime' || field?.type === 'calc') {
    const date = value.slice(0, 10);
    return isIso(date) ? `${formatWareki(date)}${value.slice(10).replace('T', ' ')}` : value;
  }
  // A masked choice is no code: ［区分1］ stands as it is.
  if (definition && field?.options && !value.startsWith('［'))
    return optionLabel(definition, field, value);
  return value;
}
