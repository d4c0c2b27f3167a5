import {
  createContext,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
  type KeyboardEvent,
} from 'react';

/** A box whose text is not a value of the form: still being typed, or not readable. */
export interface UnreadBox {
  /** Id of the control. */
  id: string;
  /** Why it cannot be read; null while it is only being typed. */
  message: string | null;
}

const NONE: readonly UnreadBox[] = [];

/**
 * The boxes of one form that hold text the form does not know. What is finalised, checked or called
 * saved must ask here first: the form's own values still hold what stood there before.
 */
export class UnreadBoxes {
  #boxes: readonly UnreadBox[] = NONE;
  readonly #listeners = new Set<() => void>();

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** All of them, in the order in which they were typed into. */
  readonly boxes = (): readonly UnreadBox[] => this.#boxes;

  /** Those that cannot be read: what an error summary shows and a submit must refuse. */
  readonly problems = (): { target: string; message: string }[] => problemsOf(this.#boxes);

  put(box: UnreadBox): void {
    const known = this.#boxes.find((other) => other.id === box.id);
    if (!known) this.#set([...this.#boxes, box]);
    else if (known.message !== box.message)
      this.#set(this.#boxes.map((other) => (other === known ? box : other)));
  }

  remove(id: string): void {
    if (this.#boxes.some((box) => box.id === id))
      this.#set(this.#boxes.filter((box) => box.id !== id));
  }

  #set(boxes: readonly UnreadBox[]): void {
    this.#boxes = boxes;
    for (const listener of this.#listeners) listener();
  }
}

function problemsOf(boxes: readonly UnreadBox[]): { target: string; message: string }[] {
  return boxes.flatMap(({ id, message }) => (message === null ? [] : [{ target: id, message }]));
}

/** Names the form that the boxes inside belong to. */
export const UnreadContext = createContext<UnreadBoxes | null>(null);

/** The unread boxes of a form; closing the window warns while there are any. */
export function useUnread(): UnreadBoxes {
  const [unread] = useState(() => new UnreadBoxes());
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (unread.boxes().length > 0) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [unread]);
  return unread;
}

const never = () => () => undefined;

/** The unread boxes of the form around, live. */
export function useUnreadBoxes(): readonly UnreadBox[] {
  const unread = useContext(UnreadContext);
  return useSyncExternalStore(unread?.subscribe ?? never, () => unread?.boxes() ?? NONE);
}

/** {@link UnreadBoxes.problems} of the form around, live. */
export function useUnreadProblems(): { target: string; message: string }[] {
  return problemsOf(useUnreadBoxes());
}

/**
 * Text being typed that becomes a value when the box is left. `draft` is null while the box shows
 * the value itself; `problem` says why the text was not taken.
 */
export function useDraft(id: string): {
  draft: string | null;
  problem: string | undefined;
  type: (text: string) => void;
  /** The text was taken, or could not be. */
  settle: (problem?: string) => void;
} {
  const unread = useContext(UnreadContext);
  const [draft, setDraft] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | undefined>();
  // A box that goes away (a person taken out, a section folded) holds nothing up any more.
  useEffect(() => () => unread?.remove(id), [unread, id]);
  return {
    draft,
    problem,
    type: (text) => {
      setDraft(text);
      unread?.put({ id, message: null });
    },
    settle: (next) => {
      setProblem(next);
      if (next !== undefined) {
        unread?.put({ id, message: next });
        return;
      }
      setDraft(null);
      unread?.remove(id);
    },
  };
}

/**
 * onKeyDown of a form: Ctrl+Enter submits it, after the box one is in has handed over its text and
 * the form has been drawn with it.
 */
export function submitOnCtrlEnter(event: KeyboardEvent<HTMLFormElement>): void {
  if (event.key !== 'Enter' || !event.ctrlKey || event.nativeEvent.isComposing) return;
  event.preventDefault();
  const form = event.currentTarget;
  setTimeout(() => form.requestSubmit(), 0);
}
