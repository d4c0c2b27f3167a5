/**
 * Somebody at a keyboard: presses what a person would press, counts it, and estimates the time by the
 * Keystroke-Level Model (docs/keyboard.md).
 */

/** Seconds for one key: an average typist who is no secretary, 40 words a minute (Card, Moran, Newell 1980). */
export const KEY = 0.28;
/** Seconds of making up one's mind: before each box and command, and once more for each sentence. */
export const MIND = 1.35;
/** Seconds for taking out a telephone and reading the code. Our own estimate: the model has no such step. */
export const CODE = 5;

const VOWELS = 'あいうえおアイウエオ';
const SMALL = 'ぁぃぅぇぉゃゅょァィゥェォャュョ';

/**
 * Keys for writing kana in romaji (訓令式): a vowel, ー and a mark one, ん two (nn), っ one (the doubled
 * consonant), きゃ three, all others two.
 */
export function romajiKeys(kana) {
  let keys = 0;
  for (const letter of kana) {
    if (VOWELS.includes(letter) || !/[ぁ-ゖァ-ヺ]/u.test(letter)) keys += 1;
    else if ('っッ'.includes(letter)) keys += 1;
    // Together with the kana before it three.
    else if (SMALL.includes(letter)) keys += 1;
    else keys += 2;
  }
  return keys;
}

/** Keys for one phrase: its romaji, Space where it is converted, Enter for taking it. */
export function phraseKeys(kana, text) {
  return romajiKeys(kana) + (text === kana ? 0 : 1) + 1;
}

export class Typist {
  keys = 0;
  thoughts = 0;
  codes = 0;
  loads = 0;
  /** Seconds spent waiting for the screen. */
  waited = 0;

  constructor(page) {
    this.page = page;
    page.on('load', () => (this.loads += 1));
  }

  think(times = 1) {
    this.thoughts += times;
  }

  async press(key, times = 1) {
    for (let n = 0; n < times; n += 1) {
      this.keys += 1;
      await this.page.keyboard.press(key);
    }
  }

  /** Latin letters and numbers. */
  async type(text) {
    this.think();
    this.keys += [...text].length;
    await this.page.keyboard.type(text);
  }

  /** Japanese: `[kana, text]` for each phrase, composed and converted as an input method does. */
  async write(...phrases) {
    this.think();
    const session = await this.page.context().newCDPSession(this.page);
    for (const [kana, text] of phrases) {
      this.keys += phraseKeys(kana, text);
      if (text.endsWith('。')) this.think();
      for (const shown of new Set([kana.slice(0, 1), kana, text]))
        await session.send('Input.imeSetComposition', {
          text: shown,
          selectionStart: shown.length,
          selectionEnd: shown.length,
        });
      await session.send('Input.insertText', { text });
    }
    await session.detach();
  }

  /** The code of the second step is read off a telephone. */
  async code(digits) {
    this.codes += 1;
    this.keys += digits.length;
    await this.page.keyboard.type(digits);
  }

  /** Waits for the screen; the time counts. */
  async until(seen) {
    const began = Date.now();
    const result = await seen();
    this.waited += (Date.now() - began) / 1000;
    return result;
  }

  /** Id of the control that has the focus. */
  focused() {
    return this.page.evaluate(() => document.activeElement?.id ?? '');
  }

  /** Tab until a control has the focus; each is a key. */
  async tabTo(id, most = 40) {
    for (let n = 0; n <= most; n += 1) {
      const at = await this.page.evaluate((id) => {
        const focus = document.activeElement;
        return focus?.id === id || (focus?.closest('fieldset')?.id ?? '') === id;
      }, id);
      if (at) return;
      await this.press('Tab');
    }
    throw new Error(`${id} was not reached in ${most} keys; focus on ${await this.focused()}`);
  }

  get seconds() {
    return KEY * this.keys + MIND * this.thoughts + CODE * this.codes + this.waited;
  }

  /** What was spent so far. */
  mark() {
    const { keys, thoughts, codes, loads, waited, seconds } = this;
    return { keys, thoughts, codes, loads, waited, seconds };
  }
}

/** What was spent between two marks. */
export function between(from, to) {
  return Object.fromEntries(Object.entries(to).map(([name, value]) => [name, value - from[name]]));
}

/** One line of the table in docs/keyboard.md. */
export function line(what, { keys, thoughts, codes, loads, waited, seconds }) {
  return `${what}: ${keys} keys, ${thoughts} decisions, ${codes} codes, ${loads} page loads, waited ${waited.toFixed(1)} s, estimated ${seconds.toFixed(0)} s`;
}
