import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type * as Y from 'yjs';
import { api } from '../../api/client';
import type { DocumentInfo } from '../../api/types';
import { isTyping, useSingleKeys } from '../../app/keys';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import type { DocumentConnection } from '../../sync/connection';
import { byAccount, useConnectionState, usePeers } from '../../sync/hooks';
import { newId } from '../../sync/id';
import { Avatar, Button, useToast } from '../../ui';
import { useCase } from '../cases/api';
import { sectionLabel } from '../cases/vocabulary';
import { useFieldNames } from '../cases/fieldNames';
import { SaveStatus } from '../sheet';
import { AddDialog } from './AddDialog';
import { DecisionBar } from './DecisionBar';
import { FinishDialog } from './FinishDialog';
import { GroupList } from './GroupList';
import { KeyBar, KeyDialog } from './Keys';
import { CATEGORIES, category } from './labels';
import { commandFor, type Command } from './keyboard';
import { Legend, PaintedField } from './OriginalText';
import { projectedText } from './preview';
import { PreviewPane, usePreview } from './PreviewPane';
import { progress, Review, sameSurface } from './review';
import { LATE_SCAN, QUIET_SCAN, ScanLine, useLasting } from './ScanLine';
import { selectedPlace, type Selected } from './selection';
import {
  afterDecision,
  fieldTexts,
  groupSpans,
  numberSpans,
  readSpans,
  steadyGroups,
  walkOrder,
  type FieldText,
  type Span,
} from './spans';

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
      const inField = isTyping(event.target);
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
      <KeyBar on={keysOn} onSwitch={() => setKeysOn(!keysOn)} />
      <KeyDialog open={helpOpen} onClose={() => setHelpOpen(false)} />
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
