/**
 * Order keys of rows: strings compared by code unit, so that a row moves by changing one value.
 * Digits are base 62 in ASCII order; a key never ends in the lowest digit, so there is always
 * room before and after it.
 */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = DIGITS.length;

function digit(key: string, index: number, missing: number): number {
  const at = key.charAt(index);
  if (at === '') return missing;
  const value = DIGITS.indexOf(at);
  return value < 0 ? missing : value;
}

/**
 * A key between two others; null is the end of the list. When the two are equal or out of order
 * (two people inserted at the same place) the key is put right after the first.
 */
export function between(before: string | null, after: string | null): string {
  const low = before ?? '';
  let high = after;
  if (high !== null && low >= high) high = null;
  let key = '';
  for (let i = 0; ; i += 1) {
    const a = digit(low, i, 0);
    const b = high === null ? BASE : digit(high, i, 0);
    if (b - a > 1) {
      // Half way, and nearer to the start when appending, so that keys stay short.
      const step = high === null && low !== '' ? Math.min(4, b - a - 1) : (b - a) >> 1;
      return key + DIGITS.charAt(a + Math.max(1, step));
    }
    key += DIGITS.charAt(a);
    if (b > a) high = null;
  }
}

/** Sorts by order key, then id, so that equal keys come out the same everywhere. */
export function compareOrder(
  a: { id: string; order: string },
  b: { id: string; order: string },
): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
