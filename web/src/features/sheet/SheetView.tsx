import type { ReactNode } from 'react';
import type { ProjectedField, Projection } from '../../api/types';
import { fieldLabel, type Field, type FormDefinition } from '../../forms/definition';
import { valueText } from '../../forms/value-text';
import { Icon, Table, Unverified } from '../../ui';
import type { References } from './FieldEditor';
import './sheet.css';

/** ［氏名1］ and the like: fixed-form replacements of masked words. */
const TOKEN = /(［[^［］\n]{1,16}］)/u;

/** Text with its masks set apart. `current` is the mask to point out, counted from 0. */
export function MaskedText({ text, current }: { text: string; current?: number }) {
  return (
    <>
      {text.split(TOKEN).map((part, index) =>
        // What matched stands between what did not.
        index % 2 === 1 ? (
          <span
            key={index}
            className={
              (index - 1) / 2 === current ? 'mask-token mask-token--current' : 'mask-token'
            }
          >
            {part}
          </span>
        ) : (
          part
        ),
      )}
    </>
  );
}

/** 確認中: newer words exist and are not shown before somebody has looked at them. */
export function Withheld({ children }: { children?: ReactNode }) {
  return (
    <span className="withheld">
      <Icon name="clock" size="s" />
      <strong>確認中</strong>
      {children ?? 'この先に新しく書かれた文があります。確認が終わると見られます。'}
    </span>
  );
}

/** A sheet for reading: live values, a projection, or a print. Empty fields are left out. */
export function SheetView({
  definition,
  fields,
  references,
  showEmpty = false,
}: {
  definition: FormDefinition;
  fields: Projection['fields'];
  references?: References;
  /** Also show fields without a value. */
  showEmpty?: boolean;
}) {
  const sections = definition.sections
    .map((section) => ({
      section,
      shown: section.fields.filter(
        (field) => (showEmpty && !field.retired) || hasContent(fields[field.id]),
      ),
    }))
    .filter(({ shown }) => shown.length > 0);
  if (sections.length === 0)
    return <p className="soft sheet-view__empty">まだ何も書かれていません。</p>;
  return (
    <div className="sheet-view">
      <p className="soft">
        {definition.title}　様式 {definition.version}版 {!definition.verified && <Unverified />}
      </p>
      {sections.map(({ section, shown }) => (
        <section key={section.id} aria-labelledby={`view-${section.id}`}>
          <h3 id={`view-${section.id}`}>{section.title}</h3>
          <dl className="description">
            {shown.map((field) => (
              <div key={field.id} className="description__row">
                <dt>{fieldLabel(field)}</dt>
                <dd>
                  <Cell
                    definition={definition}
                    field={field}
                    cell={fields[field.id] ?? {}}
                    references={references}
                  />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

function hasContent(cell: ProjectedField | undefined): boolean {
  if (!cell) return false;
  if (cell.withheld || (cell.rows && cell.rows.length > 0)) return true;
  if (cell.text !== undefined && cell.text !== '') return true;
  const { value } = cell;
  if (value === undefined || value === null || value === '') return false;
  if (typeof value === 'object') return Object.keys(value).length > 0;
  return true;
}

/** An address, or what tells one, is kept back for good; words only until they were looked at. */
function keptBack(field: Field, cell: ProjectedField): boolean {
  if (cell.text !== undefined || cell.value !== undefined) return false;
  return field.confidential_address || !['text', 'textarea'].includes(field.type);
}

function Cell({
  definition,
  field,
  cell,
  references,
  brief = false,
}: {
  definition: FormDefinition;
  field: Field;
  cell: ProjectedField;
  references: References | undefined;
  /** In a narrow column. */
  brief?: boolean;
}): ReactNode {
  if (field.type === 'table' && cell.rows) {
    const columns = (field.columns ?? []).filter((column) =>
      cell.rows?.some((row) => hasContent(row.cells[column.id])),
    );
    return (
      <Table
        caption={field.label}
        captionHidden
        dense
        rows={cell.rows}
        rowKey={(row) => row.id}
        columns={columns.map((column) => ({
          key: column.id,
          head: column.label,
          cell: (row: NonNullable<ProjectedField['rows']>[number]) => (
            <Cell
              definition={definition}
              field={column}
              cell={row.cells[column.id] ?? {}}
              references={references}
              brief
            />
          ),
        }))}
      />
    );
  }
  return (
    <>
      {cell.text !== undefined ? (
        <MaskedText text={cell.text} />
      ) : (
        <MaskedText text={plainText(definition, field, cell.value, references)} />
      )}
      {cell.withheld &&
        (keptBack(field, cell) ? (
          // Nobody's check will ever show it.
          <span className="soft">
            {brief ? '非開示' : 'この欄は、あなたの機関には開示されていません。'}
          </span>
        ) : (
          <Withheld />
        ))}
    </>
  );
}

/** A value in words, with names for the people and agencies that are known here. */
export function plainText(
  definition: FormDefinition,
  field: Field,
  value: unknown,
  references: References | undefined,
): string {
  const list = { user_ref: 'users', org_ref: 'orgs', person_ref: 'persons' } as const;
  if (field.type === 'user_ref' || field.type === 'org_ref' || field.type === 'person_ref') {
    if (typeof value !== 'string') return '';
    if (value.startsWith('［')) return value;
    const known = references?.[list[field.type]].find((option) => option.code === value);
    return known?.label ?? '登録あり（氏名・名称はこの画面では表示できません）';
  }
  return valueText(definition, field, value);
}
