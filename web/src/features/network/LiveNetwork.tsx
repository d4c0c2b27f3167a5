import { useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import * as Y from 'yjs';
import { SaveLink } from '../../app/saving';
import { useSession } from '../../app/session';
import { api, apiUrl, fetchText } from '../../api/client';
import type { SeenBy } from '../../api/types';
import { formatWareki } from '../../forms/wareki';
import { problemText } from '../../i18n/problems';
import type { DocumentConnection } from '../../sync/connection';
import { useConnectionState, useDocument, usePeers } from '../../sync/hooks';
import {
  Button,
  Card,
  ConfirmDialog,
  Drawing,
  Count,
  Empty,
  IconButton,
  LinkButton,
  Notice,
  Progress,
  Table,
  Tag,
  textsOf,
  useToast,
} from '../../ui';
import { localDate } from '../cases/dates';
import { BlockedNotice, OnlineMembers, SaveStatus, SeenBadge } from '../sheet';
import { HouseholdDialog, NodeDialog, TieDialog, type Candidate } from './dialogs';
import type { Point } from './geometry';
import { Legend } from './Legend';
import {
  deleteHousehold,
  deleteNode,
  deleteTie,
  ECO_KINDS,
  FLOWS,
  GEN_KINDS,
  MapEdit,
  NODE_KINDS,
  readNetwork,
  writeHousehold,
  writeNode,
  writePositions,
  writeTie,
  type MapNode,
  type NetworkMap,
  standsFor,
} from './model';
import { ageOf, NetworkPicture, type Selection } from './NetworkPicture';
import './network.css';

/** The ecomap of a case: picture and tables of the same document. */
export function LiveNetwork({
  caseId,
  documentId,
  seenBy = [],
  candidates = [],
  history,
}: {
  caseId: string;
  documentId: string;
  seenBy?: readonly SeenBy[];
  /** People and agencies of the case, offered when adding. */
  candidates?: readonly Candidate[];
  /** Address of the map's history. */
  history?: string;
}) {
  const { live } = useDocument(documentId);
  return (
    <>
      {live.kind === 'loading' && <Progress label="図を読み込んでいます" />}
      {live.kind === 'denied' && (
        <Empty icon="lock" title="世帯・関係は、あなたの機関には開示されていません">
          必要な場合は、主担当に連絡してください。
        </Empty>
      )}
      {live.kind === 'masked' && <MaskedPicture caseId={caseId} />}
      {live.kind === 'live' && (
        <Board
          caseId={caseId}
          connection={live.connection}
          seenBy={seenBy}
          candidates={candidates}
          history={history}
        />
      )}
    </>
  );
}

/** Masked readers get the server's picture without names; never the document. */
function MaskedPicture({ caseId }: { caseId: string }) {
  const picture = useQuery({
    // Under the case's key: its events draw it anew.
    queryKey: ['case', caseId, 'network.svg'],
    queryFn: ({ signal }) => fetchText(`cases/${caseId}/network.svg`, { masked: true }, signal),
    refetchInterval: 60_000,
  });
  const words = useMemo(() => textsOf(picture.data ?? ''), [picture.data]);
  return (
    <Card title="マスク済み（個人情報として取扱い）" icon="mask" tone="purple">
      {picture.error && (
        <Notice tone={picture.data === undefined ? 'error' : 'warning'} live>
          {problemText(picture.error)}
        </Notice>
      )}
      {picture.data !== undefined ? (
        <>
          <Drawing
            svg={picture.data}
            label="世帯と関わりの図。氏名は続柄などに置き換えています。"
            className="network__masked"
          />
          {words.length > 0 && (
            <details>
              <summary>図に書かれていることば（{words.length}件）</summary>
              <ul>
                {words.map((text, index) => (
                  <li key={index}>{text}</li>
                ))}
              </ul>
            </details>
          )}
        </>
      ) : (
        !picture.error && <Progress label="図を読み込んでいます" />
      )}
    </Card>
  );
}

/** The map, live. Answers keep their identity while nothing changed. */
function useNetwork(connection: DocumentConnection): NetworkMap {
  const [map, setMap] = useState(() => readNetwork(connection.doc));
  useEffect(() => {
    const { doc } = connection;
    const roots = [doc.getMap('nodes'), doc.getMap('ties'), doc.getMap('households')];
    const update = () => setMap(readNetwork(doc));
    update();
    for (const root of roots) root.observeDeep(update);
    return () => {
      for (const root of roots) root.unobserveDeep(update);
    };
  }, [connection]);
  return map;
}

type Opened =
  | { kind: 'node' | 'household'; id: string | null }
  | { kind: 'tie'; id: string | null; from?: string }
  | null;

function Board({
  caseId,
  connection,
  seenBy,
  candidates,
  history,
}: {
  caseId: string;
  connection: DocumentConnection;
  seenBy: readonly SeenBy[];
  candidates: readonly Candidate[];
  history: string | undefined;
}) {
  const { session } = useSession();
  const showToast = useToast();
  const { doc } = connection;
  const state = useConnectionState(connection);
  const map = useNetwork(connection);
  const peers = usePeers(connection);
  const today = localDate(new Date(), session.municipality.zone);
  const editable = connection.writable;
  const [selection, setSelection] = useState<Selection>(null);
  const [opened, setOpened] = useState<Opened>(null);
  const [asking, setAsking] = useState(false);
  const [family, setFamily] = useState(true);
  const open = useCallback(
    (target: NonNullable<Selection>) => {
      if (editable) setOpened(target);
    },
    [editable],
  );

  const undo = useMemo(
    () =>
      new Y.UndoManager([doc.getMap('nodes'), doc.getMap('ties'), doc.getMap('households')], {
        trackedOrigins: new Set<unknown>([MapEdit]),
        captureTimeout: 0,
      }),
    [doc],
  );
  const [steps, setSteps] = useState({ undo: 0, redo: 0 });
  useEffect(() => {
    const update = () => setSteps({ undo: undo.undoStack.length, redo: undo.redoStack.length });
    undo.on('stack-item-added', update);
    undo.on('stack-item-popped', update);
    return () => {
      undo.off('stack-item-added', update);
      undo.off('stack-item-popped', update);
      undo.destroy();
    };
  }, [undo]);

  // The server places what nobody has moved, once it has everything.
  const loose = map.nodes.filter((node) => node.x === undefined).map((node) => node.id);
  const shape = JSON.stringify([
    loose,
    map.nodes.map(({ id, kind, label, index, x, y }) => [id, kind, label, index, x, y]),
    map.ties.map(({ from, to, family }) => [from, to, family]),
  ]);
  const layout = useQuery({
    queryKey: ['cases', caseId, 'network', 'layout', shape],
    queryFn: () =>
      api.post<{ positions: Record<string, Point> }>(`cases/${caseId}/network/layout`, {}),
    enabled: state.synced && state.unsaved === 0 && loose.length > 0,
    placeholderData: (before) => before,
    staleTime: Infinity,
    gcTime: 60_000,
  });
  const positions = layout.data?.positions ?? NOWHERE;

  if (!state.synced)
    return (
      <>
        <BlockedNotice connection={connection} />
        {!state.blocked && !state.damaged && <Progress label="図を読み込んでいます" />}
      </>
    );

  const nodeOf = (id: string) => map.nodes.find((node) => node.id === id);
  const nameOf = (id: string) => nodeOf(id)?.label ?? '';
  const removed = (text: string) =>
    showToast(text, { tone: 'info', action: { label: '元に戻す', onPress: () => undo.undo() } });
  const openedNode = opened?.kind === 'node' && opened.id ? (nodeOf(opened.id) ?? null) : null;
  const openedTie =
    opened?.kind === 'tie' && opened.id
      ? (map.ties.find((tie) => tie.id === opened.id) ?? null)
      : null;
  const openedHousehold =
    opened?.kind === 'household' && opened.id
      ? (map.households.find((household) => household.id === opened.id) ?? null)
      : null;
  const close = () => setOpened(null);

  return (
    <div
      className="network"
      onKeyDown={(event) => {
        if (!(event.ctrlKey || event.metaKey) || event.nativeEvent.isComposing) return;
        if ((event.target as HTMLElement).closest('input, textarea')) return;
        const key = event.key.toLowerCase();
        if (key === 'z' && !event.shiftKey) undo.undo();
        else if (key === 'y' || key === 'z') undo.redo();
        else return;
        event.preventDefault();
      }}
    >
      <div className="row row--between no-print">
        <div className="row">
          {editable && (
            <>
              <Button size="s" icon="plus" onClick={() => setOpened({ kind: 'node', id: null })}>
                人・機関
              </Button>
              <Button
                size="s"
                icon="plus"
                reason={map.nodes.length < 2 ? '人・機関を2つ以上足してください。' : undefined}
                onClick={() =>
                  setOpened({
                    kind: 'tie',
                    id: null,
                    ...(selection?.kind === 'node' ? { from: selection.id } : {}),
                  })
                }
              >
                つながり
              </Button>
              <Button
                size="s"
                icon="plus"
                reason={map.nodes.length === 0 ? '先に人を足してください。' : undefined}
                onClick={() => setOpened({ kind: 'household', id: null })}
              >
                世帯
              </Button>
              <Button size="s" variant="quiet" onClick={() => setAsking(true)}>
                整える
              </Button>
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
            </>
          )}
          {map.ties.some((tie) => tie.family === 'gen') && (
            <Button
              size="s"
              variant="quiet"
              aria-pressed={family}
              onClick={() => setFamily(!family)}
            >
              家族の線
            </Button>
          )}
          <span className="soft">時点 {formatWareki(today)}</span>
        </div>
        <div className="row">
          <SeenBadge seenBy={seenBy} />
          <OnlineMembers connection={connection} compact />
          <SaveStatus connection={connection} />
          {history && (
            <LinkButton href={history} size="s" variant="quiet" icon="clock">
              履歴
            </LinkButton>
          )}
          <SaveLink
            size="s"
            variant="quiet"
            icon="download"
            href={apiUrl(`cases/${caseId}/network.svg`).href}
            name="ecomap.svg"
          >
            SVG
          </SaveLink>
          <SaveLink
            size="s"
            variant="quiet"
            icon="download"
            href={apiUrl(`cases/${caseId}/network.png`).href}
            name="ecomap.png"
          >
            PNG
          </SaveLink>
          <SaveLink
            size="s"
            variant="quiet"
            icon="mask"
            href={apiUrl(`cases/${caseId}/network.svg`, { masked: true }).href}
            name="ecomap-masked.svg"
          >
            続柄だけのSVG
          </SaveLink>
          <Button size="s" variant="quiet" icon="print" onClick={() => window.print()}>
            印刷
          </Button>
        </div>
      </div>
      <BlockedNotice connection={connection} />
      {layout.isError && (
        <Notice tone="warning" live>
          自動の配置ができませんでした。新しい人・機関は仮の場所に並べています。
        </Notice>
      )}
      <figure className="network__figure" aria-label="世帯と関わりの図（エコマップ）">
        {map.nodes.length === 0 ? (
          <Empty
            icon="people"
            title="まだ誰も描かれていません"
            action={
              editable && (
                <Button
                  variant="primary"
                  icon="plus"
                  onClick={() => setOpened({ kind: 'node', id: null })}
                >
                  最初の人を足す
                </Button>
              )
            }
          >
            まず支援対象者を足し、関わっている人や機関を足してから、つながりを引いてください。
          </Empty>
        ) : (
          <div className="network__canvas">
            <NetworkPicture
              map={map}
              family={family}
              layout={positions}
              peers={peers}
              today={today}
              editable={editable}
              selection={selection}
              onSelect={setSelection}
              onOpen={open}
              onDrag={(drag) => connection.setPresence({ focus: drag })}
              onDrop={(moved) => writePositions(doc, moved)}
            />
          </div>
        )}
        <Legend map={map} family={family} />
      </figure>
      <div className="network__tables">
        <Card
          title={
            <>
              人・機関 <Count value={map.nodes.length} />
            </>
          }
          icon="people"
          flush
        >
          <Table
            caption="人・機関の一覧"
            captionHidden
            rows={map.nodes}
            rowKey={(node) => node.id}
            selected={selection?.kind === 'node' ? selection.id : undefined}
            empty={<span className="soft">まだありません。</span>}
            columns={[
              {
                key: 'label',
                head: '氏名・名称',
                header: true,
                cell: (node) => (
                  <>
                    {node.label}{' '}
                    {node.index && (
                      <Tag small tone="blue">
                        支援対象者
                      </Tag>
                    )}{' '}
                    {node.key_person && (
                      <Tag small tone="yellow">
                        ★ キーパーソン
                      </Tag>
                    )}
                  </>
                ),
              },
              { key: 'kind', head: '種類', cell: (node) => NODE_KINDS[node.kind] },
              {
                key: 'birth',
                head: '生年月日',
                cell: (node) => (
                  <>
                    {node.birth_date ? formatWareki(node.birth_date) : '—'}
                    {node.deceased && `（${lateWords(node, today)}）`}
                  </>
                ),
              },
              {
                key: 'edit',
                head: <span className="visually-hidden">操作</span>,
                cell: (node) =>
                  editable && (
                    <Button
                      size="xs"
                      aria-label={`${node.label}を直す`}
                      onClick={() => setOpened({ kind: 'node', id: node.id })}
                    >
                      直す
                    </Button>
                  ),
              },
            ]}
          />
        </Card>
        <Card
          title={
            <>
              つながり <Count value={map.ties.length} />
            </>
          }
          icon="link"
          flush
        >
          <Table
            caption="つながりの一覧"
            captionHidden
            rows={map.ties}
            rowKey={(tie) => tie.id}
            selected={selection?.kind === 'tie' ? selection.id : undefined}
            empty={<span className="soft">まだありません。</span>}
            columns={[
              { key: 'from', head: 'だれ・どこ', header: true, cell: (tie) => nameOf(tie.from) },
              { key: 'to', head: '相手', cell: (tie) => nameOf(tie.to) },
              {
                key: 'kind',
                head: '種類',
                cell: (tie) => (tie.family === 'eco' ? ECO_KINDS : GEN_KINDS)[tie.kind] ?? tie.kind,
              },
              {
                key: 'direction',
                head: '向き・頻度',
                cell: (tie) =>
                  [tie.family === 'eco' ? FLOWS[tie.direction ?? 'none'] : '家族', tie.frequency]
                    .filter(Boolean)
                    .join('、'),
              },
              {
                key: 'edit',
                head: <span className="visually-hidden">操作</span>,
                cell: (tie) =>
                  editable && (
                    <Button
                      size="xs"
                      aria-label={`${nameOf(tie.from)}と${nameOf(tie.to)}のつながりを直す`}
                      onClick={() => setOpened({ kind: 'tie', id: tie.id })}
                    >
                      直す
                    </Button>
                  ),
              },
            ]}
          />
        </Card>
        {(map.households.length > 0 || editable) && (
          <Card
            title={
              <>
                世帯 <Count value={map.households.length} />
              </>
            }
            icon="home"
            flush
          >
            <Table
              caption="世帯の一覧"
              captionHidden
              rows={map.households}
              rowKey={(household) => household.id}
              selected={selection?.kind === 'household' ? selection.id : undefined}
              empty={
                <span className="soft">
                  同じ家で暮らす人を「世帯」から囲めます。まだ囲みはありません。
                </span>
              }
              columns={[
                {
                  key: 'name',
                  head: '世帯',
                  header: true,
                  cell: (household) => household.name || '名前なし',
                },
                {
                  key: 'members',
                  head: 'いっしょに暮らす人',
                  cell: (household) =>
                    map.nodes
                      .filter((node) => household.members.includes(node.id))
                      .map((node) => node.label)
                      .join('、') || '—',
                },
                {
                  key: 'edit',
                  head: <span className="visually-hidden">操作</span>,
                  cell: (household) =>
                    editable && (
                      <Button
                        size="xs"
                        aria-label={`世帯「${household.name}」を直す`}
                        onClick={() => setOpened({ kind: 'household', id: household.id })}
                      >
                        直す
                      </Button>
                    ),
                },
              ]}
            />
          </Card>
        )}
      </div>
      {opened?.kind === 'household' && (opened.id === null || openedHousehold) && (
        <HouseholdDialog
          key={opened.id ?? 'new'}
          household={openedHousehold}
          nodes={map.nodes}
          start={
            // The first one is most often that of the 支援対象者.
            map.households.length > 0
              ? []
              : map.nodes.flatMap((node) =>
                  candidates.some(
                    (candidate) =>
                      standsFor(candidate, node.person_id) &&
                      (candidate.index === true || candidate.household === true),
                  ) || node.index
                    ? [node.id]
                    : [],
                )
          }
          onClose={close}
          onSave={(values, seen) => {
            const id = writeHousehold(doc, opened.id, values, opened.id ? seen : undefined);
            setSelection({ kind: 'household', id });
            close();
          }}
          {...(openedHousehold
            ? {
                onDelete: () => {
                  deleteHousehold(doc, openedHousehold.id);
                  removed(`世帯「${openedHousehold.name}」の囲みを消しました。`);
                  close();
                },
              }
            : {})}
        />
      )}
      {opened?.kind === 'node' && (opened.id === null || openedNode) && (
        <NodeDialog
          key={opened.id ?? 'new'}
          node={openedNode}
          candidates={candidates.filter(
            (candidate) =>
              !map.nodes.some(
                (node) => standsFor(candidate, node.person_id) || node.agency_id === candidate.id,
              ),
          )}
          onClose={close}
          onSave={(values, seen) => {
            const id = writeNode(doc, opened.id, values, opened.id ? seen : undefined);
            setSelection({ kind: 'node', id });
            close();
          }}
          {...(openedNode
            ? {
                onDelete: () => {
                  deleteNode(doc, openedNode.id);
                  removed(`「${openedNode.label}」とそのつながりを図から消しました。`);
                  close();
                },
              }
            : {})}
        />
      )}
      {opened?.kind === 'tie' && (opened.id === null || openedTie) && (
        <TieDialog
          key={opened.id ?? 'new'}
          tie={openedTie}
          nodes={map.nodes}
          from={opened.from}
          onClose={close}
          onSave={(values, seen) => {
            const id = writeTie(doc, opened.id, values, opened.id ? seen : undefined);
            setSelection({ kind: 'tie', id });
            close();
          }}
          {...(openedTie
            ? {
                onDelete: () => {
                  deleteTie(doc, openedTie.id);
                  removed('つながりを消しました。');
                  close();
                },
              }
            : {})}
        />
      )}
      <ConfirmDialog
        title="図を整えます"
        isOpen={asking}
        onCancel={() => setAsking(false)}
        confirmLabel="整える"
        onConfirm={() => {
          writePositions(doc, Object.fromEntries(map.nodes.map((node) => [node.id, null])));
          setAsking(false);
        }}
      >
        <p>手で動かした場所を取り消し、すべての人・機関を並べ直します。「元に戻す」で戻せます。</p>
      </ConfirmDialog>
    </div>
  );
}

/** 「享年84」, or 「故人」 while the day of death is unknown. */
function lateWords(node: MapNode, today: string): string {
  const age = ageOf(node, today);
  return age === null ? '故人' : `享年${age}`;
}

const NOWHERE: Readonly<Record<string, Point>> = {};
