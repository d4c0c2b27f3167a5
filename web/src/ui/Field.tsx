import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from 'react';
import { Icon } from './Icon';
import './field.css';

/** What {@link Field} hands to the control it wraps. */
export interface ControlIds {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': true | undefined;
  'aria-required': true | undefined;
}

/** Props every labelled control shares. */
export interface FieldProps {
  label: ReactNode;
  /** Fixed id: the error summary links to it. A random one is used otherwise. */
  id?: string | undefined;
  required?: boolean | undefined;
  /** Said above the control, before anything is typed. */
  support?: ReactNode;
  /** Said below the control; the field is marked invalid while it is there. */
  error?: string | undefined;
  /** Right end of the label line, e.g. who can see this field. */
  aside?: ReactNode;
}

/**
 * Label, ※必須, support text, control, error text, tied together by ids.
 * `group` renders fieldset and legend, for radio buttons and check boxes.
 */
export function Field({
  label,
  id,
  required,
  support,
  error,
  aside,
  group = false,
  className,
  children,
}: FieldProps & {
  group?: boolean;
  className?: string;
  children: (ids: ControlIds) => ReactNode;
}) {
  const generated = useId();
  const controlId = id ?? generated;
  const supportId = `${controlId}-support`;
  const errorId = `${controlId}-error`;
  const described = [support ? supportId : '', error ? errorId : ''].filter(Boolean).join(' ');
  const ids: ControlIds = {
    id: controlId,
    'aria-describedby': described || undefined,
    'aria-invalid': error ? true : undefined,
    'aria-required': required ? true : undefined,
  };
  const classes = ['field', error ? 'field--error' : '', className].filter(Boolean).join(' ');
  const name = (
    <>
      <span>{label}</span>
      {required && <span className="field__required">※必須</span>}
    </>
  );
  const body = (
    <>
      {support && (
        <div id={supportId} className="field__support">
          {support}
        </div>
      )}
      {children(ids)}
      {error && (
        <p id={errorId} className="field__error">
          <Icon name="warning" size="s" />
          {error}
        </p>
      )}
    </>
  );
  if (group)
    return (
      <fieldset
        className={classes}
        id={controlId}
        tabIndex={-1}
        aria-describedby={ids['aria-describedby']}
      >
        <legend className="field__legend">{name}</legend>
        {aside && <span className="field__aside field__aside--group">{aside}</span>}
        {body}
      </fieldset>
    );
  return (
    <div className={classes}>
      <div className="field__head">
        <label htmlFor={controlId} className="field__label">
          {name}
        </label>
        {aside && <span className="field__aside">{aside}</span>}
      </div>
      {body}
    </div>
  );
}

type Native<T> = Omit<T, 'id' | 'required' | 'aria-invalid' | 'aria-describedby'>;

/** One line of text with its label. `onChange` gets the text. */
export function TextInput({
  label,
  id,
  required,
  support,
  error,
  aside,
  onChange,
  inputRef,
  suffix,
  ...rest
}: FieldProps &
  Omit<Native<InputHTMLAttributes<HTMLInputElement>>, 'onChange'> & {
    onChange?: (text: string) => void;
    inputRef?: Ref<HTMLInputElement>;
    /** Unit after the box: 円, 歳. */
    suffix?: string | undefined;
  }) {
  return (
    <Field {...{ label, id, required, support, error, aside }}>
      {(ids) => (
        <span className={suffix ? 'input-with-suffix' : undefined}>
          <input
            type="text"
            autoComplete="off"
            {...rest}
            {...ids}
            ref={inputRef}
            className="input"
            onChange={onChange && ((event) => onChange(event.target.value))}
          />
          {suffix && <span className="input-suffix">{suffix}</span>}
        </span>
      )}
    </Field>
  );
}

/** Several lines of text with their label. `onChange` gets the text. */
export function TextArea({
  label,
  id,
  required,
  support,
  error,
  aside,
  onChange,
  inputRef,
  ...rest
}: FieldProps &
  Omit<Native<TextareaHTMLAttributes<HTMLTextAreaElement>>, 'onChange'> & {
    onChange?: (text: string) => void;
    inputRef?: Ref<HTMLTextAreaElement>;
  }) {
  return (
    <Field {...{ label, id, required, support, error, aside }}>
      {(ids) => (
        <textarea
          rows={4}
          {...rest}
          {...ids}
          ref={inputRef}
          className="input input--area"
          onChange={onChange && ((event) => onChange(event.target.value))}
        />
      )}
    </Field>
  );
}

/** One entry of a list of choices. */
export interface Choice {
  code: string;
  label: string;
  /** Second line under the label. */
  support?: ReactNode;
}

/** A native select. The empty first line is always there unless `required` and a value is set. */
export function Select({
  label,
  id,
  required,
  support,
  error,
  aside,
  options,
  value,
  onChange,
  empty = '選んでください',
  ...rest
}: FieldProps &
  Omit<Native<SelectHTMLAttributes<HTMLSelectElement>>, 'onChange' | 'value'> & {
    options: readonly Choice[];
    value: string;
    onChange: (code: string) => void;
    /** Words of the empty line; null leaves it out. */
    empty?: string | null;
  }) {
  const known = value === '' || options.some((option) => option.code === value);
  return (
    <Field {...{ label, id, required, support, error, aside }}>
      {(ids) => (
        <span className="select">
          <select
            {...rest}
            {...ids}
            className="input input--select"
            value={value}
            onChange={(event) => onChange(event.target.value)}
          >
            {empty !== null && <option value="">{empty}</option>}
            {!known && <option value={value}>{`${value}（いまの選択肢にない値）`}</option>}
            {options.map((option) => (
              <option key={option.code} value={option.code}>
                {option.label}
              </option>
            ))}
          </select>
          <Icon name="down" size="s" />
        </span>
      )}
    </Field>
  );
}

/** Radio buttons in a fieldset; pressing the chosen one again clears it when not required. */
export function RadioGroup({
  label,
  id,
  required,
  support,
  error,
  aside,
  options,
  value,
  onChange,
  columns,
  readOnly = false,
}: FieldProps & {
  options: readonly Choice[];
  value: string;
  onChange: (code: string) => void;
  /** Lay the choices out one below the other. */
  columns?: boolean;
  readOnly?: boolean;
}) {
  const name = useId();
  return (
    <Field {...{ label, id, required, support, error, aside }} group>
      {(ids) => (
        <div className={columns ? 'choices choices--column' : 'choices'}>
          {options.map((option) => (
            <label key={option.code} className="choice">
              <input
                type="radio"
                name={name}
                value={option.code}
                checked={value === option.code}
                aria-describedby={ids['aria-describedby']}
                aria-disabled={readOnly || undefined}
                onChange={() => !readOnly && onChange(option.code)}
                onClick={() => {
                  if (!required && !readOnly && value === option.code) onChange('');
                }}
              />
              <span>
                {option.label}
                {option.support && <span className="choice__support">{option.support}</span>}
              </span>
            </label>
          ))}
        </div>
      )}
    </Field>
  );
}

/** Check boxes in a fieldset. */
export function CheckboxGroup({
  label,
  id,
  required,
  support,
  error,
  aside,
  options,
  values,
  onToggle,
  readOnly = false,
}: FieldProps & {
  options: readonly Choice[];
  values: ReadonlySet<string>;
  onToggle: (code: string, checked: boolean) => void;
  readOnly?: boolean;
}) {
  return (
    <Field {...{ label, id, required, support, error, aside }} group>
      {(ids) => (
        <div className="choices">
          {options.map((option) => (
            <label key={option.code} className="choice">
              <input
                type="checkbox"
                checked={values.has(option.code)}
                aria-describedby={ids['aria-describedby']}
                aria-disabled={readOnly || undefined}
                onChange={(event) => !readOnly && onToggle(option.code, event.target.checked)}
              />
              <span>
                {option.label}
                {option.support && <span className="choice__support">{option.support}</span>}
              </span>
            </label>
          ))}
        </div>
      )}
    </Field>
  );
}

/** One check box that stands alone. */
export function Checkbox({
  label,
  checked,
  onChange,
  id,
  error,
}: {
  label: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  id?: string;
  error?: string;
}) {
  const generated = useId();
  const controlId = id ?? generated;
  return (
    <div className={error ? 'field field--error' : 'field'}>
      <label className="choice">
        <input
          id={controlId}
          type="checkbox"
          checked={checked}
          aria-invalid={error ? true : undefined}
          aria-describedby={error ? `${controlId}-error` : undefined}
          onChange={(event) => onChange(event.target.checked)}
        />
        <span>{label}</span>
      </label>
      {error && (
        <p id={`${controlId}-error`} className="field__error">
          <Icon name="warning" size="s" />
          {error}
        </p>
      )}
    </div>
  );
}
