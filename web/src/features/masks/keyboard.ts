/** The keyboard map of the mask review (UX.md), as a pure function from key event to command. */

export type Command =
  | { kind: 'next' }
  | { kind: 'previous' }
  | { kind: 'accept' }
  | { kind: 'reject' }
  | { kind: 'category'; index: number }
  | { kind: 'undo' }
  | { kind: 'accept_all' }
  | { kind: 'reject_all' }
  | { kind: 'finish' }
  | { kind: 'help' };

/** The part of a KeyboardEvent the map looks at. */
export interface Key {
  key: string;
  /** Physical key; letters arrive full-width or as kana while a Japanese input method is on. */
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  isComposing: boolean;
  keyCode?: number;
}

export interface Context {
  /** Off = single-key shortcuts were switched off by the reader (WCAG 2.1.4). */
  enabled: boolean;
  /** The event went to a place where keys mean something else: a field, a list, a dialog. */
  inField: boolean;
  /** The keyboard came to a text that scrolls: ↓ and ↑ are its own. */
  scrolls?: boolean;
}

/**
 * Command for a key, or null when the key is not ours.
 *
 * Nothing is taken while composing (`isComposing`, or the key code 229 that Chromium sends for
 * the key that ends a composition). Ctrl+Enter stays available with single keys switched off,
 * because it needs a modifier.
 */
export function commandFor(key: Key, context: Context): Command | null {
  if (key.isComposing || key.keyCode === 229 || key.key === 'Process') return null;
  if (key.altKey) return null;
  if (key.ctrlKey || key.metaKey) {
    if (key.key === 'Enter' && !key.shiftKey) return { kind: 'finish' };
    return null;
  }
  if (!context.enabled || context.inField) return null;

  switch (key.key) {
    case 'ArrowDown':
      return key.shiftKey || context.scrolls ? null : { kind: 'next' };
    case 'ArrowUp':
      return key.shiftKey || context.scrolls ? null : { kind: 'previous' };
    case '?':
    case '？':
      return { kind: 'help' };
    default:
      break;
  }
  const letter = key.key.normalize('NFKC').toLowerCase();
  if (letter === 'a' || (key.code === 'KeyA' && !isLatin(letter)))
    return { kind: key.shiftKey ? 'accept_all' : 'accept' };
  if (letter === 'x' || (key.code === 'KeyX' && !isLatin(letter)))
    return { kind: key.shiftKey ? 'reject_all' : 'reject' };
  if ((letter === 'u' || (key.code === 'KeyU' && !isLatin(letter))) && !key.shiftKey)
    return { kind: 'undo' };
  if (/^[1-9]$/.test(letter) && !key.shiftKey)
    return { kind: 'category', index: Number(letter) - 1 };
  return null;
}

function isLatin(letter: string): boolean {
  return /^[a-z]$/.test(letter);
}

/** What the help and the bar at the foot list, in this order. */
export const HELP: readonly { keys: readonly string[]; text: string }[] = [
  { keys: ['↓', '↑'], text: '次・前へ' },
  { keys: ['A'], text: '伏せる' },
  { keys: ['X'], text: '伏せない' },
  { keys: ['1', '–', '9'], text: '種類を変える' },
  { keys: ['U'], text: '取り消す' },
  { keys: ['Shift+A'], text: '同じことばをすべて伏せる' },
  { keys: ['Shift+X'], text: '同じことばをすべて伏せない' },
  { keys: ['Ctrl+Enter'], text: '確認を終える' },
  { keys: ['?'], text: 'この説明' },
];
