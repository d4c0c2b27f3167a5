/** Households of a register person as plain data: what is shown, what is checked, what is sent. */
import type { Schema } from '../../api/types';
import type { SummaryItem } from '../../ui';
import { wareki } from '../cases/dates';
import { kinshipLabel } from '../cases/vocabulary';

export type Household = Schema<'HouseholdAnswer'>;
export type Stay = Schema<'HouseholdStay'>;
export type HouseholdKind = 'registered' | 'actual';

export const HOUSEHOLD_KINDS: Readonly<Record<HouseholdKind, { label: string; meaning: string }>> =
  {
    registered: { label: '住民票世帯', meaning: '住民票のうえで同じ世帯の方' },
    actual: { label: '実世帯', meaning: '実際に一緒に暮らし、生計をともにしている方' },
  };

/** Kinship to the head: the head is 世帯主 here, not 本人. */
export function kinshipToHead(stay: Pick<Stay, 'kinship' | 'kinship_other'>): string {
  if (stay.kinship === 'self') return '世帯主';
  if (stay.kinship === 'other') return stay.kinship_other ?? 'その他';
  return stay.kinship ? kinshipLabel(stay.kinship) : '';
}

/** 「令和2年4月1日〜」; a first day that nobody knows is said so. */
export function stayPeriod(stay: Pick<Stay, 'from' | 'to'>): string {
  const from = stay.from ? wareki(stay.from) : '時期不明';
  return `${from}〜${stay.to ? wareki(stay.to) : ''}`;
}

/** Who stays there on a day. */
export function present(household: Household, today: string): Stay[] {
  return household.stays.filter(
    (stay) => (!stay.from || stay.from <= today) && (!stay.to || today <= stay.to),
  );
}

/** The household in which the person stays now; null = none is known. */
export function currentOf(households: readonly Household[], kind: HouseholdKind): Household | null {
  return households.find((household) => household.kind === kind && household.current) ?? null;
}

/** Whether both households are known and other people stay in them. */
export function differ(households: readonly Household[], today: string): boolean {
  const [registered, actual] = (['registered', 'actual'] as const).map((kind) => {
    const household = currentOf(households, kind);
    return household && new Set(present(household, today).map((stay) => stay.person_id));
  });
  if (!registered || !actual) return false;
  return registered.size !== actual.size || [...registered].some((id) => !actual.has(id));
}

/** Everybody who stays with the person now, in either household, without the person. */
export function livingTogether(
  person: { id: string; households: readonly Household[] },
  today: string,
): Stay[] {
  const found = new Map<string, Stay>();
  for (const household of person.households)
    if (household.current)
      for (const stay of present(household, today))
        if (stay.person_id !== person.id) found.set(stay.person_id, stay);
  return [...found.values()];
}

export interface StayDraft {
  kinship: string;
  kinshipOther: string;
  from: string;
  to: string;
  joinedBecause: string;
  leftBecause: string;
}

export function stayDraft(stay?: Stay): StayDraft {
  return {
    kinship: stay?.kinship ?? '',
    kinshipOther: stay?.kinship_other ?? '',
    from: stay?.from ?? '',
    to: stay?.to ?? '',
    joinedBecause: stay?.joined_because ?? '',
    leftBecause: stay?.left_because ?? '',
  };
}

/** What keeps a stay from being sent. `moves`: another stay of the kind ends with it. */
export function stayProblems(draft: StayDraft, moves: boolean): SummaryItem[] {
  const problems: SummaryItem[] = [];
  if (moves && draft.from === '')
    problems.push({
      target: 'stay-from',
      message: '移った日を入力してください。いまの世帯は、その前の日までになります。',
    });
  if (draft.from !== '' && draft.to !== '' && draft.to < draft.from)
    problems.push({
      target: 'stay-to',
      message: '世帯を出た日は、入った日以後にしてください。',
    });
  return problems;
}

/** The body of POST /persons/{id}/households. */
export function enterBody(
  kind: HouseholdKind,
  household: string | null,
  draft: StayDraft,
): Schema<'EnterHousehold'> {
  return {
    kind,
    ...(household ? { household_id: household } : {}),
    ...(draft.kinship ? { kinship: draft.kinship } : {}),
    ...(draft.kinship === 'other' && draft.kinshipOther.trim()
      ? { kinship_other: draft.kinshipOther.trim() }
      : {}),
    ...(draft.from ? { from: draft.from } : {}),
    ...(draft.joinedBecause.trim() ? { reason: draft.joinedBecause.trim() } : {}),
  };
}

/** The body of PATCH /persons/{id}/households/{stay_id}; null = nothing changed. */
export function changeBody(stay: Stay, draft: StayDraft): Schema<'ChangeStay'> | null {
  const before = stayDraft(stay);
  const set: Record<string, string | null> = {};
  const names = {
    kinship: 'kinship',
    kinshipOther: 'kinship_other',
    from: 'from',
    to: 'to',
    joinedBecause: 'joined_because',
    leftBecause: 'left_because',
  } as const;
  for (const key of Object.keys(names) as (keyof StayDraft)[]) {
    const value = key === 'kinshipOther' && draft.kinship !== 'other' ? '' : draft[key].trim();
    if (value !== before[key]) set[names[key]] = value === '' ? null : value;
  }
  return Object.keys(set).length > 0 ? { version: stay.version, set } : null;
}
