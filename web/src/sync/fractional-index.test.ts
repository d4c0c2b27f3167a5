import { describe, expect, it } from 'vitest';
import { between, compareOrder } from './fractional-index';

describe('between', () => {
  it('orders first, last and middle keys', () => {
    const first = between(null, null);
    expect(between(null, first) < first).toBe(true);
    expect(between(first, null) > first).toBe(true);
  });

  it('always finds room, whatever the sequence of insertions', () => {
    let seed = 3;
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const keys: string[] = [];
    for (let i = 0; i < 2000; i += 1) {
      const at = random(keys.length + 1);
      const key = between(keys[at - 1] ?? null, keys[at] ?? null);
      if (at > 0) expect(key > (keys[at - 1] ?? '')).toBe(true);
      if (at < keys.length) expect(key < (keys[at] ?? '')).toBe(true);
      expect(key.endsWith('0')).toBe(false);
      keys.splice(at, 0, key);
    }
    const appended = Array.from({ length: 300 }).reduce<string>((key) => between(key, null), '');
    expect(appended.length).toBeLessThan(30);
  });

  it('survives two equal keys', () => {
    const key = between('V', 'V');
    expect(key > 'V').toBe(true);
    const rows = [
      { id: 'b', order: 'V' },
      { id: 'a', order: 'V' },
    ];
    expect(rows.sort(compareOrder).map((row) => row.id)).toEqual(['a', 'b']);
  });
});
