import { useState } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { labelAt, type FormDefinition } from '../../forms/definition';
import { problemText } from '../../i18n/problems';
import { Button, Card, ConfirmDialog, Empty, Icon, Notice, Select, Tag, useToast } from '../../ui';
import { QueryState } from '../cases/parts';
import {
  NOW,
  useComparison,
  useKept,
  useRefresh,
  type Comparison,
  type FieldDifference,
  type Restored,
  type RowDifference,
  type TextPiece,
} from './api';
import type { HistoryProps } from './DocumentHistory';
import { fold, side, size, type Shown } from './pieces';
import { valueWords } from './values';
import {
  fieldList,
  momentWords,
  personWords,
  ROW_KINDS,
  rowWords,
  shortMoment,
  versionWords,
} from './words';

type Layout = 'inline' | 'columns';

/** Two moments side by side or in one text, and the way back to the earlier one. */
export function ComparisonView({
  documentId,
  base,
  definition,
  references,
  mayEdit,
  final,
  from,
  to,
  onMoments,
}: HistoryProps & {
  definition: FormDefinition | undefined;
  from: string;
  to: string;
  onMoments: (from: string, to: string) => void;
}) {
  const { session } = useSession();
  const zone = session.municipality.zone;
  const versions = useKept(documentId).data ?? [];
  const query = useComparison(documentId, from, to);
  const [layout, setLayout] = useState<Layout>('inline');
  const moment = (version: (typeof versions)[number]) => ({
    code: version.id,
    label: `${versionWords(version, zone, versions)}（${shortMoment(version.at, zone)}）`,
  });
  const options = [...new Map(versions.map((version) => [version.id, moment(version)])).values()];
  const answer = query.data;
  return (
    <>
      <div className="history__filter history__filter--moments">
        <Select
          label="前"
          empty={from === '' ? '選んでください' : null}
          value={from}
          options={options}
          onChange={(code) => onMoments(code, to)}
        />
        <Select
          label="後"
          empty={null}
          value={to}
          options={[{ code: NOW, label: 'いまの内容' }, ...options]}
          onChange={(code) => onMoments(from, code)}
        />
        <div className="segmented" role="group" aria-label="並べ方">
          <Button size="s" aria-pressed={layout === 'inline'} onClick={() => setLayout('inline')}>
            1つの文で
          </Button>
          <Button size="s" aria-pressed={layout === 'columns'} onClick={() => setLayout('columns')}>
            左右に並べて
          </Button>
        </div>
      </div>
      {from === '' && <Empty icon="list" title="くらべる版を選んでください" />}
      {from !== '' && !answer && <QueryState query={query} what="違い" />}
      {answer && (
        <>
          <div className="history__result" role="status">
            <p>
              {answer.fields.length === 0 ? (
                <strong>違いはありません。</strong>
              ) : (
                <>
                  <strong>{answer.fields.length}欄が違います。</strong>
                  <span className="compare__legend">
                    <ins className="diff-added">足した文字</ins>
                    <del className="diff-removed">消した文字</del>
                  </span>
                </>
              )}
            </p>
          </div>
          {to === NOW && answer.fields.length > 0 && mayEdit && (
            <RestoreButton
              documentId={documentId}
              base={base}
              definition={definition}
              answer={answer}
              zone={zone}
              final={final}
              onStale={() => void query.refetch()}
            />
          )}
          {groups(answer.fields).map(({ heading, fields }) => (
            <Card key={heading} title={heading === '' ? '変わったところ' : heading} level={3} flush>
              {fields.map((field) => (
                <Field
                  key={field.field}
                  field={field}
                  layout={layout}
                  zone={zone}
                  words={(path, value) => valueWords(definition, path, value, references)}
                />
              ))}
            </Card>
          ))}
        </>
      )}
    </>
  );
}

/** Fields under the headings of the form, in its order. */
function groups(fields: readonly FieldDifference[]) {
  const found: { heading: string; fields: FieldDifference[] }[] = [];
  for (const field of fields) {
    const heading = field.heading ?? '';
    const last = found.at(-1);
    if (last?.heading === heading) last.fields.push(field);
    else found.push({ heading, fields: [field] });
  }
  return found;
}

type Words = (path: string, value: unknown) => string;

function Field({
  field,
  layout,
  zone,
  words,
}: {
  field: FieldDifference;
  layout: Layout;
  zone: string;
  words: Words;
}) {
  return (
    <section className="compare__field" aria-label={field.label}>
      <div className="compare__head">
        <h4>{field.label}</h4>
        {field.last && (
          <span className="soft">
            <Icon name="person" size="s" />
            最後に変えた人：{personWords(field.last.by)}　{momentWords(field.last.at, zone)}
          </span>
        )}
      </div>
      {field.rows ? (
        <ul className="compare__rows">
          {field.rows.map((row) => (
            <Row
              key={row.id}
              table={field.field}
              row={row}
              layout={layout}
              zone={zone}
              words={words}
            />
          ))}
        </ul>
      ) : (
        <Difference path={field.field} difference={field} layout={layout} words={words} />
      )}
    </section>
  );
}

const ROW_LOOKS = {
  added: { tone: 'green', icon: 'plus' },
  removed: { tone: 'red', icon: 'minus' },
  changed: { tone: 'blue', icon: 'pencil' },
  moved: { tone: 'plain', icon: 'refresh' },
  same: { tone: 'plain', icon: 'check' },
} as const;

function Row({
  table,
  row,
  layout,
  zone,
  words,
}: {
  table: string;
  row: RowDifference;
  layout: Layout;
  zone: string;
  words: Words;
}) {
  return (
    <li className="compare__row">
      <p className="compare__head">
        <span className="row">
          <Tag small {...ROW_LOOKS[row.kind]}>
            {ROW_KINDS[row.kind]}
          </Tag>
          <strong>{rowWords(row)}</strong>
          {row.kind === 'moved' && (
            <span>
              {row.number_before}行目から{row.number_after}行目へ
            </span>
          )}
        </span>
        {row.last && (
          <span className="soft">
            {personWords(row.last.by)}　{momentWords(row.last.at, zone)}
          </span>
        )}
      </p>
      {row.cells.length > 0 && (
        <dl className="compare__cells">
          {row.cells.map((cell) => (
            <div key={cell.column}>
              <dt>{cell.label}</dt>
              <dd>
                <Difference
                  path={`${table}/${row.id}/${cell.column}`}
                  difference={cell}
                  layout={layout}
                  words={words}
                  alone={row.kind === 'added' || row.kind === 'removed'}
                />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

function Difference({
  path,
  difference,
  layout,
  words,
  alone = false,
}: {
  path: string;
  difference: { pieces?: TextPiece[] | null; before?: unknown; after?: unknown };
  layout: Layout;
  words: Words;
  /** In a row that came or went there is no other side. */
  alone?: boolean;
}) {
  const values = {
    before: words(path, difference.before),
    after: words(path, difference.after),
  };
  const pieces: readonly Shown[] = difference.pieces
    ? fold(difference.pieces)
    : [
        { kind: 'removed' as const, text: values.before },
        { kind: 'added' as const, text: values.after },
      ].filter(({ text }) => text !== '');
  if (layout === 'columns' && !alone)
    return (
      <div className="compare__columns">
        {(['before', 'after'] as const).map((which) => (
          <div key={which}>
            <p className="soft">{which === 'before' ? '前' : '後'}</p>
            <p className="compare__text">
              <Pieces pieces={side(pieces, which)} empty />
            </p>
          </div>
        ))}
      </div>
    );
  return (
    <p className="compare__text">
      {difference.pieces || alone ? (
        <Pieces pieces={pieces} />
      ) : (
        <>
          {values.before === '' ? (
            <span className="soft">（空欄）</span>
          ) : (
            <Mark kind="removed" text={values.before} />
          )}
          <span className="compare__arrow">
            <Icon name="right" size="s" />
          </span>
          {values.after === '' ? (
            <span className="soft">（空欄）</span>
          ) : (
            <Mark kind="added" text={values.after} />
          )}
        </>
      )}
    </p>
  );
}

function Pieces({ pieces, empty = false }: { pieces: readonly Shown[]; empty?: boolean }) {
  if (empty && pieces.length === 0) return <span className="soft">（空欄）</span>;
  return pieces.map((piece, index) =>
    piece.kind === 'folded' ? (
      <Folded key={index} text={piece.text} />
    ) : piece.kind === 'same' ? (
      <span key={index}>{piece.text}</span>
    ) : (
      <Mark key={index} kind={piece.kind} text={piece.text} />
    ),
  );
}

/** Colour, line and, for those who hear it, a word. */
function Mark({ kind, text }: { kind: 'added' | 'removed'; text: string }) {
  return kind === 'added' ? (
    <ins className="diff-added">
      <span className="visually-hidden">［追加：</span>
      {text}
      <span className="visually-hidden">］</span>
    </ins>
  ) : (
    <del className="diff-removed">
      <span className="visually-hidden">［削除：</span>
      {text}
      <span className="visually-hidden">］</span>
    </del>
  );
}

function Folded({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  return open ? (
    <span>{text}</span>
  ) : (
    <button type="button" className="compare__folded" onClick={() => setOpen(true)}>
      …同じ文 {size(text)}字を表示…
    </button>
  );
}

/** 「この版に戻す」: says what will change, and waits for an answer. */
function RestoreButton({
  documentId,
  base,
  definition,
  answer,
  zone,
  final,
  onStale,
}: {
  documentId: string;
  base: string;
  definition: FormDefinition | undefined;
  answer: Comparison;
  zone: string;
  final: boolean;
  onStale: () => void;
}) {
  const toast = useToast();
  const refresh = useRefresh(documentId);
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const count = answer.fields.length;
  const restore = async () => {
    setBusy(true);
    try {
      const done = await api.post<Restored>(`documents/${documentId}/restore`, {
        version: answer.from.id,
      });
      const left = done.left_out.map((path) => (definition ? labelAt(definition, path) : path));
      toast(
        left.length === 0
          ? `${done.changed.length}欄を、前の版の内容に戻しました。`
          : `${done.changed.length}欄を戻しました。次の欄は、いまの様式では入れられない値のため、そのままです：${left.join('、')}`,
        left.length === 0 ? {} : { tone: 'info' },
      );
      void refresh();
      navigate(base);
    } catch (error) {
      setProblem(problemText(error));
      onStale();
    }
    setBusy(false);
    setAsking(false);
  };
  return (
    <>
      {problem && (
        <Notice tone="error" live title="戻せませんでした">
          {problem}
        </Notice>
      )}
      <div className="row">
        <Button
          icon="undo"
          reason={
            final ? '確定した記録です。「訂正のために開く」と、戻せるようになります。' : undefined
          }
          onClick={() => setAsking(true)}
        >
          前の版（{momentWords(answer.from.at, zone)}）に戻す
        </Button>
      </div>
      <ConfirmDialog
        title={`${count}欄を前の版の内容に戻しますか`}
        isOpen={asking}
        onCancel={() => setAsking(false)}
        onConfirm={() => void restore()}
        confirmLabel={`${count}欄を戻す`}
        busy={busy}
      >
        <div className="stack">
          <p>
            <strong>{momentWords(answer.from.at, zone)}</strong>
            の内容に戻します。変わるのは次の{count}欄です。
          </p>
          <p className="history__changes">{fieldList(answer.fields)}</p>
          <ul className="history__notes">
            <li>いまの内容は「戻す前」の版として残ります。もう一度戻すこともできます。</li>
            <li>
              開いている人全員の画面に、すぐに反映されます。だれかが打っている途中の文字は残ります。
            </li>
            <li>だれがいつ戻したかが、履歴と監査ログに残ります。</li>
          </ul>
        </div>
      </ConfirmDialog>
    </>
  );
}
