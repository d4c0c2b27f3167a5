/** Merging two entries of the register as plain data: what is shown side by side, what is sent. */
import type { Schema } from '../../api/types';
import { wareki } from '../cases/dates';
import { REGISTER_FIELDS } from '../cases/register';
import { genderLabel } from '../cases/vocabulary';

export type Preview = Schema<'MergePreview'>;
export type Side = 'kept' | 'merged';

/** Words for fields that the register has beside those that are edited on its screen. */
const OTHER_FIELDS: Readonly<Record<string, string>> = {
  is_anonymous: '匿名',
  is_deceased: '亡くなった',
  no_fixed_address: '住所不定',
};

export function fieldLabel(field: string): string {
  return REGISTER_FIELDS[field as keyof typeof REGISTER_FIELDS] ?? OTHER_FIELDS[field] ?? field;
}

/** A value of the register in words. */
export function valueText(field: string, value: string | undefined): string {
  if (value === undefined || value === '') return 'なし';
  if (field === 'gender') return genderLabel(value);
  if (field === 'birth_date' || field === 'death_date') return wareki(value) || value;
  if (field === 'estimated_age') return `${value}歳`;
  return value === 'true' ? 'はい' : value;
}

export interface Row {
  field: string;
  label: string;
  kept: string;
  merged: string;
  /** Both have a value, and not the same: somebody must say which one goes on. */
  differs: boolean;
}

/** Every field that one of the two has, in the order of the screen; those that differ first. */
export function rows(preview: Preview): Row[] {
  const order = [...Object.keys(REGISTER_FIELDS), ...Object.keys(OTHER_FIELDS)];
  const { kept, merged } = preview;
  const known = new Set([...Object.keys(kept.fields), ...Object.keys(merged.fields)]);
  const differing = new Set(preview.differences.map((difference) => difference.field));
  return [...known]
    .sort((a, b) => order.indexOf(a) - order.indexOf(b))
    .map((field) => ({
      field,
      label: fieldLabel(field),
      kept: valueText(field, kept.fields[field]),
      merged: valueText(field, merged.fields[field]),
      differs: differing.has(field),
    }))
    .sort((a, b) => Number(b.differs) - Number(a.differs));
}

/** The choice that is set when nothing was chosen: 連絡時の注意 of both is kept. */
export function choiceOf(field: string, choices: Readonly<Record<string, string>>): string {
  return choices[field] ?? (field === 'contact_caution' ? 'both' : 'kept');
}

/** The body of POST /persons/{id}/merges. */
export function mergeBody(
  preview: Preview,
  choices: Readonly<Record<string, string>>,
  reason: string,
): Schema<'MergePersons'> {
  const named = preview.differences
    .map(({ field }) => [field, choiceOf(field, choices)] as const)
    .filter(([, choice]) => choice !== 'both');
  return {
    other: preview.merged.id,
    version: preview.kept.version,
    other_version: preview.merged.version,
    choices: Object.fromEntries(named),
    reason: reason.trim(),
  };
}
