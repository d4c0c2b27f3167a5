import type { CaseSummary } from '../cases/api';
import { daysSince } from '../cases/dates';

export type Order = 'moved' | 'urgency' | 'quiet';

export const ORDERS: readonly { code: Order; label: string }[] = [
  { code: 'moved', label: '動きのある順' },
  { code: 'urgency', label: '緊急性' },
  { code: 'quiet', label: '連絡が空いた順' },
];

/** Codes from most to least urgent; a missing one stands between 高 and 中 so that it is noticed. */
const URGENCY_ORDER = ['s', 'a', '', 'b', 'c'];

export function sortCases(
  cases: readonly CaseSummary[],
  order: Order,
  today: string,
): CaseSummary[] {
  const silence = (item: CaseSummary): number =>
    daysSince(item.last_progress_on ?? item.received_on, today) ?? 0;
  const rank = (item: CaseSummary): number => {
    const at = URGENCY_ORDER.indexOf(item.urgency ?? '');
    return at < 0 ? URGENCY_ORDER.length : at;
  };
  const moved = (a: CaseSummary, b: CaseSummary): number =>
    a.updated_at < b.updated_at ? 1 : a.updated_at > b.updated_at ? -1 : 0;
  return [...cases].sort((a, b) => {
    if (order === 'urgency') return rank(a) - rank(b) || moved(a, b);
    if (order === 'quiet') return silence(b) - silence(a) || moved(a, b);
    return moved(a, b);
  });
}
