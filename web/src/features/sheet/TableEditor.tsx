import { useId, useRef, useState } from 'react';
import * as Y from 'yjs';
import { MAX_ROWS } from '../../forms/definition';
import { lookupIn, standing, type Values } from '../../forms/rules';
import { Button, ConfirmDialog, IconButton } from '../../ui';
import { controlId, FieldEditor, type FieldEditorProps } from './FieldEditor';
import { addRow, deleteRow, filled, moveRow, type Row } from './values';

const NO_PEERS: FieldEditorProps['peers'] = [];

/** A table of a sheet: every row a group of fields, so that it also works on a narrow screen. */
export function TableEditor({
  field,
  map,
  value,
  values,
  errors,
  peersAt,
  seen,
  required,
  error,
  path,
  ...shared
}: FieldEditorProps & {
  values: Values;
  errors: ReadonlyMap<string, string>;
  peersAt: ReadonlyMap<string, FieldEditorProps['peers']>;
}) {
  const headingId = useId();
  const group = useRef<HTMLElement>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const table = map.get(field.id);
  const rows = Array.isArray(value) ? (value as Row[]) : [];
  const most = field.limits?.max_rows ?? MAX_ROWS;
  if (!(table instanceof Y.Map)) return null;

  const focusRow = (id: string) =>
    requestAnimationFrame(() =>
      group.current
        ?.querySelector<HTMLElement>(`[data-row="${CSS.escape(id)}"] :is(input, textarea, select)`)
        ?.focus(),
    );
  const remove = (id: string) => {
    const at = rows.findIndex((row) => row.id === id);
    const next = rows[at + 1] ?? rows[at - 1];
    deleteRow(table, id);
    setAsked(null);
    if (next) focusRow(next.id);
  };

  return (
    <section
      className="sheet-table"
      aria-labelledby={headingId}
      ref={group}
      id={controlId(path)}
      tabIndex={-1}
    >
      <div className="field__head">
        <h3 id={headingId} className="field__label">
          {field.label}
          {required && <span className="field__required">※必須</span>}
          <span className="soft">{rows.length}行</span>
        </h3>
        <span className="field__aside">{seen}</span>
      </div>
      {field.help && <p className="field__support">{field.help}</p>}
      <ol>
        {rows.map((row, index) => (
          <li
            key={row.id}
            className="sheet-table__row"
            data-row={row.id}
            onKeyDown={(event) => {
              if (!event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
              event.preventDefault();
              moveRow(table, field, row.id, event.key === 'ArrowUp' ? -1 : 1);
            }}
          >
            <div className="sheet-table__bar">
              <strong>{index + 1}行目</strong>
              <IconButton
                icon="up"
                label={`${index + 1}行目を上へ`}
                aria-disabled={index === 0}
                onClick={() => moveRow(table, field, row.id, -1)}
              />
              <IconButton
                icon="down"
                label={`${index + 1}行目を下へ`}
                aria-disabled={index === rows.length - 1}
                onClick={() => moveRow(table, field, row.id, 1)}
              />
              <IconButton
                icon="trash"
                label={`${index + 1}行目を消す`}
                onClick={() => {
                  // An empty row goes without a question.
                  const written = (field.columns ?? []).some((column) => filled(row[column.id]));
                  if (written) setAsked(row.id);
                  else remove(row.id);
                }}
              />
            </div>
            <div className="sheet-table__cells">
              {(field.columns ?? []).map((column) => {
                const cells: unknown = table.get(row.id);
                if (!(cells instanceof Y.Map)) return null;
                const lookup = (name: string) => (name in row ? row[name] : lookupIn(values)(name));
                const state = standing(column, lookup);
                if (!state.visible && !filled(row[column.id])) return null;
                const cellPath = `${field.id}/${row.id}/${column.id}`;
                return (
                  <FieldEditor
                    key={column.id}
                    {...shared}
                    field={column}
                    map={cells as Y.Map<unknown>}
                    path={cellPath}
                    value={row[column.id]}
                    required={state.required}
                    error={errors.get(cellPath)}
                    peers={peersAt.get(cellPath) ?? NO_PEERS}
                  />
                );
              })}
            </div>
          </li>
        ))}
      </ol>
      {error && <p className="field__error">{error}</p>}
      <Button
        size="s"
        icon="plus"
        reason={rows.length >= most ? `${most}行まで入力できます。` : undefined}
        onClick={() => focusRow(addRow(table, field))}
      >
        {field.label}に行を足す
      </Button>
      <ConfirmDialog
        title="行を消します"
        isOpen={asked !== null}
        onCancel={() => setAsked(null)}
        onConfirm={() => asked !== null && remove(asked)}
        confirmLabel="消す"
        danger
      >
        <p>
          「{field.label}」の{rows.findIndex((row) => row.id === asked) + 1}
          行目を消します。消した直後は「元に戻す」で戻せます。
        </p>
      </ConfirmDialog>
    </section>
  );
}
