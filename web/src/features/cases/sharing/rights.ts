/** Rights that are given by a preset and for days, with a new member or a request. */
import { presetLevels, type Days, type Preset } from '../disclosure';
import { monthDay } from '../dates';
import type { Level } from '../vocabulary';

/** What was chosen; empty = not chosen. */
export interface RightsChoice {
  preset: string;
  /** ISO dates. */
  from: string;
  to: string;
}

export interface Right extends Days {
  section: string;
  level: Level;
}

/** The rights that a choice gives to a kind of agency; `dated`: it may have days. */
export function rightsOf(
  choice: RightsChoice,
  presets: readonly Preset[],
  orgType: string | null | undefined,
  dated = true,
): Right[] {
  const preset = presets.find((entry) => entry.id === choice.preset);
  const days: Days = {
    ...(dated && choice.from ? { from: choice.from } : {}),
    ...(dated && choice.to ? { to: choice.to } : {}),
  };
  return Object.entries(presetLevels(preset, orgType))
    .filter(([, level]) => level !== 'none')
    .map(([section, level]) => ({ section, level, ...days }));
}

/** Why the days of a choice cannot be, in words. */
export function daysProblem(choice: RightsChoice, today: string): string | undefined {
  if (choice.to && choice.from && choice.to < choice.from)
    return '見える期間の終わりの日が、はじめの日より前です。';
  if (choice.to && choice.to < today) return '見える期間の終わりの日は、今日以後にしてください。';
  return undefined;
}

/** 「12/1（火）から12/10（木）まで」; nothing where there are no days. */
export function daysText(
  days: { from?: string | null | undefined; to?: string | null | undefined },
  today: string,
): string {
  return [
    days.from ? `${monthDay(days.from, today)}から` : '',
    days.to ? `${monthDay(days.to, today)}まで` : '',
  ].join('');
}
