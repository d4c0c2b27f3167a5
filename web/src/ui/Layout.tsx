import { useId, type ReactNode } from 'react';
import { Icon, type IconName } from './Icon';
import './layout.css';

/** A bordered box with a heading. Becomes a landmark region named by its heading. */
export function Card({
  title,
  icon,
  aside,
  level = 2,
  flush = false,
  tone,
  id,
  children,
}: {
  title?: ReactNode;
  icon?: IconName;
  /** Right end of the heading line. */
  aside?: ReactNode;
  level?: 2 | 3 | 4;
  /** No padding around the content, for tables and lists. */
  flush?: boolean;
  tone?: 'purple' | 'blue';
  id?: string;
  children: ReactNode;
}) {
  const headingId = useId();
  const Heading = `h${level}` as const;
  return (
    <section
      className={`card${tone ? ` card--${tone}` : ''}`}
      aria-labelledby={title ? headingId : undefined}
      id={id}
    >
      {title && (
        <div className="card__head">
          <Heading id={headingId} className="card__title">
            {icon && <Icon name={icon} />}
            {title}
          </Heading>
          {aside}
        </div>
      )}
      <div className={flush ? undefined : 'card__body'}>{children}</div>
    </section>
  );
}

/** The h1 line of a page with its actions. */
export function PageHead({
  title,
  lead,
  actions,
}: {
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className="page-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {lead && <p className="soft">{lead}</p>}
      </div>
      {actions && <div className="row no-print">{actions}</div>}
    </div>
  );
}

const NOTICE_ICONS: Record<'info' | 'warning' | 'error' | 'done' | 'mask', IconName> = {
  info: 'info',
  warning: 'warning',
  error: 'warning',
  done: 'check',
  mask: 'mask',
};

/** A message in the page. `live` announces it: errors assertively, the rest politely. */
export function Notice({
  tone = 'info',
  title,
  children,
  actions,
  live = false,
}: {
  tone?: keyof typeof NOTICE_ICONS;
  title?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  live?: boolean;
}) {
  return (
    <div
      className={`notice notice--${tone}`}
      role={live ? (tone === 'error' ? 'alert' : 'status') : undefined}
    >
      <Icon name={NOTICE_ICONS[tone]} />
      <div className="notice__text">
        {title && <p className="notice__title">{title}</p>}
        {children && <div>{children}</div>}
        {actions && <div className="row notice__actions">{actions}</div>}
      </div>
    </div>
  );
}

/** An empty list says what to do next. `page`: nothing else stands on the screen, the title is its heading. */
export function Empty({
  icon = 'folder',
  title,
  children,
  action,
  page = false,
}: {
  icon?: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  page?: boolean;
}) {
  return (
    <div className="empty">
      <Icon name={icon} size="l" />
      {page ? (
        <h1 tabIndex={-1} className="empty__title">
          {title}
        </h1>
      ) : (
        <p className="empty__title">{title}</p>
      )}
      {children && <div className="soft">{children}</div>}
      {action && <div className="empty__action">{action}</div>}
    </div>
  );
}

/** Work under way. With `value` (0–1) a bar, otherwise a moving one; always with words. */
export function Progress({ label, value }: { label: string; value?: number }) {
  const id = useId();
  return (
    <div className="progress" role="status">
      <span id={id}>
        {label}
        {value !== undefined && ` ${Math.round(value * 100)}%`}
      </span>
      <progress aria-labelledby={id} {...(value !== undefined ? { value, max: 1 } : {})} />
    </div>
  );
}
