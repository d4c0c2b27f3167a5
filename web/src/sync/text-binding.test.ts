import { afterEach, describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { TextBinding } from './text-binding';

/** A box here, a second writer there, connected at once or held back. */
function scene(start: string) {
  const here = new Y.Doc();
  const there = new Y.Doc();
  here.getText('t').insert(0, start);
  Y.applyUpdate(there, Y.encodeStateAsUpdate(here));
  const sent: Uint8Array[] = [];
  here.on('update', (update: Uint8Array, origin: unknown) => {
    if (origin === 'net') return;
    sent.push(update);
    Y.applyUpdate(there, update, 'net');
  });
  there.on('update', (update: Uint8Array, origin: unknown) => {
    if (origin !== 'net') Y.applyUpdate(here, update, 'net');
  });
  const box = document.createElement('textarea');
  document.body.append(box);
  box.focus();
  const binding = new TextBinding(here.getText('t'), box);
  const type = (text: string, at = box.selectionStart) => {
    box.value = box.value.slice(0, at) + text + box.value.slice(at);
    box.setSelectionRange(at + text.length, at + text.length);
    box.dispatchEvent(new Event('input'));
  };
  return {
    here,
    there,
    mine: here.getText('t'),
    theirs: there.getText('t'),
    box,
    binding,
    type,
    sent,
  };
}

const compose = (box: HTMLTextAreaElement, name: 'start' | 'end') =>
  box.dispatchEvent(new Event(`composition${name}`));

afterEach(() => document.body.replaceChildren());

describe('TextBinding', () => {
  it('sends plain typing at once as a minimal edit', () => {
    const s = scene('山本さん');
    s.type('健一', 2);
    expect(s.theirs.toString()).toBe('山本健一さん');
    expect(s.mine.toDelta()).toHaveLength(1);
    expect(s.sent).toHaveLength(1);
  });

  it('keeps the caret in its words when others write before it', () => {
    const s = scene('あいう');
    s.box.setSelectionRange(2, 2);
    s.theirs.insert(0, '★★');
    expect(s.box.value).toBe('★★あいう');
    expect(s.box.selectionStart).toBe(4);
    s.theirs.delete(0, 3);
    expect(s.box.value).toBe('いう');
    expect(s.box.selectionStart).toBe(1);
  });

  it('sends nothing half-typed, and both texts survive a remote edit at the caret', () => {
    const s = scene('かな：');
    s.box.setSelectionRange(3, 3);
    compose(s.box, 'start');
    s.type('ｎ');
    s.box.value = 'かな：にほ';
    s.box.setSelectionRange(5, 5);
    s.box.dispatchEvent(new Event('input'));
    expect(s.sent).toHaveLength(0);
    s.theirs.insert(3, '［他］');
    // The shared text has it, the box must not.
    expect(s.mine.toString()).toBe('かな：［他］');
    expect(s.box.value).toBe('かな：にほ');
    s.box.value = 'かな：日本';
    s.box.setSelectionRange(5, 5);
    compose(s.box, 'end');
    expect(s.mine.toString()).toBe('かな：日本［他］');
    expect(s.theirs.toString()).toBe('かな：日本［他］');
    expect(s.box.value).toBe('かな：日本［他］');
    expect(s.box.selectionStart).toBe(5);
    expect(s.sent).toHaveLength(1);
  });

  it('does not bring back what another deleted around a composition', () => {
    const s = scene('前の文。後の文。');
    s.box.setSelectionRange(4, 4);
    compose(s.box, 'start');
    s.theirs.delete(0, 8);
    s.box.value = '前の文。今後の文。';
    s.box.setSelectionRange(5, 5);
    compose(s.box, 'end');
    expect(s.theirs.toString()).toBe('今');
    expect(s.box.value).toBe('今');
  });

  it('hands over an open composition when it goes away', () => {
    const s = scene('');
    compose(s.box, 'start');
    s.box.value = '確認';
    s.binding.destroy();
    expect(s.theirs.toString()).toBe('確認');
  });

  it('never falls behind: each compositionend shows what came meanwhile', () => {
    const s = scene('');
    for (let word = 0; word < 50; word += 1) {
      compose(s.box, 'start');
      s.theirs.insert(s.theirs.length, '他');
      const at = s.box.selectionStart;
      s.box.value = `${s.box.value.slice(0, at)}語${s.box.value.slice(at)}`;
      s.box.setSelectionRange(at + 1, at + 1);
      compose(s.box, 'end');
      expect(s.box.value).toBe(s.theirs.toString());
    }
    expect(s.box.value.replaceAll('他', '')).toBe('語'.repeat(50));
    expect(s.box.value.replaceAll('語', '')).toBe('他'.repeat(50));
  });

  it('converges and keeps every composed word under random remote edits', () => {
    let seed = 42;
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    for (let round = 0; round < 150; round += 1) {
      const s = scene('0123456789'.slice(0, random(11)));
      for (let step = 0; step < 12; step += 1) {
        const composing = random(2) === 0;
        const at = random(s.box.value.length + 1);
        s.box.setSelectionRange(at, at);
        const word = `〈${round}.${step}〉`;
        const remote = () => {
          if (random(3) === 0 && s.theirs.length > 0) {
            // Only the digits: words of this person must all be there at the end.
            const digits = [...s.theirs.toString()].findIndex((c) => /[0-9]/.test(c));
            const inWord = s.theirs.toString().slice(0, digits).lastIndexOf('〈');
            const closed = s.theirs.toString().slice(0, digits).lastIndexOf('〉');
            if (digits >= 0 && inWord <= closed) s.theirs.delete(digits, 1);
          } else {
            // Never inside a word.
            const text = s.theirs.toString();
            let to = random(text.length + 1);
            const open = text.slice(0, to).lastIndexOf('〈');
            if (open > text.slice(0, to).lastIndexOf('〉')) to = open;
            s.theirs.insert(to, '＊');
          }
        };
        // Stay outside words here, too.
        const open = s.box.value.slice(0, at).lastIndexOf('〈');
        const place = open > s.box.value.slice(0, at).lastIndexOf('〉') ? open : at;
        s.box.setSelectionRange(place, place);
        if (composing) {
          compose(s.box, 'start');
          remote();
          s.type('ｋ');
          remote();
          s.box.value = s.box.value.replace('ｋ', word);
          s.box.setSelectionRange(place + word.length, place + word.length);
          remote();
          compose(s.box, 'end');
        } else {
          s.type(word);
          remote();
        }
        expect(s.box.value).toBe(s.mine.toString());
        expect(s.theirs.toString()).toBe(s.mine.toString());
        expect(s.box.value).toContain(word);
      }
      for (let step = 0; step < 12; step += 1)
        expect(s.box.value).toContain(`〈${round}.${step}〉`);
      s.binding.destroy();
      s.box.remove();
    }
  }, 60_000);
});
