import { describe, expect, it } from 'vitest';
import { replacement } from './pieces';

describe('replacement', () => {
  it('takes the repeated character that the caret points at', () => {
    expect(replacement('ああ', 'あああ', 1)).toEqual({ at: 0, removed: 0, inserted: 'あ' });
    expect(replacement('ああ', 'あああ', 3)).toEqual({ at: 2, removed: 0, inserted: 'あ' });
  });

  it('finds a deletion and a replacement', () => {
    expect(replacement('かなにほん', 'かなん', 2)).toEqual({ at: 2, removed: 2, inserted: '' });
    expect(replacement('にほん', '日本', 2)).toEqual({ at: 0, removed: 3, inserted: '日本' });
    expect(replacement('同じ', '同じ', 2)).toBeNull();
  });

  it('keeps surrogate pairs whole', () => {
    // 𠮷 and 𠮟 share their first half.
    const change = replacement('𠮷野', '𠮟野', 2);
    expect(change).toEqual({ at: 0, removed: 2, inserted: '𠮟' });
  });

  it('rebuilds the new text for random edits', () => {
    let seed = 7;
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    for (let round = 0; round < 3000; round += 1) {
      const text = () =>
        Array.from({ length: random(8) }, () => 'aあ𠮷'.charAt(random(4))).join('');
      const [before, after] = [text(), text()];
      const change = replacement(before, after, random(after.length + 1));
      if (!change) {
        expect(before).toBe(after);
        continue;
      }
      const rebuilt =
        before.slice(0, change.at) + change.inserted + before.slice(change.at + change.removed);
      expect(rebuilt).toBe(after);
    }
  });
});
