/** Text comparisons as lines on the screen: long unchanged stretches fold away. */
import type { TextPiece } from './api';

/** So many unchanged characters stay in sight beside a change. */
const CONTEXT = 40;
/** A shorter stretch is not worth folding. */
const WORTH = 60;

export type Shown =
  | { kind: 'same' | 'added' | 'removed'; text: string }
  /** `text` is out of sight. */
  | { kind: 'folded'; text: string };

const size = (text: string) => [...text].length;
const head = (text: string, count: number) => [...text].slice(0, count).join('');
const tail = (text: string, count: number) => (count === 0 ? '' : [...text].slice(-count).join(''));

/** Folds what is unchanged and far from every change. */
export function fold(pieces: readonly TextPiece[]): Shown[] {
  return pieces.flatMap((piece, index): Shown[] => {
    const kind = piece.kind === 'added' || piece.kind === 'removed' ? piece.kind : 'same';
    if (kind !== 'same') return [{ kind, text: piece.text }];
    const before = index > 0 ? CONTEXT : 0;
    const after = index < pieces.length - 1 ? CONTEXT : 0;
    const length = size(piece.text);
    if (length - before - after < WORTH) return [{ kind, text: piece.text }];
    const middle = [...piece.text].slice(before, length - after).join('');
    const shown: Shown[] = [
      { kind: 'same', text: head(piece.text, before) },
      { kind: 'folded', text: middle },
      { kind: 'same', text: tail(piece.text, after) },
    ];
    return shown.filter(({ text }) => text !== '');
  });
}

/** One side of a comparison in two columns. */
export function side(pieces: readonly Shown[], which: 'before' | 'after'): Shown[] {
  const other = which === 'before' ? 'added' : 'removed';
  return pieces.filter(({ kind }) => kind !== other);
}

export { size };
