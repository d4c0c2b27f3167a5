/** ふりがな out of what an input method shows before it converts: a name is typed once. */

/** Letters that are a reading already. */
const KANA = /^[ぁ-ゖァ-ヺー・ゝゞヽヾ]+$/;
/** Romaji that is not yet a kana, at the end of a composition. */
const HALF_A_KANA = /[a-zａ-ｚ]+$/iu;

/** A piece of the box and how it is read. */
interface Part {
  text: string;
  kana: string;
}

/**
 * Follows one box. What cannot be followed (pasted text, a conversion chosen before all was typed, a
 * piece put in the middle) has no reading; then `null` is returned and nothing is filled in.
 */
export class Reading {
  #parts: Part[] = [];
  #composed = '';
  #composing = false;

  /** Whether an input method is at work: what the box holds then is not final. */
  get composing(): boolean {
    return this.#composing;
  }

  begin(): void {
    this.#composing = true;
  }

  /** The input method shows `data`, not committed yet. */
  compose(data: string): void {
    const kana = data.normalize('NFKC').replace(HALF_A_KANA, '');
    // A conversion into katakana is read as before.
    if (KANA.test(kana)) this.#composed = kana.replace(/[ァ-ヶ]/gu, toHiragana);
  }

  /** `piece` was committed, `text` is the whole box now. */
  commit(text: string, piece: string): string | null {
    const kana = KANA.test(piece) ? piece : this.#composed;
    this.#composed = '';
    this.#composing = false;
    if (piece !== '' && piece.trim() !== '' && kana !== '' && text.endsWith(piece)) {
      this.#keep(text.slice(0, -piece.length));
      this.#parts.push({ text: piece, kana });
    }
    return this.change(text);
  }

  /** The box holds `text` now: letters were taken away, or typed without an input method. */
  change(text: string): string | null {
    this.#keep(text);
    const rest = text.slice(this.#text().length);
    if (rest !== '') {
      if (rest.trim() !== '' && !KANA.test(rest.trim())) return null;
      this.#parts.push({ text: rest, kana: rest });
    }
    return this.#parts
      .map((part) => part.kana)
      .join('')
      .replace(/\s+/gu, ' ');
  }

  #text(): string {
    return this.#parts.map((part) => part.text).join('');
  }

  /** Keeps the parts that still stand at the beginning. */
  #keep(text: string): void {
    while (!text.startsWith(this.#text())) this.#parts.pop();
  }
}

function toHiragana(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) - 0x60);
}
