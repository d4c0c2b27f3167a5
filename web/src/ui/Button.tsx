import { useId, type ButtonHTMLAttributes, type MouseEvent, type ReactNode } from 'react';
import { Link } from 'wouter';
import { Icon, type IconName } from './Icon';
import './button.css';

interface Look {
  /** One primary button per screen; `quiet` is grey, `text` looks like a link. */
  variant?: 'primary' | 'secondary' | 'quiet' | 'text' | 'danger';
  /** 56, 48, 36 and 28 px high; the target is 44 px or more in every size. */
  size?: 'l' | 'm' | 's' | 'xs';
  icon?: IconName;
  iconAfter?: IconName;
}

function classes({ variant = 'secondary', size = 'm' }: Look, extra?: string): string {
  return ['button', `button--${variant}`, `button--${size}`, extra].filter(Boolean).join(' ');
}

/** Props of {@link Button}. */
export type ButtonProps = Look &
  Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'disabled'> & {
    /** The work is under way: the button says so and ignores presses. */
    busy?: boolean;
    /** Why it cannot be pressed now. The button stays focusable and says the reason. */
    reason?: string | undefined;
  };

/** A push button. There is no `disabled`: give a `reason` instead, which is shown. */
export function Button({
  variant,
  size,
  icon,
  iconAfter,
  busy = false,
  reason,
  className,
  children,
  onClick,
  type = 'button',
  ...rest
}: ButtonProps) {
  const reasonId = useId();
  const blocked = busy || reason !== undefined;
  const button = (
    <button
      {...rest}
      type={type}
      className={classes({ variant, size }, className)}
      aria-disabled={blocked || undefined}
      aria-busy={busy || undefined}
      aria-describedby={reason ? reasonId : rest['aria-describedby']}
      onClick={(event) => {
        if (blocked) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {busy ? (
        <span className="button__spinner" aria-hidden="true" />
      ) : (
        icon && <Icon name={icon} />
      )}
      {children}
      {iconAfter && <Icon name={iconAfter} size="s" />}
    </button>
  );
  // The same root with and without a reason: another one would take the focus away.
  return (
    <span className={reason ? 'button-with-reason' : 'button-alone'}>
      {button}
      {reason && (
        <span id={reasonId} className="button-reason">
          {reason}
        </span>
      )}
    </span>
  );
}

/** A link that looks like a button: for going somewhere, never for doing something. */
export function LinkButton({
  href,
  variant,
  size,
  icon,
  children,
  external = false,
  download,
  onClick,
}: Look & {
  href: string;
  children: ReactNode;
  external?: boolean;
  download?: boolean | string;
  onClick?: (event: MouseEvent<HTMLAnchorElement>) => void;
}) {
  const content = (
    <>
      {icon && <Icon name={icon} />}
      {children}
    </>
  );
  if (external || download !== undefined)
    return (
      <a href={href} className={classes({ variant, size })} download={download} onClick={onClick}>
        {content}
      </a>
    );
  return (
    <Link href={href} className={classes({ variant, size })}>
      {content}
    </Link>
  );
}

/** A square button with only an icon; `label` is its name and tooltip. */
export function IconButton({
  icon,
  label,
  count,
  className,
  ...rest
}: {
  icon: IconName;
  label: string;
  count?: number;
} & Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'children' | 'aria-label'>) {
  return (
    <button
      type="button"
      {...rest}
      className={['icon-button', className].filter(Boolean).join(' ')}
      aria-label={count ? `${label} ${count}件` : label}
      title={label}
    >
      <Icon name={icon} />
      {count ? (
        <span className="count count--red" aria-hidden="true">
          {count}
        </span>
      ) : null}
    </button>
  );
}
