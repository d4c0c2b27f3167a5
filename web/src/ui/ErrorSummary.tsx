import { useEffect, useRef } from 'react';
import { useErrorTitle } from '../app/title';
import { Icon } from './Icon';
import './error-summary.css';

/** One thing to mend; `target` is the id of the control. */
export interface SummaryItem {
  target: string;
  message: string;
  /** Called instead of plain focusing, e.g. to open a closed section first. */
  onFollow?: () => void;
}

/**
 * The list of errors at the top of a form. Takes the focus each time `attempt` changes,
 * links to each field in the same words, and prefixes the page title with エラー：.
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
  useErrorTitle(items.length > 0);
  const present = items.length > 0;
  useEffect(() => {
    if (present) box.current?.focus();
  }, [attempt, present]);
  if (!present) return null;
  return (
    <div className="error-summary" role="alert" tabIndex={-1} ref={box}>
      <h2>
        <Icon name="warning" />
        {title}（{items.length}件）
      </h2>
      <ul>
        {items.map((item) => (
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
