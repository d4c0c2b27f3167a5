import { useEffect, useRef } from 'react';
import { useErrorTitle } from '../app/title';
import { Icon } from './Icon';
import { useUnreadProblems } from './unread';
import './error-summary.css';

/** One thing to mend; `target` is the id of the control. */
export interface SummaryItem {
  target: string;
  message: string;
  /** Called instead of plain focusing, e.g. to open a closed section first. */
  onFollow?: () => void;
}

/**
 * The list of errors at the top of a form. Takes the focus each time `attempt` changes, and only
 * then: `items` may come and go while somebody types. Links to each field in the same words, and
 * prefixes the page title with エラー：. After the first attempt it also names the boxes around it
 * that cannot be read.
 */
export function ErrorSummary({
  items,
  attempt,
  title = '入力内容を確認してください',
}: {
  items: readonly SummaryItem[];
  attempt: number;
  title?: string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const problems = useUnreadProblems();
  const unread = attempt > 0 ? problems : [];
  const shown: readonly SummaryItem[] = [
    ...items.filter((item) => !unread.some((other) => other.target === item.target)),
    ...unread,
  ];
  const present = shown.length > 0;
  useErrorTitle(present);
  useEffect(() => {
    if (attempt > 0) box.current?.focus();
  }, [attempt]);
  if (!present) return null;
  return (
    <div className="error-summary" role="alert" tabIndex={-1} ref={box}>
      <h2>
        <Icon name="warning" />
        {title}（{shown.length}件）
      </h2>
      <ul>
        {shown.map((item) => (
          <li key={`${item.target}-${item.message}`}>
            <a
              href={`#${item.target}`}
              onClick={(event) => {
                event.preventDefault();
                if (item.onFollow) item.onFollow();
                else focusControl(item.target);
              }}
            >
              {item.message}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Scrolls to a control and gives it the focus; for a group, its first choice. */
export function focusControl(id: string): void {
  const element = document.getElementById(id);
  if (!element) return;
  element.scrollIntoView({ block: 'center' });
  const target =
    element.tagName === 'FIELDSET'
      ? (element.querySelector<HTMLElement>('input:checked, input, button') ?? element)
      : element;
  target.focus({ preventScroll: true });
}
