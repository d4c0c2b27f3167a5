import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type * as Y from 'yjs';
import { ApiError, api } from '../../api/client';
import type { DocumentInfo, Projection } from '../../api/types';
import { useSingleKeys } from '../../app/keys';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import type { DocumentConnection } from '../../sync/connection';
import { byAccount, useConnectionState, usePeers, type Peer } from '../../sync/hooks';
import { newId } from '../../sync/id';
import {
  Avatar,
  Button,
  Dialog,
  Icon,
  Notice,
  Select,
  Tag,
  TextArea,
  TextInput,
  useToast,
} from '../../ui';
import { useCase } from '../cases/api';
import { sectionLabel } from '../cases/vocabulary';
import { useFieldNames } from '../cases/fieldNames';
import { SaveStatus } from '../sheet';
import { CATEGORIES, category, sourceLabel } from './labels';
import { commandFor, HELP, type Command } from './keyboard';
import { MaskedText, projectedText, Withheld } from './preview';
import { progress, Review, sameSurface } from './review';
import { selectedPlace, type Selected } from './selection';
import {
  afterDecision,
  context,
  fieldTexts,
  groupSpans,
  maskText,
  numberSpans,
  occurrences,
  readSpans,
  segments,
  steadyGroups,
  walkOrder,
  type FieldText,
  type Group,
  type Span,
} from './spans';

/** Re-asks the partner's view this long after the last decision, in ms. */
const PREVIEW_AFTER = 700;

const STATUS_WORDS = {
  pending: '未確認',
  accepted: '伏せる',
  rejected: '伏せない',
  mixed: '一部未確認',
} as const;

/** Texts and spans, read again whenever either document changes. */
function useSpans(
  parent: Y.Doc,
  masks: Y.Doc,
  order: readonly string[],
): { fields: FieldText[]; spans: Span[]; version: number } {
  const [version, setVersion] = useState(0);
  useEffect(() => {
    let frame = 0;
    const changed = (): void => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => setVersion((count) => count + 1));
    };
    parent.on('update', changed);
    masks.on('update', changed);
    return () => {
      cancelAnimationFrame(frame);
      parent.off('update', changed);
      masks.off('update', changed);
    };
  }, [parent, masks]);
  return useMemo(() => {
    const fields = fieldTexts(parent, order);
    return { fields, spans: readSpans(masks, parent, fields), version };
  }, [parent, masks, order, version]);
}

export function ReviewBoard({
  info,
  parent,
  masks,
}: {
  info: DocumentInfo;
  parent: DocumentConnection;
  masks: DocumentConnection;
}) {
  const { session } = useSession();
  const toast = useToast();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const names = useFieldNames(info.form);
  const { fields, spans, version } = useSpans(parent.doc, masks.doc, names.order);
  const saving = useConnectionState(masks);
  const peers = byAccount(usePeers(masks));

  // The order of reading, fixed when a word is first seen; what comes later is counted.
  const [reading, setReading] = useState<readonly string[]>([]);
  const [arrived, setArrived] = useState(0);
  const { groups, fresh } = useMemo(
    () => steadyGroups(groupSpans(spans, new Set()), reading),
    [spans, reading],
  );
  if (fresh.length > 0) {
    const found = groups.filter(
      (group) => group.pending > 0 && fresh.includes(group.surface) && group.source !== 'manual',
    );
    if (reading.length > 0) setArrived(arrived + found.length);
    setReading([...reading, ...fresh]);
  }
  const order = useMemo(() => walkOrder(groups), [groups]);
  const numbers = useMemo(() => numberSpans(spans), [spans]);
  const done = progress(spans);
  const preview = usePreview(info, version);
  // The server's projection says what it has not looked at as it stands. A protected address is
  // kept back for good and waits for nobody.
  const stale = fields
    .filter((entry) => {
      const released = projectedText(preview.query.data, entry.field);
      return (
        entry.text !== '' &&
        released.withheld &&
        !(released.text === null && names.protects(entry.field))
      );
    })
    .map((entry) => entry.field);
  const [scanning, setScanning] = useState(false);
  const scan = async (): Promise<void> => {
    setScanning(true);
    try {
      await api.post(`documents/${info.id}/masks/scan`);
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
    } finally {
      setScanning(false);
    }
  };

  const scanLasts = useLasting(stale.length > 0, QUIET_SCAN);
  const scanLate = useLasting(stale.length > 0, LATE_SCAN);

  const [place, setPlace] = useState<{ id: string; field: string; surface: string } | null>(null);
  const [resuming, setResuming] = useState(false);
  const firstPending = order.find((span) => span.status === 'pending');
  const current =
    order.find((span) => span.id === place?.id) ??
    // A scan may have replaced the span one stood on: the same word in the same field.
    order.find((span) => span.field === place?.field && span.surface === place.surface) ??
    order.find((span) => span.surface === place?.surface) ??
    firstPending ??
    order[0] ??
    null;
  const setCurrentId = useCallback(
    (id: string) => {
      const span = spans.find((entry) => entry.id === id);
      walked.current = true;
      setPlace({ id, field: span?.field ?? '', surface: span?.surface ?? '' });
    },
    [spans],
  );
  // Whoever stands somewhere stays there, also when a scan adds words before it.
  if (current && place?.id !== current.id)
    setPlace({ id: current.id, field: current.field, surface: current.surface });
  // Finishing found something new: the review goes on there.
  if (resuming && firstPending) {
    setResuming(false);
    if (current?.status !== 'pending')
      setPlace({ id: firstPending.id, field: firstPending.field, surface: firstPending.surface });
  }
  const group = groups.find((entry) => entry.surface === current?.surface) ?? null;

  const review = useMemo(
    () =>
      new Review(masks.doc, {
        account: session.account.id,
        now: () => new Date().toISOString(),
        newId: () => newId(),
      }),
    [masks, session.account.id],
  );
  useEffect(() => () => review.destroy(), [review]);

  const [keysOn, setKeysOn] = useSingleKeys();
  const [helpOpen, setHelpOpen] = useState(false);
  const [addOpen, setAddOpen] = useState(false);
  const [finishOpen, setFinishOpen] = useState(false);
  const [selected, setSelected] = useState<Selected | null>(null);
  const [said, setSaid] = useState('');

  // Others see on which word we stand.
  useEffect(() => {
    masks.awareness.setLocalStateField('field', current?.id ?? null);
  }, [masks, current?.id]);

  useEffect(() => {
    const changed = (): void => setSelected(selectedPlace(document.getSelection()));
    document.addEventListener('selectionchange', changed);
    return () => document.removeEventListener('selectionchange', changed);
  }, []);

  // The word one stands on is brought into sight in both lists: when one goes there, not whenever
  // somebody else changes something.
  const walked = useRef(false);
  const currentSpan = current?.id;
  const currentSurface = current?.surface;
  useEffect(() => {
    if (currentSpan === undefined || currentSurface === undefined) return;
    bringIntoSight(`[data-group="${CSS.escape(currentSurface)}"]`, false);
    bringIntoSight(`[data-span="${CSS.escape(currentSpan)}"]`, walked.current);
  }, [currentSpan, currentSurface, names.order]);

  const decide = useCallback(
    (ids: readonly string[], status: 'accepted' | 'rejected', all: boolean) => {
      const from = current?.id;
      if (!from || ids.length === 0) return;
      const next = afterDecision(order, from);
      review.decide([from, ...ids.filter((id) => id !== from)], status);
      const words = status === 'accepted' ? '伏せます' : '伏せません';
      setSaid(`「${current.surface}」${all ? `${ids.length}件すべて` : ''}を${words}`);
      if (next)
        setCurrentId(
          all
            ? (order.find((span) => span.status === 'pending' && !ids.includes(span.id))?.id ??
                next)
            : next,
        );
    },
    [current, order, review, setCurrentId],
  );

  /** Takes back the last step and goes where it was made. */
  const takeBack = useCallback(() => {
    const ids = review.undo();
    if (!ids) {
      setSaid('取り消せる操作はありません');
      return;
    }
    const back = order.find((span) => ids.includes(span.id));
    if (back) setCurrentId(ids[0] && order.some((span) => span.id === ids[0]) ? ids[0] : back.id);
    setSaid(back ? `「${back.surface}」の操作を取り消しました` : '1つ取り消しました');
  }, [order, review, setCurrentId]);

  const addSelected = useCallback(
    (place: Selected, label: string) => {
      const ids = review.add([place], label, fields);
      document.getSelection()?.removeAllRanges();
      setSelected(null);
      if (ids[0]) setCurrentId(ids[0]);
      setSaid(`「${place.text}」を${category(label).label}として伏せます`);
    },
    [review, fields, setCurrentId],
  );

  const run = useCallback(
    (command: Command) => {
      const at = order.findIndex((span) => span.id === current?.id);
      switch (command.kind) {
        case 'next':
        case 'previous': {
          const step = command.kind === 'next' ? 1 : -1;
          const to = order[Math.min(order.length - 1, Math.max(0, at + step))];
          if (to) setCurrentId(to.id);
          break;
        }
        case 'accept':
          if (selected) addSelected(selected, 'PERSON');
          else if (current) decide([current.id], 'accepted', false);
          break;
        case 'reject':
          if (current) decide([current.id], 'rejected', false);
          break;
        case 'accept_all':
        case 'reject_all':
          if (current)
            decide(
              sameSurface(spans, current.id),
              command.kind === 'accept_all' ? 'accepted' : 'rejected',
              true,
            );
          break;
        case 'category': {
          const chosen = CATEGORIES[command.index];
          if (!chosen) break;
          if (selected) addSelected(selected, chosen.code);
          else if (current && review.relabel([current.id], chosen.code) > 0)
            setSaid(`「${current.surface}」の種類を${chosen.label}にしました`);
          break;
        }
        case 'undo':
          takeBack();
          break;
        case 'finish':
          setFinishOpen(true);
          break;
        case 'help':
          setHelpOpen(true);
          break;
      }
    },
    [order, current, selected, spans, decide, review, addSelected, setCurrentId, takeBack],
  );

  const dialogOpen = helpOpen || addOpen || finishOpen;
  const tabbed = useRef(false);
  useEffect(() => {
    // A click into the text puts the focus there too, and ↓ still means the next word.
    const point = (): void => {
      tabbed.current = false;
    };
    const press = (event: KeyboardEvent): void => {
      if (event.key === 'Tab') tabbed.current = true;
      if (dialogOpen) return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      const inField = Boolean(
        target?.closest(
          'input, textarea, select, [contenteditable="true"], [role="dialog"], [role="alertdialog"], [role="menu"]',
        ),
      );
      const scrolls = tabbed.current && target?.matches('.masks__scroll') === true;
      const command = commandFor(event, { enabled: keysOn, inField, scrolls });
      if (!command) return;
      event.preventDefault();
      run(command);
    };
    document.addEventListener('keydown', press);
    document.addEventListener('pointerdown', point);
    return () => {
      document.removeEventListener('keydown', press);
      document.removeEventListener('pointerdown', point);
    };
  }, [keysOn, run, dialogOpen]);

  const title = sectionLabel(info.section ?? info.kind);
  return (
    <div className="masks">
      <div className="masks__head">
        <div>
          <h1 tabIndex={-1}>
            マスク確認　<span className="masks__what">{title}</span>
          </h1>
          {info.case_id && (
            <p className="soft">
              <CaseNumber id={info.case_id} />
            </p>
          )}
        </div>
        <div className="masks__progress">
          <span>
            <b>
              確認済み {done.decided} / {done.total}
            </b>
            <span className="soft">　残り{done.pending}</span>
          </span>
          <progress
            value={done.total === 0 ? 1 : done.decided}
            max={Math.max(1, done.total)}
            aria-label="確認の進みぐあい"
          />
          <SaveStatus connection={masks} />
        </div>
        <div className="row">
          {peers.map((peer) => (
            <span key={peer.account} className="masks__peer">
              <Avatar person={peer} small decorative />
              <span>
                {peer.name}さんも確認中<small>{peer.agency}</small>
              </span>
            </span>
          ))}
          <Button variant="primary" onClick={() => setFinishOpen(true)}>
            確認を終える
          </Button>
        </div>
      </div>
      <div className="masks__line">
        <p className="masks__said" role="status">
          {said}
        </p>
        <ScanLine
          state={
            !preview.query.data
              ? 'unknown'
              : stale.length === 0
                ? 'rest'
                : scanLate
                  ? 'late'
                  : scanLasts
                    ? 'running'
                    : 'begun'
          }
          fields={stale.map((field) => names.label(field))}
          arrived={arrived}
          onGo={
            firstPending
              ? () => {
                  setArrived(0);
                  const last = order.findLast((span) => span.status === 'pending');
                  const first = order.find(
                    (span) => span.status === 'pending' && span.surface === last?.surface,
                  );
                  if (first) setCurrentId(first.id);
                }
              : null
          }
          scanning={scanning}
          onScan={() => void scan()}
        />
      </div>
      <div className="masks__board">
        <GroupList
          groups={groups}
          current={current}
          fields={fields}
          peers={peers}
          onPick={setCurrentId}
          onAdd={() => setAddOpen(true)}
        />
        <section className="card masks__text" aria-labelledby="masks-original">
          <div className="card__head">
            <h2 className="card__title" id="masks-original">
              もとの文
            </h2>
            <Legend />
          </div>
          <div
            className="masks__scroll"
            tabIndex={0}
            role="region"
            aria-label="もとの文。ことばを選ぶと伏せることばを足せます"
          >
            {fields.filter((entry) => entry.text !== '').length === 0 && (
              <p className="soft">まだ文がありません。</p>
            )}
            {fields
              .filter((entry) => entry.text !== '')
              .map((entry) => (
                <div key={entry.field} className="masks__field">
                  <h3>{names.label(entry.field)}</h3>
                  <PaintedField
                    entry={entry}
                    spans={spans}
                    numbers={numbers}
                    currentId={current?.id ?? null}
                    onPick={setCurrentId}
                  />
                </div>
              ))}
          </div>
          <DecisionBar
            current={current}
            group={group}
            selected={selected}
            masksPerson={current ? (numbers.get(current.id) ?? null) : null}
            onCommand={run}
            onLabel={(code) => {
              if (selected) addSelected(selected, code);
              else if (current) review.relabel([current.id], code);
            }}
          />
        </section>
        <PreviewPane
          preview={preview}
          fields={fields}
          spans={spans}
          numbers={numbers}
          current={current}
          names={names.label}
          protects={names.protects}
        />
      </div>
      <div className="card masks__keys">
        <b>キー操作</b>
        {keysOn ? (
          HELP.map((entry) => (
            <span key={entry.text}>
              {entry.keys.map((name) =>
                name === '–' ? (
                  <i key={name}>–</i>
                ) : (
                  <kbd key={name} className="key">
                    {name}
                  </kbd>
                ),
              )}{' '}
              {entry.text}
            </span>
          ))
        ) : (
          <span className="soft">
            1文字のキー操作は切ってあります。ボタンと Ctrl+Enter は使えます。
          </span>
        )}
        <Button variant="text" size="s" aria-pressed={!keysOn} onClick={() => setKeysOn(!keysOn)}>
          {keysOn ? 'キー操作を切る' : 'キー操作を使う'}
        </Button>
      </div>
      <Dialog
        title="キー操作"
        isOpen={helpOpen}
        onClose={() => setHelpOpen(false)}
        width="s"
        footer={
          <Button autoFocus onClick={() => setHelpOpen(false)}>
            閉じる
          </Button>
        }
      >
        <dl className="masks__help">
          {HELP.map((entry) => (
            <div key={entry.text}>
              <dt>
                {entry.keys.map((name) =>
                  name === '–' ? (
                    '–'
                  ) : (
                    <kbd key={name} className="key">
                      {name}
                    </kbd>
                  ),
                )}
              </dt>
              <dd>{entry.text}</dd>
            </div>
          ))}
          {CATEGORIES.slice(0, 9).map((entry, index) => (
            <div key={entry.code}>
              <dt>
                <kbd className="key">{index + 1}</kbd>
              </dt>
              <dd>{entry.label}</dd>
            </div>
          ))}
        </dl>
        <p className="soft">
          日本語の変換中は効きません。文の一部を選んでから A か 1〜9
          を押すと、伏せることばを足せます。
        </p>
      </Dialog>
      <AddDialog
        open={addOpen}
        fields={fields}
        spans={spans}
        onClose={() => setAddOpen(false)}
        onAdd={(places, label, word) => {
          const ids = review.add(places, label, fields);
          setAddOpen(false);
          if (ids[0]) setCurrentId(ids[0]);
          toast(`「${word}」${ids.length}件を伏せます。`, {
            action: { label: '取り消す', onPress: takeBack },
          });
        }}
      />
      <FinishDialog
        open={finishOpen}
        info={info}
        pending={done.pending}
        saved={saving.save === 'saved'}
        onClose={(more) => {
          setFinishOpen(false);
          setResuming(more);
        }}
        onDone={() => {
          setFinishOpen(false);
          void client.invalidateQueries({ queryKey: ['mask-reviews'] });
          toast('確認を終えました。相手の機関には確認した内容が見えます。');
          navigate('/mask-reviews');
        }}
      />
    </div>
  );
}

/** How long something has to be unscanned before it is worth a word, in ms: a pause in typing is not. */
const QUIET_SCAN = 1_500;

/** After this long the scan is not coming by itself, in ms (it looks after 10 s at the latest). */
const LATE_SCAN = 20_000;

/** Whether something has held for a while without a break. */
function useLasting(holds: boolean, time: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!holds) return;
    const timer = setTimeout(() => setLasting(true), time);
    return () => {
      clearTimeout(timer);
      setLasting(false);
    };
  }, [holds, time]);
  return lasting;
}

/**
 * Scrolls the list an element stands in. The page only where the lists have their full length (a
 * small screen) and somebody has gone somewhere (`far`): a page that has just opened stays on top.
 */
function bringIntoSight(selector: string, far: boolean): void {
  const element = document.querySelector<HTMLElement>(selector);
  const list = element?.closest<HTMLElement>('.masks__scroll');
  if (!element || !list) return;
  if (list.scrollHeight <= list.clientHeight) {
    if (far) element.scrollIntoView({ block: 'center' });
    return;
  }
  const [inner, outer] = [element.getBoundingClientRect(), list.getBoundingClientRect()];
  const margin = 24;
  if (inner.top >= outer.top + margin && inner.bottom <= outer.bottom - margin) return;
  list.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
}

/**
 * What the scan is doing, in one line of fixed height: it comes and goes while people write, and
 * nothing below may move for that.
 */
function ScanLine({
  state,
  fields,
  arrived,
  onGo,
  scanning,
  onScan,
}: {
  state: 'unknown' | 'rest' | 'begun' | 'running' | 'late';
  fields: readonly string[];
  arrived: number;
  onGo: (() => void) | null;
  scanning: boolean;
  onScan: () => void;
}) {
  const named = [...new Set(fields)];
  const where = `${named.slice(0, 2).join('、')}${named.length > 2 ? ` ほか${named.length - 2}欄` : ''}`;
  return (
    <div className="masks__scan" data-scan={state}>
      <span role="status" className={state === 'late' ? 'masks__late' : undefined}>
        {state === 'running' && `新しく書かれた文を調べています（${where}）`}
        {state === 'late' && (
          <>
            <Icon name="warning" size="s" />
            {`まだ調べていない文があります（${where}）。調べ終わるまで相手に渡りません。`}
          </>
        )}
        {(state === 'rest' || state === 'begun') &&
          arrived > 0 &&
          onGo &&
          `候補が${arrived}件増えました（一覧の下）`}
      </span>
      {state === 'late' && (
        <Button size="xs" icon="refresh" busy={scanning} onClick={onScan}>
          いま調べる
        </Button>
      )}
      {(state === 'rest' || state === 'begun') && arrived > 0 && onGo && (
        <Button size="xs" onClick={onGo}>
          増えた候補へ
        </Button>
      )}
    </div>
  );
}

function CaseNumber({ id }: { id: string }) {
  const query = useCase(id);
  return (
    <>
      <Link href={`/cases/${id}/overview`}>
        {query.data ? `事案 ${query.data.case_no}` : '事案を開く'}
      </Link>
      {query.data?.title && `　${query.data.title}`}
    </>
  );
}

function Legend() {
  return (
    <p className="masks__legend">
      <span>
        <span className="mark mark--p mark--pending" data-label="氏名">
          例
        </span>
        未確認
      </span>
      <span>
        <span className="mark mark--p mark--accepted" data-label="氏名">
          例
        </span>
        伏せる
      </span>
      <span>
        <span className="mark mark--p mark--rejected" data-label="氏名">
          例
        </span>
        伏せない
      </span>
    </p>
  );
}

function GroupList({
  groups,
  current,
  fields,
  peers,
  onPick,
  onAdd,
}: {
  groups: readonly Group[];
  current: Span | null;
  fields: readonly FieldText[];
  peers: readonly Peer[];
  onPick: (id: string) => void;
  onAdd: () => void;
}) {
  return (
    <section className="card masks__list" aria-labelledby="masks-found">
      <div className="card__head">
        <h2 className="card__title" id="masks-found">
          見つかったことば
        </h2>
        <Button size="s" icon="plus" onClick={onAdd}>
          足す
        </Button>
      </div>
      <p className="masks__order soft">確からしさの低い順</p>
      <ul className="masks__scroll" aria-label="見つかったことば">
        {groups.length === 0 && (
          <li className="masks__none">
            伏せることばは見つかっていません。文を選ぶか「足す」で加えられます。
          </li>
        )}
        {groups.map((group) => {
          const chosen = group.surface === current?.surface;
          const first = group.spans[0];
          const text = fields.find((entry) => entry.field === first?.field)?.text ?? '';
          const here = peers.filter((peer) => group.spans.some((span) => span.id === peer.field));
          return (
            <li key={group.surface}>
              <button
                type="button"
                className="masks__group"
                data-group={group.surface}
                aria-current={chosen ? 'true' : undefined}
                onClick={() =>
                  onPick(
                    (group.spans.find((span) => span.status === 'pending') ?? group.spans[0])?.id ??
                      '',
                  )
                }
              >
                <span className="masks__group-line">
                  <span className={`mark-label mark-label--${category(group.label).mark}`}>
                    {category(group.label).label}
                  </span>
                  <b>{group.surface}</b>
                  <span className="soft">×{group.spans.length}</span>
                  <span className="masks__status">
                    <Tag
                      small
                      tone={
                        group.pending > 0
                          ? 'orange'
                          : group.status === 'accepted'
                            ? 'green'
                            : 'plain'
                      }
                      {...(group.status === 'accepted' ? { icon: 'check' as const } : {})}
                    >
                      {group.pending > 0 && group.pending < group.spans.length
                        ? `残り${group.pending}`
                        : STATUS_WORDS[group.status]}
                    </Tag>
                  </span>
                </span>
                <span className="masks__group-line soft">
                  <span className="masks__context">
                    {first ? context(text, first.start, first.end) : ''}
                  </span>
                  <span className="nowrap">
                    {sourceLabel(group.source)} {group.score.toFixed(2)}
                  </span>
                </span>
                {here.map((peer) => (
                  <span key={peer.account} className="masks__group-line soft">
                    <Avatar person={peer} small decorative />
                    {peer.name}さんが確認中
                  </span>
                ))}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function PaintedField({
  entry,
  spans,
  numbers,
  currentId,
  onPick,
}: {
  entry: FieldText;
  spans: readonly Span[];
  numbers: ReadonlyMap<string, number>;
  currentId: string | null;
  onPick: (id: string) => void;
}) {
  const own = spans.filter((span) => span.field === entry.field);
  return (
    <p className="masks__original" data-field={entry.field}>
      {segments(entry.text, own).map((piece) =>
        piece.span ? (
          <PaintedSpan
            key={piece.start}
            span={piece.span}
            text={piece.text}
            number={numbers.get(piece.span.id)}
            current={piece.span.id === currentId}
            onPick={onPick}
          />
        ) : (
          <span key={piece.start}>{piece.text}</span>
        ),
      )}
    </p>
  );
}

/** Colour, line and words tell the category; frame and sign tell the state. The label is drawn by CSS. */
function PaintedSpan({
  span,
  text,
  number,
  current,
  onPick,
}: {
  span: Span;
  text: string;
  number: number | undefined;
  current: boolean;
  onPick: (id: string) => void;
}) {
  const { label, mark } = category(span.label);
  return (
    // Reached with ↓ and ↑ and from the list beside; the click is a short cut for the mouse.
    <mark
      className={`mark mark--${mark} mark--${span.status}${current ? ' mark--current' : ''}`}
      data-span={span.id}
      data-label={`${label}${number ?? ''}`}
      onClick={() => onPick(span.id)}
    >
      {text}
    </mark>
  );
}

function DecisionBar({
  current,
  group,
  selected,
  masksPerson,
  onCommand,
  onLabel,
}: {
  current: Span | null;
  group: Group | null;
  selected: Selected | null;
  masksPerson: number | null;
  onCommand: (command: Command) => void;
  onLabel: (code: string) => void;
}) {
  if (selected)
    return (
      <div className="masks__decide">
        <p>
          選んだことば「<b>{selected.text}</b>」を伏せることばに足します。種類を選んでください。
        </p>
        <div className="row">
          {CATEGORIES.slice(0, 9).map((entry, index) => (
            <Button
              key={entry.code}
              size="s"
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => onLabel(entry.code)}
            >
              {entry.label} <kbd className="key">{index + 1}</kbd>
            </Button>
          ))}
        </div>
      </div>
    );
  if (!current) return null;
  const count = group?.spans.length ?? 1;
  return (
    <div className="masks__decide">
      <div className="masks__decide-head">
        <p>
          「<b>{current.surface}</b>」
          <span className="soft">
            {STATUS_WORDS[current.status]}　{sourceLabel(current.source)} {current.score.toFixed(2)}
            {masksPerson !== null && `　見え方 ［${category(current.label).label}${masksPerson}］`}
          </span>
        </p>
        <Select
          label="種類"
          value={current.label}
          empty={null}
          options={CATEGORIES.map((entry) => ({ code: entry.code, label: entry.label }))}
          onChange={onLabel}
        />
      </div>
      <div className="row">
        <Button variant="primary" size="s" onClick={() => onCommand({ kind: 'accept' })}>
          伏せる <kbd className="key">A</kbd>
        </Button>
        {count > 1 && (
          <Button size="s" onClick={() => onCommand({ kind: 'accept_all' })}>
            {count}件とも <kbd className="key">Shift+A</kbd>
          </Button>
        )}
        <Button variant="quiet" size="s" onClick={() => onCommand({ kind: 'reject' })}>
          伏せない <kbd className="key">X</kbd>
        </Button>
        {count > 1 && (
          <Button variant="quiet" size="s" onClick={() => onCommand({ kind: 'reject_all' })}>
            {count}件とも伏せない <kbd className="key">Shift+X</kbd>
          </Button>
        )}
        <Button variant="text" size="s" icon="undo" onClick={() => onCommand({ kind: 'undo' })}>
          取り消す <kbd className="key">U</kbd>
        </Button>
      </div>
    </div>
  );
}

/** Whose view is shown, and the server's projection for it, asked for again after each change. */
function usePreview(info: DocumentInfo, version: number) {
  const detail = useCase(info.case_id ?? '');
  const masked = (
    detail.data?.sections.find((entry) => entry.section === info.section)?.seen_by ?? []
  ).filter((entry) => entry.level === 'masked');
  const [agency, setAgency] = useState('');
  const chosen = masked.some((entry) => entry.agency_id === agency)
    ? agency
    : (masked[0]?.agency_id ?? '');
  const client = useQueryClient();
  const key = useMemo(() => ['mask-preview', info.id, chosen] as const, [info.id, chosen]);
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      api.get<Projection>(
        `documents/${info.id}/masks/preview`,
        chosen ? { agency_id: chosen } : undefined,
        signal,
      ),
    refetchInterval: 5_000,
  });
  useEffect(() => {
    const timer = setTimeout(() => void client.invalidateQueries({ queryKey: key }), PREVIEW_AFTER);
    return () => clearTimeout(timer);
  }, [client, key, version]);
  return { query, masked, chosen, setAgency, known: detail.isSuccess };
}

/**
 * What the partner sees. The server's projection is the truth about what has been released and
 * what is withheld; decisions made a moment ago are shown at once from the spans themselves.
 */
function PreviewPane({
  preview,
  fields,
  spans,
  numbers,
  current,
  names,
  protects,
}: {
  preview: ReturnType<typeof usePreview>;
  fields: readonly FieldText[];
  spans: readonly Span[];
  numbers: ReadonlyMap<string, number>;
  current: Span | null;
  names: (field: string) => string;
  protects: (field: string) => boolean;
}) {
  const { query, masked, chosen, setAgency } = preview;
  const name = masked.find((entry) => entry.agency_id === chosen)?.name;
  return (
    <section className="card card--purple masks__preview" aria-labelledby="masks-preview">
      <div className="card__head">
        <h2 className="card__title" id="masks-preview">
          {name ? `${name}からの見え方` : '相手からの見え方'}
        </h2>
      </div>
      {masked.length > 1 && (
        <div className="masks__agency">
          <Select
            label="機関"
            value={chosen}
            empty={null}
            options={masked.map((entry) => ({ code: entry.agency_id, label: entry.name }))}
            onChange={setAgency}
          />
        </div>
      )}
      <div
        className="masks__scroll masks__preview-text"
        tabIndex={0}
        role="region"
        aria-label="相手からの見え方"
      >
        {fields
          .filter((entry) => entry.text !== '')
          .map((entry) => {
            const own = spans.filter((span) => span.field === entry.field);
            const shown = segments(
              entry.text,
              own.filter((span) => span.status !== 'rejected'),
            ).filter((piece) => piece.span);
            const at = current ? shown.findIndex((piece) => piece.span?.id === current.id) : -1;
            const server = projectedText(query.data, entry.field);
            const local = maskText(entry.text, own, numbers);
            // Withheld: the server gives the last checked text only, and so do we.
            const text = server.withheld ? (server.text ?? '') : local;
            return (
              <div key={entry.field} className="masks__preview-field">
                <h3>{names(entry.field)}</h3>
                {text !== '' && (
                  <p>
                    <MaskedText
                      text={text}
                      {...(at >= 0 && !server.withheld ? { current: at } : {})}
                    />
                  </p>
                )}
                {server.withheld &&
                  (server.text === null && protects(entry.field) ? (
                    <span className="withheld">
                      <b>住所秘匿</b>　この欄は渡りません。
                    </span>
                  ) : (
                    <Withheld />
                  ))}
              </div>
            );
          })}
      </div>
      <div className="masks__note">
        {query.isError && (
          <p className="late">
            相手側の表示を取り寄せられません（{problemText(query.error)}
            ）。ここには、この画面での見込みを出しています。
          </p>
        )}
        {masked.length === 0 && preview.known && (
          <p>いまこの記録を「マスク済み」で見る機関はありません。</p>
        )}
        <p>マスク済み（個人情報として取扱い）。未確認のことばも、伏せた形で見えます。</p>
      </div>
    </section>
  );
}

/** The way to add a word without a mouse: every place where it stands is found and counted first. */
function AddDialog({
  open,
  fields,
  spans,
  onClose,
  onAdd,
}: {
  open: boolean;
  fields: readonly FieldText[];
  spans: readonly Span[];
  onClose: () => void;
  onAdd: (
    places: { field: string; start: number; end: number }[],
    label: string,
    word: string,
  ) => void;
}) {
  const [word, setWord] = useState('');
  const [label, setLabel] = useState('PERSON');
  const [tried, setTried] = useState(false);
  const places = occurrences(word, fields, spans);
  const error =
    word.trim() === ''
      ? '伏せることばを入力してください。'
      : places.length === 0
        ? '文の中に、まだ伏せていない同じことばがありません。'
        : undefined;
  useEffect(() => {
    if (!open) return;
    setWord('');
    setTried(false);
  }, [open]);
  const submit = (): void => {
    if (error) setTried(true);
    else onAdd(places, label, word.trim());
  };
  return (
    <Dialog
      title="伏せることばを足す"
      isOpen={open}
      onClose={onClose}
      width="s"
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" onClick={submit}>
            {places.length > 0 ? `${places.length}件を伏せる` : '伏せる'}
          </Button>
        </>
      }
    >
      <div className="stack">
        <TextInput
          label="ことば"
          required
          autoFocus
          value={word}
          onChange={setWord}
          error={tried ? error : undefined}
          support="文に出てくるとおりに入力します。"
          onKeyDown={(event) => {
            if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
              event.preventDefault();
              submit();
            }
          }}
        />
        <Select
          label="種類"
          value={label}
          empty={null}
          options={CATEGORIES.map((entry) => ({ code: entry.code, label: entry.label }))}
          onChange={setLabel}
        />
        <p role="status">{word.trim() !== '' && `文の中に ${places.length}件あります。`}</p>
      </div>
    </Dialog>
  );
}

function FinishDialog({
  open,
  info,
  pending,
  saved,
  onClose,
  onDone,
}: {
  open: boolean;
  info: DocumentInfo;
  pending: number;
  saved: boolean;
  /** `more`: something is left to be decided. */
  onClose: (more: boolean) => void;
  onDone: () => void;
}) {
  const [reason, setReason] = useState('');
  const [error, setError] = useState<string | undefined>();
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  // The server may count suggestions that have just arrived and are not here yet.
  const [counted, setCounted] = useState(0);
  const left = Math.max(pending, counted);
  useEffect(() => {
    if (!open) return;
    setReason('');
    setError(undefined);
    setProblem(null);
    setCounted(0);
  }, [open]);
  const finish = async (): Promise<void> => {
    if (left > 0 && [...reason.trim()].length < 5) {
      setError('未確認を残して終える理由を書いてください。');
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      await api.post(
        `documents/${info.id}/masks/finish`,
        left > 0 ? { override_reason: reason.trim() } : {},
      );
      onDone();
    } catch (cause) {
      if (cause instanceof ApiError && cause.status === 409) {
        const body = cause.body['pending'];
        setCounted(typeof body === 'number' && body > 0 ? body : 1);
      }
      setProblem(
        cause instanceof ApiError && cause.code === 'masks_pending'
          ? '新しく見つかった候補があります。確認を続けるか、残して終える理由を書いてください。'
          : cause instanceof ApiError && cause.code === 'models_not_ready'
            ? '言語モデルの準備中です。少し待ってから、もう一度押してください。'
            : problemText(cause),
      );
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      title="マスクの確認を終える"
      isOpen={open}
      onClose={() => onClose(left > 0)}
      width="s"
      footer={
        <>
          <Button
            variant="quiet"
            {...(left > 0 ? { autoFocus: true } : {})}
            onClick={() => onClose(left > 0)}
          >
            {left > 0 ? '確認を続ける' : 'やめる'}
          </Button>
          <Button
            variant="primary"
            busy={busy}
            {...(left > 0 ? {} : { autoFocus: true })}
            reason={saved ? undefined : '保存が終わるまでお待ちください'}
            onClick={() => void finish()}
          >
            {left > 0 ? '未確認を残して終える' : '確認を終える'}
          </Button>
        </>
      }
    >
      <div className="stack">
        {problem && (
          <Notice tone="error" live>
            {problem}
          </Notice>
        )}
        {left > 0 ? (
          <>
            <p>
              まだ <b>{left}件</b> を確認していません。未確認のことばは伏せたまま相手に見えます。
            </p>
            <TextArea
              label="未確認を残して終える理由"
              required
              rows={3}
              value={reason}
              onChange={(text) => {
                setReason(text);
                setError(undefined);
              }}
              error={error}
            />
          </>
        ) : (
          <p>すべて確認しました。確認した内容が、マスク済みで見る機関に届きます。</p>
        )}
      </div>
    </Dialog>
  );
}
