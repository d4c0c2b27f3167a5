import { Fragment, type ReactNode } from 'react';
import type { DocumentInfo, ProjectedField, Projection, Schema } from '../../api/types';
import {
  fieldLabel,
  fieldsOf,
  offered,
  type Field,
  type FormDefinition,
} from '../../forms/definition';
import { lookupIn, selectedCodes, standing, type Values } from '../../forms/rules';
import type { CaseDetail } from '../cases/api';
import { dateTime, wareki } from '../cases/dates';
import { outsideOf, sheetName } from '../cases/sheets';
import type { References } from './FieldEditor';
import type { PrintedValue, Reception } from './reception';
import { plainText } from './SheetView';

type Cells = Projection['fields'];
type Rows = NonNullable<ProjectedField['rows']>;

/** Fields that take a whole line. */
const WIDE: ReadonlySet<string> = new Set(['textarea', 'multiselect', 'file']);
/** Options of so many characters in all are printed with boxes to tick; of more only the chosen. */
const BOXES_CHARACTERS = 260;
/** Tables with more columns get a second line for the short ones. */
const COLUMNS = 6;

interface PaperProps {
  definition: FormDefinition;
  fields: Cells;
  /** The reader sees names replaced. */
  masked: boolean;
  info: DocumentInfo;
  detail: CaseDetail;
  references: Partial<References>;
  municipality: string;
  printedBy: string;
  printedAt: Date;
  zone: string;
  /** Of a plan: the 支援決定 that was made on it, when the sheet does not tell it itself. */
  decision?: Schema<'SupportDecision'> | undefined;
  /** Of the 受付票: what the reception took down outside the sheet. */
  reception?: Reception | undefined;
}

/** A sheet on paper: title, head, ruled tables section by section, empty boxes where nothing stands. */
export function PaperSheet(props: PaperProps) {
  const { definition, fields, masked, info, detail, municipality, zone } = props;
  const lookup = lookupIn(valuesOf(fields), outsideOf(detail, info.number));
  const addressLeftOut =
    !masked &&
    fieldsOf(definition).some((field) => field.confidential_address && fields[field.id]?.withheld);
  const state = info.state === 'final' ? '確定' : '作成中（未確定）';
  return (
    <article className="paper">
      <header className="paper__head">
        <p className="paper__place">{municipality}</p>
        <h1 tabIndex={-1}>{definition.title}</h1>
        <p className="paper__state">{state}</p>
      </header>
      {masked && (
        <p className="paper__masked">
          マスク済み（個人情報として取扱い）　氏名・住所などは［氏名1］のように伏せてあります。
        </p>
      )}
      {addressLeftOut && (
        <p className="paper__masked">
          住所秘匿のため、住所の分かるところは印刷していません。文の中の住所は［住所1］のように伏せてあります。
        </p>
      )}
      <table className="paper__table paper__facts">
        <tbody>
          <tr>
            <th scope="row">事案番号</th>
            <td>{detail.case_no}</td>
            <th scope="row">記録</th>
            <td>{sheetName(info.section ?? '', info.number)}</td>
          </tr>
          <tr>
            <th scope="row">支援対象者</th>
            <td>{detail.clients.map((client) => client.display).join('、')}</td>
            <th scope="row">{definition.date ? '記録の日' : '受付日'}</th>
            <td>{wareki(definition.date ? dayOf(props) : detail.received_on)}</td>
          </tr>
        </tbody>
      </table>
      {props.reception && <ReceptionTables {...props.reception} />}
      {definition.sections.map((section) => {
        const shown = section.fields.filter(
          (field) =>
            field.id !== 'case_no' &&
            // Who the clients are stands above, in full.
            !(props.reception && field.type === 'person_ref') &&
            (standing(field, lookup).visible || hasContent(fields[field.id])),
        );
        return (
          shown.length > 0 && (
            <section key={section.id}>
              <h2>{section.title}</h2>
              <Section {...props} shown={shown} />
            </section>
          )
        );
      })}
      {props.decision && (
        <section>
          <h2>市町村の支援決定</h2>
          <table className="paper__table paper__facts">
            <tbody>
              <tr>
                <th scope="row">支援決定日</th>
                <td>{wareki(props.decision.decided_on)}</td>
                <th scope="row">文書番号</th>
                <td>{props.decision.document_no}</td>
              </tr>
              <tr>
                <th scope="row">決裁者</th>
                <td colSpan={3}>{props.decision.approver}</td>
              </tr>
            </tbody>
          </table>
        </section>
      )}
      <footer className="paper__foot">
        <p>
          様式 {definition.version}版
          {!definition.verified && '　※未検証：国の様式との照合がまだ済んでいない様式です。'}
        </p>
        <p>
          印刷 {dateTime(props.printedAt.toISOString(), zone)}　{props.printedBy}
        </p>
      </footer>
    </article>
  );
}

/** The day the sheet itself tells, or the one its list knows. */
function dayOf({ definition, fields, info }: PaperProps): string | null | undefined {
  const told = fields[definition.date ?? '']?.value;
  return typeof told === 'string' ? told.slice(0, 10) : info.dated_on;
}

/** Who the clients are, and how the case came: two to a line, as on the form. */
function ReceptionTables({ lines, clients }: Reception) {
  return (
    <>
      <section>
        <h2>受付の内容</h2>
        <Pairs values={lines} />
      </section>
      {clients.map((client, at) => (
        <section key={client.key}>
          <h2>本人基本情報{clients.length > 1 && `（${at + 1}人目）`}</h2>
          <Pairs values={client.lines} />
        </section>
      ))}
    </>
  );
}

function Pairs({ values }: { values: readonly PrintedValue[] }) {
  const rows = values.filter((_, at) => at % 2 === 0).map((one, at) => [one, values[2 * at + 1]]);
  return (
    <table className="paper__table">
      <colgroup>
        <col className="paper__label" />
        <col />
        <col className="paper__label" />
        <col />
      </colgroup>
      <tbody>
        {rows.map(([left, right]) => (
          <tr key={left?.label}>
            <th scope="row">{left?.label}</th>
            <td colSpan={right ? 1 : 3}>{left?.value}</td>
            {right && (
              <>
                <th scope="row">{right.label}</th>
                <td>{right.value}</td>
              </>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Short fields two to a line, long ones and tables alone. */
function Section({ shown, ...props }: PaperProps & { shown: readonly Field[] }) {
  const blocks: ReactNode[] = [];
  let lines: Field[][] = [];
  const flush = () => {
    if (lines.length === 0) return;
    const ready = lines;
    blocks.push(
      <table key={`t${blocks.length}`} className="paper__table">
        <colgroup>
          <col className="paper__label" />
          <col />
          <col className="paper__label" />
          <col />
        </colgroup>
        <tbody>
          {ready.map((line) => (
            <tr key={line[0]?.id} className={line.some((f) => f.type === 'textarea') ? 'long' : ''}>
              {line.map((field) => (
                <Fragment key={field.id}>
                  <th scope="row">{fieldLabel(field)}</th>
                  <td colSpan={line.length === 1 ? 3 : 1}>
                    <Cell {...props} field={field} cell={cellOf(props, field)} />
                  </td>
                </Fragment>
              ))}
            </tr>
          ))}
        </tbody>
      </table>,
    );
    lines = [];
  };
  let half: Field | undefined;
  const settle = () => {
    if (half) lines.push([half]);
    half = undefined;
  };
  for (const field of shown) {
    if (field.type === 'table') {
      settle();
      flush();
      blocks.push(<PaperTable key={field.id} {...props} field={field} />);
    } else if (WIDE.has(field.type) || boxes(props.definition, field, []).length > 4) {
      settle();
      lines.push([field]);
    } else if (half) {
      lines.push([half, field]);
      half = undefined;
    } else half = field;
  }
  settle();
  flush();
  return blocks;
}

/** A table of a sheet: a numbered block per row; many columns go on two lines. */
function PaperTable({ field, ...props }: PaperProps & { field: Field }) {
  const cell = props.fields[field.id];
  const rows: Rows = cell?.rows ?? [];
  const columns = field.columns ?? [];
  const texts = columns.filter((column) => column.type === 'textarea');
  const long = columns.length > COLUMNS && texts.length > 0 ? texts : columns.slice(0, COLUMNS);
  const used = long.filter(
    (column) => column.required === true || rows.some((row) => hasContent(row.cells[column.id])),
  );
  // Of what nobody filled in only the required is printed; an empty form has every column to write in.
  const main = rows.length > 0 && used.length > 0 ? used : long;
  const rest = columns.filter((column) => !long.includes(column));
  // Paper without rows still has room to write.
  const lines: Rows = rows.length > 0 ? rows : [1, 2, 3].map((at) => ({ id: `b${at}`, cells: {} }));
  return (
    <table className="paper__table paper__rows">
      <caption className="visually-hidden">{field.label}</caption>
      <colgroup>
        <col className="paper__no" />
        {main.map((column) => (
          <col key={column.id} />
        ))}
      </colgroup>
      <thead>
        {/* In the head, so that it never stands alone at the foot of a page and is told again on the next. */}
        <tr aria-hidden="true">
          <td className="paper__caption" colSpan={main.length + 1}>
            {field.label}
          </td>
        </tr>
        <tr>
          <th scope="col" className="paper__no">
            番号
          </th>
          {main.map((column) => (
            <th key={column.id} scope="col">
              {column.label}
            </th>
          ))}
        </tr>
      </thead>
      {cell?.withheld && rows.length === 0 ? (
        <tbody>
          <tr>
            <td colSpan={main.length + 1}>（印刷しません）</td>
          </tr>
        </tbody>
      ) : (
        lines.map((row, index) => (
          <tbody key={row.id}>
            <tr>
              <td className="paper__no" rowSpan={rest.length > 0 ? 2 : 1}>
                {index + 1}
              </td>
              {main.map((column) => (
                <td key={column.id}>
                  <Cell {...props} field={column} cell={row.cells[column.id] ?? {}} brief />
                </td>
              ))}
            </tr>
            {rest.length > 0 && (
              <tr className="paper__second">
                <td colSpan={main.length}>
                  <dl>
                    {rest
                      .filter((column) => rows.length === 0 || hasContent(row.cells[column.id]))
                      .map((column) => (
                        <div key={column.id}>
                          <dt>{column.label}</dt>
                          <dd>
                            <Cell
                              {...props}
                              field={column}
                              cell={row.cells[column.id] ?? {}}
                              brief
                            />
                          </dd>
                        </div>
                      ))}
                  </dl>
                </td>
              </tr>
            )}
          </tbody>
        ))
      )}
    </table>
  );
}

function Cell({
  definition,
  references,
  field,
  cell,
  brief = false,
}: PaperProps & { field: Field; cell: ProjectedField; brief?: boolean }): ReactNode {
  if (cell.withheld && cell.text === undefined && cell.value === undefined)
    return '（印刷しません）';
  if (field.type === 'file') return '（「世帯・関係」の図を添える）';
  if (field.type === 'signature') return <span className="paper__sign">（署名）</span>;
  const options =
    brief || cell.text !== undefined ? [] : boxes(definition, field, chosenOf(cell.value));
  if (options.length > 0) {
    const chosen = new Set(
      typeof cell.value === 'string' ? [cell.value] : selectedCodes(cell.value),
    );
    return (
      <span className="paper__boxes">
        {options.map((option) => (
          <span key={option.code} className={chosen.has(option.code) ? 'chosen' : undefined}>
            {chosen.has(option.code) ? '☑' : '□'} {option.label}
          </span>
        ))}
      </span>
    );
  }
  const text =
    cell.text ??
    plainText(definition, field, cell.value, {
      users: [],
      orgs: [],
      persons: [],
      ...references,
    });
  return (
    <span className="paper__text">
      {text}
      {cell.withheld && '（この先の新しい文は印刷しません）'}
    </span>
  );
}

/** The codes chosen in a choice of either type. */
function chosenOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : selectedCodes(value);
}

/** The options that are printed with boxes. */
function boxes(definition: FormDefinition, field: Field, chosen: readonly string[]) {
  if (field.type !== 'select' && field.type !== 'multiselect') return [];
  const options = offered(definition, field, chosen);
  const length = options.reduce((sum, option) => sum + option.label.length + 2, 0);
  return length <= BOXES_CHARACTERS ? options : [];
}

/** What stands in a box; of fields that fill themselves what is known here. */
function cellOf({ fields, info }: PaperProps, field: Field): ProjectedField {
  if (field.automatic && field.id === 'plan_no' && info.number != null)
    return { value: info.number };
  return fields[field.id] ?? {};
}

function hasContent(cell: ProjectedField | undefined): boolean {
  if (!cell) return false;
  if (cell.withheld || (cell.rows?.length ?? 0) > 0) return true;
  if (cell.text !== undefined) return cell.text !== '';
  return cell.value !== undefined && cell.value !== null && cell.value !== '';
}

/** The values that conditions read. */
function valuesOf(fields: Cells): Values {
  return Object.fromEntries(
    Object.entries(fields).map(([id, cell]) => [id, cell.value ?? cell.text ?? cell.rows]),
  );
}
