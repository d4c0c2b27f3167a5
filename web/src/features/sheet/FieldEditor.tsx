import { memo, type ReactNode } from 'react';
import * as Y from 'yjs';
import {
  fieldLabel,
  maxChars,
  offered,
  type Field,
  type FormDefinition,
} from '../../forms/definition';
import { selectedCodes } from '../../forms/rules';
import { valueText } from '../../forms/value-text';
import type { DocumentConnection } from '../../sync/connection';
import type { Peer } from '../../sync/hooks';
import {
  CheckboxGroup,
  DateInput,
  Field as LabelledField,
  RadioGroup,
  Select,
  TextInput,
  useDraft,
  type Choice,
} from '../../ui';
import { LiveText } from './LiveText';
import { Typing } from './Status';
import { writeOption, writeScalar, type Place } from './values';

/** People and agencies that reference fields offer. Names never go into the document. */
export interface References {
  users: readonly Choice[];
  orgs: readonly Choice[];
  persons: readonly Choice[];
}

/** More options than this make a select instead of radio buttons. */
const RADIO_MOST = 5;
/** Options of so many characters in all are laid out as radio buttons. */
const RADIO_CHARACTERS = 44;

/** Props shared by the editors of fields and cells. */
export interface FieldEditorProps {
  connection: DocumentConnection;
  definition: FormDefinition;
  field: Field;
  /** Where the value lives: the root map, or a row. */
  map: Y.Map<unknown>;
  path: string;
  value: unknown;
  required: boolean;
  error: string | undefined;
  peers: readonly Peer[];
  references: References;
  /** Who can see it. */
  seen?: ReactNode;
  today: string;
}

/** Id of a field's control, which error summaries and deep links point to. */
export function controlId(path: string): string {
  return `field-${path.replaceAll('/', '-')}`;
}

/** The control for one field or cell of a sheet, by its type. */
export const FieldEditor = memo(function FieldEditor(props: FieldEditorProps) {
  const { connection, definition, field, map, path, value, required, error, peers, seen } = props;
  const place: Place = { map, path, field };
  const common = {
    id: controlId(path),
    label: fieldLabel(field),
    required,
    error,
    support: field.help,
    aside: (
      <span className="field-aside">
        <Typing peers={peers} />
        {seen}
      </span>
    ),
  };
  const focus = {
    onFocus: () => connection.setPresence({ field: path, cursor: null, typing: false }),
    onBlur: () => connection.setPresence({ field: null }),
  };
  switch (field.type) {
    case 'text':
    case 'textarea': {
      const text = map.get(field.id);
      if (field.automatic || !(text instanceof Y.Text))
        return <Automatic {...common} text={typeof value === 'string' ? value : ''} />;
      return (
        <LabelledField {...common}>
          {(ids) => (
            <LiveText
              connection={connection}
              text={text}
              path={path}
              peers={peers}
              ids={ids}
              multiline={field.type === 'textarea'}
              // UTF-16 units; the exact limit in characters is checked on request and by the server.
              maxLength={maxChars(field) * 2}
            />
          )}
        </LabelledField>
      );
    }
    case 'select': {
      const code = typeof value === 'string' ? value : '';
      const options = offered(definition, field, [code]);
      const short =
        options.length <= RADIO_MOST &&
        options.reduce((sum, option) => sum + option.label.length, 0) <= RADIO_CHARACTERS;
      const change = (next: string) => writeScalar(place, next);
      return short ? (
        <RadioGroup {...common} options={options} value={code} onChange={change} />
      ) : (
        <Select {...common} {...focus} options={options} value={code} onChange={change} />
      );
    }
    case 'multiselect':
      return (
        <CheckboxGroup
          {...common}
          options={offered(definition, field, selectedCodes(value))}
          values={new Set(selectedCodes(value))}
          onToggle={(code, on) => writeOption(place, code, on)}
        />
      );
    case 'date':
      if (field.automatic)
        return <Automatic {...common} text={typeof value === 'string' ? value : ''} />;
      return (
        <DateInput
          {...common}
          {...focus}
          value={typeof value === 'string' ? value : ''}
          onChange={(iso) => writeScalar(place, iso)}
          limits={{
            partial: field.limits?.partial_date ?? false,
            ...(field.limits?.not_future ? { notAfter: props.today } : {}),
            ...(field.pii === 'birth_date' ? { ageOn: props.today } : {}),
          }}
          {...(field.pii === 'birth_date' || field.limits?.partial_date
            ? {}
            : { yearless: { today: props.today } })}
        />
      );
    case 'int':
    case 'number':
      if (field.automatic)
        return <Automatic {...common} text={valueText(definition, field, value)} />;
      return (
        <NumberInput
          {...common}
          {...focus}
          unit={field.unit}
          value={typeof value === 'number' ? value : null}
          onChange={(number) => writeScalar(place, number)}
        />
      );
    case 'bool':
      return (
        <RadioGroup
          {...common}
          options={YES_NO}
          value={value === true ? 'yes' : value === false ? 'no' : ''}
          onChange={(code) => writeScalar(place, code === '' ? null : code === 'yes')}
        />
      );
    case 'user_ref':
    case 'org_ref':
    case 'person_ref': {
      const list = { user_ref: 'users', org_ref: 'orgs', person_ref: 'persons' } as const;
      const options = props.references[list[field.type]];
      const code = typeof value === 'string' ? value : '';
      const known = code === '' || options.some((option) => option.code === code);
      return (
        <Select
          {...common}
          {...focus}
          options={
            known
              ? options
              : [...options, { code, label: 'この事案の一覧にない登録（変更しない）' }]
          }
          value={code}
          onChange={(next) => writeScalar(place, next)}
        />
      );
    }
    case 'signature':
      return (
        <Automatic
          {...common}
          text={typeof value === 'string' && value !== '' ? '署名あり' : ''}
          note="署名は紙の申込票で受け取り、申込日を記入してください。"
        />
      );
    case 'file':
      return <Automatic {...common} text="" note="「世帯・関係」で描いた図が自動で入ります。" />;
    case 'calc':
      return <Automatic {...common} text={valueText(definition, field, value)} note={CALCULATED} />;
    case 'datetime':
      return (
        <LabelledField {...common}>
          {(ids) => (
            <input
              {...ids}
              {...focus}
              type="datetime-local"
              className="input"
              value={typeof value === 'string' ? value : ''}
              onChange={(event) => writeScalar(place, event.target.value)}
            />
          )}
        </LabelledField>
      );
    case 'table':
      return null;
  }
});

const YES_NO: readonly Choice[] = [
  { code: 'yes', label: 'はい' },
  { code: 'no', label: 'いいえ' },
];

const CALCULATED = 'ほかの欄から自動で計算します。';

/** A value that nobody types. */
function Automatic({
  id,
  label,
  text,
  note,
}: {
  id: string;
  label: ReactNode;
  text: string;
  note?: string;
}) {
  return (
    <div className="field automatic" id={id} tabIndex={-1}>
      <p className="field__label">{label}</p>
      {(text !== '' || note === CALCULATED) && (
        <p className="automatic__value">{text === '' ? 'まだ計算できません' : text}</p>
      )}
      <p className="soft">{note ?? (text === '' ? '自動で入ります。' : '自動で入った値です。')}</p>
    </div>
  );
}

/** A number typed in 全角 or 半角, with or without thousands separators. */
function NumberInput({
  value,
  onChange,
  unit,
  onBlur,
  error,
  ...field
}: {
  id: string;
  label: string;
  required: boolean;
  error: string | undefined;
  support: ReactNode;
  aside: ReactNode;
  value: number | null;
  onChange: (value: number | null) => void;
  unit: string | undefined;
  onFocus: () => void;
  onBlur: () => void;
}) {
  const { draft, problem, type, settle } = useDraft(field.id);
  const commit = () => {
    onBlur();
    if (draft === null) return;
    const text = draft
      .normalize('NFKC')
      .replace(/[,、\s円]/g, '')
      .replace(/^[−‐–ー]/u, '-');
    if (text === '') {
      settle();
      onChange(null);
      return;
    }
    const number = Number(text);
    if (!/^-?[0-9]+(\.[0-9]+)?$/.test(text) || !Number.isFinite(number)) {
      settle(`「${field.label}」：数字で入力してください。`);
      return;
    }
    settle();
    if (number !== value) onChange(number);
  };
  return (
    <TextInput
      {...field}
      inputMode="decimal"
      error={problem ?? error}
      suffix={unit}
      value={draft ?? (value === null ? '' : value.toLocaleString('ja-JP'))}
      data-draft={draft === null ? undefined : ''}
      onChange={type}
      onBlur={commit}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && !event.nativeEvent.isComposing) commit();
      }}
    />
  );
}
