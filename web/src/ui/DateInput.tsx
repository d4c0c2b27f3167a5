import { useId } from 'react';
import { readTypedDate, type YearGuess } from '../forms/month-day';
import { dateProblemText, formatWareki, type DateOptions } from '../forms/wareki';
import { Field, type FieldProps } from './Field';
import { useDraft } from './unread';

/**
 * A date typed in any common way: R8.11.24, 令和8年11月24日, 2026-11-24, ２０２６／１１／２４; with
 * `yearless` also 11/24. `value` and `onChange` are ISO; what cannot be read stays in the box with
 * an explanation, and the form around it knows (`UnreadContext`).
 */
export function DateInput({
  label,
  id,
  required,
  support,
  error,
  aside,
  value,
  onChange,
  onFocus,
  onBlur,
  limits = {},
  yearless,
}: FieldProps & {
  /** ISO date or ''. */
  value: string;
  onChange: (iso: string) => void;
  onFocus?: () => void;
  onBlur?: () => void;
  /** Partial dates, no future dates, … */
  limits?: DateOptions;
  /** A day without its year will do; never for days of birth. */
  yearless?: YearGuess;
}) {
  const generated = useId();
  const controlId = id ?? generated;
  const { draft, problem, type, settle } = useDraft(controlId);
  const plainLabel = typeof label === 'string' ? `「${label}」：` : '';
  const live = draft === null ? null : readTypedDate(draft, limits, yearless);
  const commit = () => {
    onBlur?.();
    if (!live) return;
    if (live.ok || live.problem.code === 'empty') {
      const iso = live.ok ? live.iso : '';
      if (iso !== value) onChange(iso);
      settle();
    } else settle(`${plainLabel}${dateProblemText(live.problem)}`);
  };
  const understood = live ? (live.ok ? live.iso : '') : value;
  return (
    <Field
      {...{ label, required, support, aside }}
      id={controlId}
      error={live?.ok ? error : (problem ?? error)}
    >
      {(ids) => (
        <>
          <input
            {...ids}
            type="text"
            className="input"
            autoComplete="off"
            data-draft={draft === null ? undefined : ''}
            value={draft ?? (value === '' ? '' : formatWareki(value))}
            onFocus={onFocus}
            onChange={(event) => type(event.target.value)}
            onBlur={commit}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && !event.nativeEvent.isComposing) commit();
            }}
          />
          {understood && (
            <p className="date-read">
              {draft !== null && `${formatWareki(understood)}　`}
              <span className="number">西暦 {understood.replaceAll('-', '/')}</span>
            </p>
          )}
        </>
      )}
    </Field>
  );
}
