/** A municipality's own preset of the disclosure matrix as plain data. */
import type { Schema } from '../../api/types';
import type { SummaryItem } from '../../ui';

export type Preset = Schema<'DisclosurePreset'>;

/** Sections of the matrix in the order of the screen. */
export const SECTIONS = [
  'intake',
  'assessment',
  'network',
  'screening',
  'plan',
  'progress',
  'meeting',
  'evaluation',
] as const;

export interface PresetDraft {
  label: string;
  description: string;
  /** The first is for every agency that no other row names. */
  rows: { key: number; orgTypes: ReadonlySet<string>; levels: Record<string, string> }[];
  /** Key of the next row. */
  next: number;
}

export function presetDraft(preset: Preset | null): PresetDraft {
  const rows = preset?.rows ?? [];
  const general = rows.find((row) => row.org_types.length === 0);
  const special = rows.filter((row) => row.org_types.length > 0);
  return {
    label: preset?.label ?? '',
    description: preset?.description ?? '',
    rows: [general ?? { org_types: [], levels: {} }, ...special].map((row, key) => ({
      key,
      orgTypes: new Set(row.org_types),
      levels: { ...row.levels },
    })),
    next: special.length + 1,
  };
}

const named = (row: PresetDraft['rows'][number]): [string, string][] =>
  Object.entries(row.levels).filter(([, level]) => level !== '');

export function presetProblems(draft: PresetDraft): SummaryItem[] {
  const problems: SummaryItem[] = [];
  if (draft.label.trim() === '')
    problems.push({ target: 'preset-label', message: '名前を入力してください。' });
  if (draft.description.trim() === '')
    problems.push({ target: 'preset-description', message: '説明を入力してください。' });
  const seen = new Set<string>();
  let twice = false;
  for (const row of draft.rows)
    for (const code of row.orgTypes) {
      twice ||= seen.has(code);
      seen.add(code);
    }
  if (draft.rows.some((row, at) => at > 0 && row.orgTypes.size === 0))
    problems.push({
      target: 'preset-rows',
      message: '機関種別を選んでいない行があります。選ぶか、行を除いてください。',
    });
  else if (twice)
    problems.push({
      target: 'preset-rows',
      message: '同じ機関種別が2つの行にあります。1つの行にまとめてください。',
    });
  else if (draft.rows.every((row) => named(row).length === 0))
    problems.push({
      target: 'preset-rows',
      message: '見える範囲を1つ以上選んでください。',
    });
  return problems;
}

export function presetBody(draft: PresetDraft): Schema<'DisclosurePresetInput'> {
  return {
    label: draft.label.trim(),
    description: draft.description.trim(),
    rows: draft.rows
      .filter((row) => named(row).length > 0)
      .map((row) => ({ org_types: [...row.orgTypes], levels: Object.fromEntries(named(row)) })),
  };
}
