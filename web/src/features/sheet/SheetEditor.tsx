import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import * as Y from 'yjs';
import { useSession } from '../../app/session';
import type { SeenBy } from '../../api/types';
import { fieldsOf, type Field, type FormDefinition } from '../../forms/definition';
import {
  calculate,
  issueText,
  lookupIn,
  standing,
  validate,
  type Issue,
  type Values,
} from '../../forms/rules';
import { pathOf, type DocumentConnection } from '../../sync/connection';
import { usePeers, useShared, type Peer } from '../../sync/hooks';
import { TextBinding } from '../../sync/text-binding';
import {
  Button,
  ErrorSummary,
  focusControl,
  IconButton,
  Notice,
  UnreadContext,
  Unverified,
  useToast,
  useUnread,
} from '../../ui';
import { localDate } from '../cases/dates';
import { CarryBar, CarryHint, type Carrying } from './Carry';
import { controlId, FieldEditor, type References } from './FieldEditor';
import { FieldHistoryLink, HistoryLink } from './HistoryLink';
import { SeenBadge } from './SeenBadge';
import { BlockedNotice, OnlineMembers, SaveStatus } from './Status';
import { TableEditor } from './TableEditor';
import { ControlEdit, fieldsMap, filled, readValues } from './values';
import './sheet.css';

const NO_PEERS: readonly Peer[] = [];

/** How far a section is. */
interface SectionState {
  id: string;
  title: string;
  filled: number;
  total: number;
  /** Ids of required fields that are still empty. */
  missing: string[];
}

function progressOf(definition: FormDefinition, values: Values, outside: Values): SectionState[] {
  const lookup = lookupIn(values, outside);
  return definition.sections.map((section) => {
    const state: SectionState = {
      id: section.id,
      title: section.title,
      filled: 0,
      total: 0,
      missing: [],
    };
    for (const field of section.fields) {
      const { visible, required } = standing(field, lookup);
      if (!visible || field.automatic || ['calc', 'file', 'signature'].includes(field.type))
        continue;
      state.total += 1;
      if (filled(values[field.id])) state.filled += 1;
      else if (required) state.missing.push(field.id);
    }
    return state;
  });
}

/** A sheet being written together, drawn from its definition. */
export function SheetEditor({
  connection,
  definition,
  references,
  seenBy,
  outside = {},
  history,
  carrying,
  aside,
}: {
  connection: DocumentConnection;
  definition: FormDefinition;
  references: References;
  /** Agencies that can see this sheet, with their levels. */
  seenBy: readonly SeenBy[];
  /**
   * Values from elsewhere: what conditions and checks read (`case.status`), and what automatic
   * fields show (`sheet.case_no`).
   */
  outside?: Values;
  /** Address of the sheet's history. */
  history?: string;
  /** What other sheets of the case hold for this one. */
  carrying?: Carrying;
  /** Right end of the head line. */
  aside?: ReactNode;
}) {
  const { session } = useSession();
  const showToast = useToast();
  const fields = useMemo(() => fieldsMap(connection.doc), [connection]);
  const today = localDate(new Date(), session.municipality.zone);
  const values = useShared(fields, () => readValues(definition, fields));
  const peers = usePeers(connection);
  const peersAt = useMemo(() => {
    const map = new Map<string, Peer[]>();
    for (const peer of peers)
      if (peer.field !== null) map.set(peer.field, [...(map.get(peer.field) ?? []), peer]);
    return map;
  }, [peers]);
  const progress = useMemo(
    () => progressOf(definition, values, outside),
    [definition, values, outside],
  );
  const missing = progress.flatMap((section) => section.missing);

  // ── checking ──
  const unread = useUnread();
  const [attempt, setAttempt] = useState(0);
  const issues = useMemo<Issue[]>(
    () => (attempt === 0 ? [] : validate(definition, values, { today, outside })),
    [attempt, definition, values, today, outside],
  );
  const errors = useMemo(() => {
    const map = new Map<string, string>();
    for (const issue of issues)
      if (!map.has(issue.path)) map.set(issue.path, issueText(definition, issue));
    return map;
  }, [issues, definition]);
  const check = () => {
    setAttempt((number) => number + 1);
    const found = validate(definition, values, { today, outside });
    if (found.length === 0 && unread.problems().length === 0)
      showToast('入力内容に誤りはありません。');
  };

  // ── undo, of this person's edits only ──
  const undo = useMemo(
    () =>
      new Y.UndoManager(fields, {
        trackedOrigins: new Set<unknown>([TextBinding, ControlEdit]),
        captureTimeout: 700,
      }),
    [fields],
  );
  const [steps, setSteps] = useState({ undo: 0, redo: 0 });
  useEffect(() => {
    const update = () => setSteps({ undo: undo.undoStack.length, redo: undo.redoStack.length });
    const popped = ({ changedParentTypes }: { changedParentTypes: Map<unknown, unknown> }) => {
      update();
      // Show where it happened when that is not where one is.
      for (const type of changedParentTypes.keys()) {
        const path = type instanceof Y.Text ? pathOf(type) : null;
        if (path === null) continue;
        const element = document.getElementById(controlId(path));
        if (element && element !== document.activeElement) focusControl(controlId(path));
        return;
      }
    };
    undo.on('stack-item-added', update);
    undo.on('stack-item-popped', popped);
    return () => {
      undo.off('stack-item-added', update);
      undo.off('stack-item-popped', popped);
      undo.destroy();
    };
  }, [undo]);

  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = root.current;
    if (!element) return;
    const keys = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
      if (holdsDraft(event)) return;
      const key = event.key.toLowerCase();
      if (key === 'z' && !event.shiftKey) undo.undo();
      else if (key === 'y' || (key === 'z' && event.shiftKey)) undo.redo();
      else return;
      event.preventDefault();
    };
    // The browser's own history knows nothing of what others wrote.
    const before = (event: InputEvent) => {
      if (holdsDraft(event)) return;
      if (event.inputType === 'historyUndo') undo.undo();
      else if (event.inputType === 'historyRedo') undo.redo();
      else return;
      event.preventDefault();
    };
    const focus = () => undo.stopCapturing();
    element.addEventListener('keydown', keys);
    element.addEventListener('beforeinput', before);
    element.addEventListener('focusin', focus);
    return () => {
      element.removeEventListener('keydown', keys);
      element.removeEventListener('beforeinput', before);
      element.removeEventListener('focusin', focus);
    };
  }, [undo]);

  const current = useCurrentSection(root);
  const goTo = useCallback((id: string) => {
    const heading = document.getElementById(`section-${id}`);
    heading?.scrollIntoView({ block: 'start' });
    heading?.focus({ preventScroll: true });
  }, []);
  const besides = useMemo(() => {
    const seen = <SeenBadge seenBy={seenBy} inField />;
    const beside = ({ id, label }: Field) =>
      history ? (
        <>
          <FieldHistoryLink history={history} field={id} label={label} />
          {seen}
        </>
      ) : (
        seen
      );
    return new Map(fieldsOf(definition).map((field) => [field.id, beside(field)]));
  }, [seenBy, history, definition]);
  const lookup = lookupIn(values, outside);
  const isEmptyField = (field: Field) =>
    standing(field, lookup).visible && !filled(values[field.id]);

  const editor = (field: Field) => {
    const { visible, required } = standing(field, lookup);
    // A value that no longer applies stays in sight until somebody decides about it.
    if (!visible && !filled(values[field.id])) return null;
    const shared = {
      connection,
      definition,
      field,
      map: fields,
      path: field.id,
      value:
        field.type === 'calc'
          ? calculate(definition, field, values, today, outside)
          : field.automatic
            ? outside[`sheet.${field.id}`]
            : values[field.id],
      required,
      error: errors.get(field.id),
      peers: peersAt.get(field.id) ?? NO_PEERS,
      references,
      seen: besides.get(field.id),
      today,
    };
    return (
      <div key={field.id} className={`sheet-field sheet-field--${widthOf(field)}`}>
        {field.type === 'table' ? (
          <TableEditor {...shared} values={values} errors={errors} peersAt={peersAt} />
        ) : (
          <FieldEditor {...shared} />
        )}
        {carrying && isEmptyField(field) && (
          <CarryHint
            definition={definition}
            field={field}
            carrying={carrying}
            references={references}
          />
        )}
      </div>
    );
  };

  return (
    <UnreadContext value={unread}>
      <div className="sheet" ref={root}>
        <nav className="sheet__toc no-print" aria-label="この様式の見出し">
          <ol>
            {progress.filter(hasFields).map((section) => (
              <li key={section.id}>
                <a
                  href={`#section-${section.id}`}
                  aria-current={section.id === current ? 'true' : undefined}
                  onClick={(event) => {
                    event.preventDefault();
                    goTo(section.id);
                  }}
                >
                  <span>{section.title}</span>
                  <span className="number">
                    {section.missing.length > 0 && (
                      <span className="sheet__dot" title={`必須の空欄 ${section.missing.length}件`}>
                        <span className="visually-hidden">
                          必須の空欄{section.missing.length}件、
                        </span>
                      </span>
                    )}
                    {section.filled}/{section.total}
                  </span>
                </a>
              </li>
            ))}
          </ol>
          <p className="sheet__left" role="status">
            {missing.length === 0 ? '必須はすべて入力済み' : `必須 残り${missing.length}`}
          </p>
          {missing[0] !== undefined && (
            <Button
              variant="text"
              size="s"
              onClick={() => {
                const here = document.activeElement?.closest('.sheet-field');
                const after = missing.find((id) => {
                  const target = document.getElementById(controlId(id));
                  return (
                    here &&
                    target &&
                    here.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING &&
                    !here.contains(target)
                  );
                });
                focusControl(controlId(after ?? missing[0] ?? ''));
              }}
            >
              次の必須の空欄へ
            </Button>
          )}
        </nav>
        <div className="sheet__paper">
          <header className="sheet__head">
            <div>
              <h2>{definition.title}</h2>
              <p className="soft">
                様式 {definition.version}版 {!definition.verified && <Unverified />}
              </p>
            </div>
            <OnlineMembers connection={connection} />
            <div className="sheet__save no-print">
              <SaveStatus connection={connection} />
            </div>
            <div className="sheet__tools no-print">
              <IconButton
                icon="undo"
                label="元に戻す（Ctrl+Z）"
                aria-disabled={steps.undo === 0}
                onClick={() => undo.undo()}
              />
              <IconButton
                icon="redo"
                label="やり直す（Ctrl+Y）"
                aria-disabled={steps.redo === 0}
                onClick={() => undo.redo()}
              />
              <Button size="s" icon="check" onClick={check}>
                内容を確認
              </Button>
              {history && <HistoryLink href={history} />}
              {aside}
            </div>
          </header>
          <div className="sheet__body">
            <BlockedNotice connection={connection} />
            <ErrorSummary
              attempt={attempt}
              items={issues
                .filter((issue) => issue.severity === 'error')
                .map((issue) => ({
                  target: controlId(issue.path),
                  message: issueText(definition, issue),
                }))}
            />
            {issues.some((issue) => issue.severity === 'warning') && (
              <Notice tone="warning" title="確認してください">
                <ul>
                  {issues
                    .filter((issue) => issue.severity === 'warning')
                    .map((issue) => (
                      <li key={`${issue.path}-${issue.code}`}>
                        <a
                          href={`#${controlId(issue.path)}`}
                          onClick={(event) => {
                            event.preventDefault();
                            focusControl(controlId(issue.path));
                          }}
                        >
                          {issueText(definition, issue)}
                        </a>
                      </li>
                    ))}
                </ul>
              </Notice>
            )}
            {carrying && (
              <CarryBar
                definition={definition}
                carrying={carrying}
                references={references}
                isEmpty={isEmptyField}
              />
            )}
            {definition.sections.map((section) => {
              const editors = section.fields.map(editor);
              // A heading over nothing would only be scrolled past.
              return (
                editors.some(Boolean) && (
                  <section key={section.id} aria-labelledby={`section-${section.id}`}>
                    <h3 className="sheet__section" id={`section-${section.id}`} tabIndex={-1}>
                      {section.title}
                    </h3>
                    {section.help && <p className="soft">{section.help}</p>}
                    <div className="sheet__fields">{editors}</div>
                  </section>
                )
              );
            })}
          </div>
        </div>
      </div>
    </UnreadContext>
  );
}

/** Whether a section has anything to fill in just now. */
function hasFields(section: SectionState): boolean {
  return section.total > 0;
}

/** A date or number being typed is not in the document yet: its history is the browser's. */
function holdsDraft(event: Event): boolean {
  return (event.target as HTMLElement).closest('[data-draft]') !== null;
}

/** How much of a line a field takes. */
function widthOf(field: Field): 'full' | 'half' {
  return ['textarea', 'multiselect', 'table', 'signature', 'file'].includes(field.type)
    ? 'full'
    : 'half';
}

/** The section that is being read. */
function useCurrentSection(root: React.RefObject<HTMLElement | null>): string | null {
  const [current, setCurrent] = useState<string | null>(null);
  useEffect(() => {
    const element = root.current;
    if (!element || typeof IntersectionObserver === 'undefined') return;
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries)
          if (entry.isIntersecting)
            setCurrent(
              entry.target.getAttribute('aria-labelledby')?.replace('section-', '') ?? null,
            );
      },
      { rootMargin: '-20% 0px -75% 0px' },
    );
    for (const section of element.querySelectorAll('section[aria-labelledby^="section-"]'))
      observer.observe(section);
    return () => observer.disconnect();
  }, [root]);
  return current;
}
