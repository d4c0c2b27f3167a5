import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { Icon } from '../../ui';
import './search.css';

type Suggestions = Schema<'Suggestions'>;

/** What a suggestion does when it is taken. */
export interface Suggestion {
  key: string;
  kind: 'recent' | 'person' | 'case';
  label: string;
  aside?: string;
  /** Words to look for. */
  words?: string;
  /** A screen to go to. */
  href?: string;
}

/** The suggestions in the order in which they are shown. */
export function suggestionsOf(found: Suggestions | undefined): Suggestion[] {
  if (!found) return [];
  return [
    ...found.persons.map((person): Suggestion => ({
      key: `person-${person.id}`,
      kind: 'person',
      label: person.name,
      ...(person.kana ? { aside: person.kana } : {}),
      words: person.name,
    })),
    ...found.cases.map((item): Suggestion => ({
      key: `case-${item.id}`,
      kind: 'case',
      label: item.case_no,
      aside: item.title,
      href: `/cases/${item.id}/overview`,
    })),
    ...found.recent.map((words): Suggestion => ({
      key: `recent-${words}`,
      kind: 'recent',
      label: words,
      words,
    })),
  ];
}

const KINDS = { recent: '最近の検索', person: '人', case: '事案' } as const;
const ICONS = { recent: 'clock', person: 'person', case: 'folder' } as const;

/** Time without a key before the server is asked, in milliseconds. */
const PAUSE = 250;

/**
 * A search field with suggestions below it. While Japanese is being composed nothing is asked and Enter
 * belongs to the input method.
 */
export function SearchField({
  id,
  label,
  value,
  onChange,
  onSearch,
  onOpen,
  input,
  children,
}: {
  id: string;
  label: string;
  value: string;
  onChange: (words: string) => void;
  onSearch: (words: string) => void;
  onOpen: (href: string) => void;
  input?: RefObject<HTMLInputElement | null>;
  children?: React.ReactNode;
}) {
  const own = useRef<HTMLInputElement>(null);
  const box = input ?? own;
  const list = useId();
  const composing = useRef(false);
  const [open, setOpen] = useState(false);
  const [asked, setAsked] = useState<string | null>(null);
  const [at, setAt] = useState(-1);
  const found = useQuery({
    queryKey: ['search', 'suggestions', asked],
    queryFn: () => api.post<Suggestions>('search/suggestions', { q: asked ?? '' }),
    enabled: open && asked !== null,
    staleTime: 10_000,
    retry: false,
  });
  useEffect(() => {
    if (!open) return;
    const timer = setTimeout(() => {
      if (!composing.current) setAsked(value.trim());
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [open, value]);
  const items = open ? suggestionsOf(found.data) : [];
  const close = (): void => {
    setOpen(false);
    setAt(-1);
  };
  const take = (suggestion: Suggestion): void => {
    close();
    if (suggestion.href !== undefined) onOpen(suggestion.href);
    else if (suggestion.words !== undefined) {
      onChange(suggestion.words);
      onSearch(suggestion.words);
    }
  };
  const key = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing || composing.current) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (!open) {
        setOpen(true);
        return;
      }
      const step = event.key === 'ArrowDown' ? 1 : -1;
      const count = items.length + 1;
      setAt(((at + 1 + step + count) % count) - 1);
    } else if (event.key === 'Escape' && open) {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const chosen = items[at];
      if (chosen) take(chosen);
      else {
        close();
        onSearch(value.trim());
      }
    }
  };
  return (
    <div
      className="search"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) close();
      }}
    >
      <Icon name="search" />
      <label className="visually-hidden" htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        ref={box}
        type="search"
        role="combobox"
        aria-expanded={items.length > 0}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={items[at] ? `${list}-${at}` : undefined}
        autoComplete="off"
        placeholder={label}
        value={value}
        onFocus={() => setOpen(true)}
        onChange={(event) => {
          onChange(event.target.value);
          setOpen(true);
          setAt(-1);
        }}
        onCompositionStart={() => {
          composing.current = true;
        }}
        onCompositionEnd={(event) => {
          composing.current = false;
          onChange(event.currentTarget.value);
        }}
        onKeyDown={key}
      />
      {children}
      <ul
        className="suggestions"
        id={list}
        role="listbox"
        aria-label="候補"
        hidden={items.length === 0}
      >
        {items.map((item, index) => (
          <li
            key={item.key}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === at}
            // The field keeps the focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(item)}
          >
            <Icon name={ICONS[item.kind]} size="s" />
            <span className="visually-hidden">{KINDS[item.kind]}：</span>
            <span className="suggestions__label">{item.label}</span>
            {item.aside && <span className="soft">{item.aside}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
