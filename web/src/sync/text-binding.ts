import type * as Y from 'yjs';
import { Pieces, replacement } from './pieces';

/** Boxes a shared text can live in. */
export type TextBox = HTMLTextAreaElement | HTMLInputElement;

/** What a binding tells its owner. */
export interface BindingEvents {
  /** A composition began or ended in this box. */
  onComposing?: (composing: boolean) => void;
  /** The user changed the text (after a composition: once, at its end). */
  onEdit?: () => void;
  /** Caret or selection moved, in indices of the shared text. */
  onSelection?: (anchor: number, head: number) => void;
  /** The text in the box changed, by whomever. */
  onText?: (text: string) => void;
}

/**
 * Keeps a text box and a Y.Text together. The box is not a controlled React input: nothing but
 * this class writes to it.
 *
 * **Invariant:** while a composition is open nothing writes to the box and nothing half-typed
 * reaches the shared text. Remote edits go into the shared text at once (other fields and other
 * people see no delay) and are remembered as {@link Pieces}; compositionend sends the composed
 * text to its right place and then shows what the others wrote.
 */
export class TextBinding {
  readonly #text: Y.Text;
  readonly #box: TextBox;
  readonly #events: BindingEvents;
  /** What the box held when we last looked. */
  #shown: string;
  #pieces: Pieces;
  #composing = false;
  readonly #stop = new AbortController();

  constructor(text: Y.Text, box: TextBox, events: BindingEvents = {}) {
    this.#text = text;
    this.#box = box;
    this.#events = events;
    this.#shown = text.toString();
    this.#pieces = new Pieces(this.#shown.length);
    box.value = this.#shown;
    events.onText?.(this.#shown);
    text.observe(this.#onRemote);
    const signal = this.#stop.signal;
    box.addEventListener('compositionstart', this.#onCompositionStart, { signal });
    box.addEventListener('compositionend', this.#onCompositionEnd, { signal });
    box.addEventListener('input', this.#onInput, { signal });
    box.addEventListener('blur', this.#onCompositionEnd, { signal });
    const selection = () => this.#reportSelection();
    for (const name of ['select', 'keyup', 'pointerup', 'focus'] as const)
      box.addEventListener(name, selection, { signal });
  }

  get composing(): boolean {
    return this.#composing;
  }

  /** Box index of an index in the shared text, for drawing other people's carets. */
  toBox(index: number): number {
    return this.#pieces.toBox(index);
  }

  destroy(): void {
    if (this.#composing) this.#endComposition();
    this.#stop.abort();
    this.#text.unobserve(this.#onRemote);
  }

  readonly #onCompositionStart = () => {
    if (this.#composing) return;
    // Anything typed without an input event of its own would be counted as composed text.
    this.#push();
    this.#composing = true;
    this.#events.onComposing?.(true);
  };

  readonly #onCompositionEnd = () => {
    if (this.#composing) this.#endComposition();
  };

  #endComposition(): void {
    this.#composing = false;
    this.#push();
    this.#show();
    this.#events.onComposing?.(false);
  }

  readonly #onInput = () => {
    if (this.#composing) {
      this.#events.onText?.(this.#box.value);
      return;
    }
    this.#push();
    this.#show();
  };

  /** Box → shared text. */
  #push(): void {
    const value = this.#box.value;
    const change = replacement(this.#shown, value, this.#box.selectionEnd ?? value.length);
    if (!change) return;
    const edit = this.#pieces.edit(change.at, change.removed, change.inserted.length);
    this.#shown = value;
    const write = () => {
      for (const { index, length } of edit.deletions) this.#text.delete(index, length);
      if (change.inserted !== '') this.#text.insert(edit.insertAt, change.inserted);
    };
    if (this.#text.doc) this.#text.doc.transact(write, this);
    else write();
    this.#events.onText?.(value);
    this.#events.onEdit?.();
    this.#reportSelection();
  }

  /** Shared text → box, keeping caret, selection and scroll where they were in the words. */
  #show(): void {
    if (this.#pieces.equal) return;
    const box = this.#box;
    const start = this.#pieces.toDoc(box.selectionStart ?? 0);
    const end = this.#pieces.toDoc(box.selectionEnd ?? 0);
    const direction = box.selectionDirection ?? 'none';
    const { scrollTop } = box;
    this.#shown = this.#text.toString();
    this.#pieces = new Pieces(this.#shown.length);
    box.value = this.#shown;
    // Selecting in an unfocused box would steal the focus in some browsers.
    if (box.ownerDocument.activeElement === box) box.setSelectionRange(start, end, direction);
    box.scrollTop = scrollTop;
    this.#events.onText?.(this.#shown);
  }

  readonly #onRemote = (event: Y.YTextEvent) => {
    if (event.transaction.origin === this) return;
    this.#pieces.remote(event.delta);
    if (!this.#composing) this.#show();
  };

  #reportSelection(): void {
    if (!this.#events.onSelection || this.#composing) return;
    const box = this.#box;
    if (box.ownerDocument.activeElement !== box) return;
    const start = this.#pieces.toDoc(box.selectionStart ?? 0);
    const end = this.#pieces.toDoc(box.selectionEnd ?? 0);
    const backward = box.selectionDirection === 'backward';
    this.#events.onSelection(backward ? end : start, backward ? start : end);
  }
}
