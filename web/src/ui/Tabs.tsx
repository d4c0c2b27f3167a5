import {
  useEffect,
  useId,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
} from 'react';
import { Link } from 'wouter';
import { Icon } from './Icon';
import './tabs.css';

/** Scrolls a strip sideways (never the page) until its current item is in sight. */
export function useCurrentInSight(strip: RefObject<HTMLElement | null>, current: unknown): void {
  useEffect(() => {
    const list = strip.current;
    const item = list?.querySelector('[aria-current="page"], [aria-selected="true"]');
    if (!list || !item || list.scrollWidth <= list.clientWidth) return;
    const [inner, outer] = [item.getBoundingClientRect(), list.getBoundingClientRect()];
    if (inner.left < outer.left || inner.right > outer.right)
      list.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  }, [strip, current]);
}

/**
 * Tabs that are pages of their own: links, each with its address. `whole`: so many that they do not fit
 * one line; they take several, on a phone once one asks for it.
 */
export function NavTabs({
  label,
  items,
  whole = false,
}: {
  label: string;
  whole?: boolean;
  items: readonly { href: string; label: ReactNode; current: boolean; aside?: ReactNode }[];
}) {
  const strip = useRef<HTMLElement>(null);
  const [open, setOpen] = useState(false);
  const current = items.find((item) => item.current)?.href;
  useCurrentInSight(strip, open ? undefined : current);
  const state = open ? 'tabs tabs--whole is-open' : 'tabs tabs--whole';
  return (
    <nav aria-label={label} className={whole ? state : 'tabs'} ref={strip}>
      {whole && (
        <button
          type="button"
          className="tabs__more"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? '閉じる' : `すべて（${items.length}）`}
          <Icon name={open ? 'up' : 'down'} size="s" />
        </button>
      )}
      {items.map((item) => (
        <Link
          key={item.href}
          href={item.href}
          className="tabs__tab"
          aria-current={item.current ? 'page' : undefined}
          onClick={() => setOpen(false)}
        >
          {item.label}
          {item.aside}
        </Link>
      ))}
    </nav>
  );
}

/** Tabs inside a page: arrows move, Home and End jump, the panel follows. */
export function Tabs({
  label,
  items,
  selected,
  onSelect,
}: {
  label: string;
  items: readonly { id: string; label: ReactNode; content: ReactNode }[];
  selected: string;
  onSelect: (id: string) => void;
}) {
  const base = useId();
  const list = useRef<HTMLDivElement>(null);
  const index = Math.max(
    0,
    items.findIndex((item) => item.id === selected),
  );
  const current = items[index];
  useCurrentInSight(list, current?.id);
  const move = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowRight: index + 1,
      ArrowLeft: index - 1,
      Home: 0,
      End: items.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = items[(to + items.length) % items.length];
    if (!next) return;
    onSelect(next.id);
    list.current?.querySelector<HTMLElement>(`[data-tab="${CSS.escape(next.id)}"]`)?.focus();
  };
  return (
    <>
      <div className="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {items.map((item) => (
          <button
            key={item.id}
            type="button"
            role="tab"
            data-tab={item.id}
            id={`${base}-${item.id}-tab`}
            className="tabs__tab"
            aria-selected={item.id === current?.id}
            aria-controls={`${base}-panel`}
            tabIndex={item.id === current?.id ? 0 : -1}
            onClick={() => onSelect(item.id)}
          >
            {item.label}
          </button>
        ))}
      </div>
      {current && (
        <div
          role="tabpanel"
          id={`${base}-panel`}
          aria-labelledby={`${base}-${current.id}-tab`}
          tabIndex={0}
        >
          {current.content}
        </div>
      )}
    </>
  );
}
