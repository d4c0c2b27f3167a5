/**
 * マイナンバー (個人番号), recognised so that it can be kept out; the twin of
 * `server/domain/src/my_number.rs`. Twelve digits, half or full width, in a row or in equal groups,
 * with the right check digit (番号法の命令第5条).
 */

const SEPARATOR = /[ \u3000\u00a0\-－‐‑–—−ーｰ―]/u;

function digit(character: string | undefined): number | null {
  if (character === undefined) return null;
  if (/^[0-9]$/.test(character)) return Number(character);
  const code = character.charCodeAt(0);
  return code >= 0xff10 && code <= 0xff19 ? code - 0xff10 : null;
}

function checkDigit(eleven: readonly number[]): number {
  let sum = 0;
  for (let n = 1; n <= 11; n += 1) sum += (eleven[11 - n] ?? 0) * (n <= 6 ? n + 1 : n - 5);
  const rest = sum % 11;
  return rest <= 1 ? 0 : 11 - rest;
}

/** Twelve in a row, or equal groups; other groupings are telephone numbers beside others. */
function usualGrouping(places: readonly number[]): boolean {
  const groups = [1];
  for (let i = 1; i < places.length; i += 1) {
    if ((places[i - 1] ?? 0) + 1 === places[i])
      groups[groups.length - 1] = (groups.at(-1) ?? 0) + 1;
    else groups.push(1);
  }
  return groups.every((length) => length === groups[0]);
}

/** Where personal numbers stand, in code points, end exclusive. */
export function findMyNumbers(text: string): { start: number; end: number }[] {
  const characters = [...text];
  const found: { start: number; end: number }[] = [];
  let at = 0;
  while (at < characters.length) {
    if (digit(characters[at]) === null) {
      at += 1;
      continue;
    }
    const digits: number[] = [];
    const places: number[] = [];
    let next = at;
    while (next < characters.length) {
      const value = digit(characters[next]);
      if (value !== null) {
        digits.push(value);
        places.push(next);
        next += 1;
      } else if (SEPARATOR.test(characters[next] ?? '') && digit(characters[next + 1]) !== null)
        next += 1;
      else break;
    }
    for (let window = 0; window + 12 <= digits.length; window += 1) {
      const start = places[window] ?? 0;
      const end = (places[window + 11] ?? 0) + 1;
      const freeBefore = window === 0 || (places[window - 1] ?? 0) + 1 !== start;
      const freeAfter = window + 12 === digits.length || places[window + 12] !== end;
      if (
        freeBefore &&
        freeAfter &&
        usualGrouping(places.slice(window, window + 12)) &&
        checkDigit(digits.slice(window, window + 11)) === digits[window + 11]
      )
        found.push({ start, end });
    }
    at = next;
  }
  return found;
}
