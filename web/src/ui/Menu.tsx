import type { ReactNode } from 'react';
import {
  Menu as AriaMenu,
  MenuItem as AriaMenuItem,
  MenuTrigger,
  Popover,
  Button as AriaButton,
  Separator,
} from 'react-aria-components';
import { Icon, type IconName } from './Icon';
import './menu.css';

/** One line of a menu; `separator: true` draws a rule above it. */
export interface MenuEntry {
  id: string;
  label: ReactNode;
  /** Plain words for typing ahead when the label is not a string. */
  text?: string;
  icon?: IconName;
  support?: string;
  separator?: boolean;
  onSelect: () => void;
}

/** A button that opens a menu. */
export function Menu({
  label,
  entries,
  className = 'button button--quiet button--s',
  ariaLabel,
}: {
  label: ReactNode;
  entries: readonly MenuEntry[];
  className?: string;
  ariaLabel?: string;
}) {
  return (
    <MenuTrigger>
      <AriaButton className={className} {...(ariaLabel ? { 'aria-label': ariaLabel } : {})}>
        {label}
      </AriaButton>
      <Popover className="menu-popover" placement="bottom end">
        <AriaMenu
          className="menu"
          onAction={(key) => entries.find((entry) => entry.id === key)?.onSelect()}
        >
          {entries.flatMap((entry) => [
            ...(entry.separator
              ? [<Separator key={`${entry.id}-rule`} className="menu__rule" />]
              : []),
            <AriaMenuItem
              key={entry.id}
              id={entry.id}
              className="menu__item"
              textValue={entry.text ?? (typeof entry.label === 'string' ? entry.label : entry.id)}
            >
              {entry.icon && <Icon name={entry.icon} />}
              <span>
                {entry.label}
                {entry.support && <small>{entry.support}</small>}
              </span>
            </AriaMenuItem>,
          ])}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
