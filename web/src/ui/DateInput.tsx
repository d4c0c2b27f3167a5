import { useState } from 'react';
import { dateProblemText, formatWareki, readDate, type DateOptions } from '../forms/wareki';
import { Field, type FieldProps } from './Field';

/**
 * A date typed in any common way: R8.11.24, 令和8年11月24日, 2026-11-24, ２０２６／１１／２４.
 * `value` and `onChange` are ISO; what cannot be read stays in the box with an explanation.
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
  onUnreadable,
  readOnly,
  onFocus,
  onBlur,
  limits = {},
}: FieldProps & {
  /** ISO date or ''. */
  value: string;
  onChange: (iso: string) => void;
  /** The text of a date that could not be read, so that a form can refuse to submit. */
  onUnreadable?: (text: string | null) => void;
  readOnly?: boolean;
  onFocus?: () => void;
  onBlur?: () => void;
  /** Partial dates, no future dates, … */
  limits?: DateOptions;
}) {
  const [draft, setDraft] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | undefined>();
  const plainLabel = typeof label === 'string' ? `「${label}」：` : '';
  const commit = () => {
    onBlur?.();
    if (draft === null) return;
    const reading = readDate(draft, limits);
    if (reading.ok) {
      if (reading.iso !== value) onChange(reading.iso);
      setDraft(null);
      setProblem(undefined);
      onUnreadable?.(null);
    } else if (reading.problem.code === 'empty') {
      if (value !== '') onChange('');
      setDraft(null);
      setProblem(undefined);
      onUnreadable?.(null);
    } else {
      setProblem(`${plainLabel}${dateProblemText(reading.problem)}`);
      onUnreadable?.(draft);
    }
  };
  const live = draft === null ? null : readDate(draft, limits);
  const understood = live ? (live.ok ? live.iso : '') : value;
  return (
    <Field {...{ label, id, required, support, aside }} error={problem ?? error}>
      {(ids) => (
        <>
          <input
            {...ids}
            type="text"
            className="input"
            autoComplete="off"
            readOnly={readOnly}
            value={draft ?? (value === '' ? '' : formatWareki(value))}
            onFocus={onFocus}
            onChange={(event) => setDraft(event.target.value)}
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
