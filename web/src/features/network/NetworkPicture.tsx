import {
  Background,
  BackgroundVariant,
  Controls,
  Position,
  ReactFlow,
  useReactFlow,
  ReactFlowProvider,
  type Edge,
  type EdgeProps,
  type Node,
  type NodeChange,
  type NodeProps,
} from '@xyflow/react';
import { memo, useEffect, useMemo, useState } from 'react';
import { ageAt, spanOf } from '../../forms/wareki';
import type { Peer } from '../../sync/hooks';
import {
  arrows,
  familyStrokes,
  halfSize,
  HOUSE,
  householdShape,
  settle,
  sideShift,
  span,
  strokes,
  wrap,
  type Point,
} from './geometry';
import {
  ECO_KINDS,
  GEN_KINDS,
  NODE_KINDS,
  type Household,
  type MapNode,
  type MapTie,
  type NetworkMap,
} from './model';

type SymbolNode = Node<{ node: MapNode; today: string; mover: Peer | null }, 'symbol'>;
type HouseholdNode = Node<
  {
    label: string;
    members: Point[];
    joined: [Point, Point][];
    loose: [Point, Point][];
  },
  'household'
>;
type HouseholdName = Node<
  { label: string; onPick: () => void; onOpen: (() => void) | null },
  'householdName'
>;
type MapShape = SymbolNode | HouseholdNode | HouseholdName;
type TieEdge = Edge<
  { tie: MapTie; from: MapNode; to: MapNode; a: Point; b: Point; shift: number },
  'tie'
>;

const LABELS = {
  'node.a11yDescription.default': 'Enter で選び、矢印キーで動かします。内容は下の表から直せます。',
  'node.a11yDescription.keyboardDisabled': 'Enter で選びます。内容は下の表から直せます。',
  'node.a11yDescription.ariaLiveMessage': ({ x, y }: { direction: string; x: number; y: number }) =>
    `動かしました。横 ${Math.round(x)}、縦 ${Math.round(y)}`,
  'edge.a11yDescription.default': 'Enter で選びます。内容は下の表から直せます。',
  'controls.ariaLabel': '図の操作',
  'controls.zoomIn.ariaLabel': '大きくする',
  'controls.zoomOut.ariaLabel': '小さくする',
  'controls.fitView.ariaLabel': '全体を表示',
  'controls.interactive.ariaLabel': '動かせるかどうかを切り替える',
  'minimap.ariaLabel': '全体図',
  'handle.ariaLabel': 'つなぎ目',
};

/** What a node is, in words, for those who do not see the symbol. */
export function describe(node: MapNode, today: string): string {
  const parts = [node.label || '名称なし', NODE_KINDS[node.kind]];
  if (node.kind === 'person') {
    parts.push({ '1': '男性', '2': '女性' }[node.sex ?? ''] ?? '性別 その他・不明');
    const age = ageOf(node, today);
    if (node.deceased) parts.push(age === null ? '故人' : `故人、享年${age}`);
    else if (age !== null) parts.push(`${age}歳`);
  }
  if (node.index) parts.push('支援対象者');
  if (node.key_person) parts.push('キーパーソン');
  return parts.join('、');
}

/** Age today, or at death; unknown where the day of death is. */
export function ageOf(node: MapNode, today: string): number | null {
  if (!node.birth_date || (node.deceased && !node.death_date)) return null;
  const on = node.deceased && node.death_date ? spanOf(node.death_date).first : today;
  const age = ageAt(spanOf(node.birth_date).first, on);
  return age >= 0 ? age : null;
}

const SymbolView = memo(function SymbolView({ data, selected }: NodeProps<SymbolNode>) {
  const { node, today, mover } = data;
  const half = halfSize(node);
  const person = node.kind === 'person' || node.kind === 'pet';
  const lines = wrap(node.label || '名称なし');
  const [w, h] = [half.x * 2, half.y * 2];
  const outline = (inset: number) => {
    const [x, y] = [half.x - inset, half.y - inset];
    if (!person || node.kind === 'pet' || node.sex === '2')
      return <ellipse cx={half.x} cy={half.y} rx={x} ry={y} />;
    if (node.sex === '1') return <rect x={inset} y={inset} width={x * 2} height={y * 2} />;
    return (
      <path
        d={`M${half.x} ${inset}L${w - inset} ${half.y}L${half.x} ${h - inset}L${inset} ${half.y}Z`}
      />
    );
  };
  return (
    <div
      className={`map-node${selected ? ' map-node--selected' : ''}`}
      style={mover ? { outline: `3px dashed ${mover.color}` } : undefined}
    >
      <svg
        width={w}
        height={h}
        aria-hidden="true"
        className={`map-node__shape map-node--${node.kind}`}
      >
        <g className="map-node__outline">
          {outline(1)}
          {node.index && outline(5)}
        </g>
        {node.deceased && person && (
          <path className="map-node__death" d={`M2 2L${w - 2} ${h - 2}M${w - 2} 2L2 ${h - 2}`} />
        )}
        {node.kind === 'person' && ageOf(node, today) !== null && (
          <text x={half.x} y={half.y} className="map-node__age">
            {ageOf(node, today)}
          </text>
        )}
        {!person &&
          lines.map((line, index) => (
            <text
              key={index}
              x={half.x}
              y={half.y + (index - (lines.length - 1) / 2) * 19}
              className="map-node__name"
            >
              {line}
            </text>
          ))}
      </svg>
      {person && (
        <span className="map-node__label" aria-hidden="true">
          {lines.join('')}
        </span>
      )}
      {node.key_person && (
        <span className="map-node__key" title="キーパーソン" aria-hidden="true">
          ★
        </span>
      )}
      {mover && (
        <span className="map-node__mover" style={{ backgroundColor: mover.color }}>
          {mover.name}
        </span>
      )}
    </div>
  );
});

/** Thick strokes twice: the line around the household, then its ground over it. */
const HouseholdView = memo(function HouseholdView({ data, selected }: NodeProps<HouseholdNode>) {
  const line = ([a, b]: [Point, Point]) => `M${a.x} ${a.y}L${b.x} ${b.y}`;
  const ground = [
    // A stroke of no length has round ends only: a circle around one member.
    ...data.members.map((at) => `M${at.x} ${at.y}h0.01`),
    ...data.joined.map(line),
  ].join('');
  return (
    <div className={selected ? 'map-household map-household--selected' : 'map-household'}>
      <svg aria-hidden="true" width="100%" height="100%">
        {data.loose.map((ends, index) => (
          <path key={index} d={line(ends)} className="map-household__loose" />
        ))}
        <path d={ground} className="map-household__line" strokeWidth={HOUSE * 2} />
        <path d={ground} className="map-household__ground" strokeWidth={HOUSE * 2 - 4} />
      </svg>
    </div>
  );
});

/** A household's name, above the lines; what it says to others is on the household itself. */
function HouseholdNameView({ data }: NodeProps<HouseholdName>) {
  return (
    <span
      aria-hidden="true"
      className="map-household__name"
      onClick={data.onPick}
      onDoubleClick={() => data.onOpen?.()}
    >
      {data.label}
    </span>
  );
}

const TieView = memo(function TieView({ data, selected }: EdgeProps<TieEdge>) {
  if (!data) return null;
  const ends = span(data.from, data.to, data.a, data.b, data.shift);
  if (!ends) return null;
  const [p, q] = ends;
  const family = data.tie.family === 'gen';
  const drawn = family
    ? familyStrokes(data.tie.kind, p, q)
    : strokes(data.tie, p, q, arrows(data.tie, data.from, data.to));
  return (
    <g
      className={`map-tie${family ? ' map-tie--family' : ''}${selected ? ' map-tie--selected' : ''}`}
    >
      <path className="map-tie__target" d={`M${p.x} ${p.y}L${q.x} ${q.y}`} />
      {drawn.map((stroke, index) => (
        <path
          key={index}
          d={stroke.d}
          className={stroke.filled ? 'map-tie__head' : 'map-tie__line'}
          strokeWidth={stroke.width}
          strokeDasharray={stroke.dash}
        />
      ))}
    </g>
  );
});

const NODE_TYPES = {
  symbol: SymbolView,
  household: HouseholdView,
  householdName: HouseholdNameView,
};
const EDGE_TYPES = { tie: TieView };

/** What is selected; never shared with others. */
export type Selection = { kind: 'node' | 'tie' | 'household'; id: string } | null;

interface PictureProps {
  map: NetworkMap;
  /** Whether family ties are drawn. */
  family: boolean;
  /** Where nodes stand that nobody has moved. */
  layout: Readonly<Record<string, Point>>;
  peers: readonly Peer[];
  today: string;
  editable: boolean;
  selection: Selection;
  onSelect: (selection: Selection) => void;
  onOpen: (selection: NonNullable<Selection>) => void;
  /** While a node is dragged here; null when it was let go. */
  onDrag: (drag: { node: string; x: number; y: number } | null) => void;
  onDrop: (positions: Record<string, Point>) => void;
}

/** The ecomap. Drags are shown to others at once and kept only when they end. */
export function NetworkPicture(props: PictureProps) {
  return (
    <ReactFlowProvider>
      <Picture {...props} />
    </ReactFlowProvider>
  );
}

function Picture({
  map,
  family,
  layout,
  peers,
  today,
  editable,
  selection,
  onSelect,
  onOpen,
  onDrag,
  onDrop,
}: PictureProps) {
  const flow = useReactFlow();
  const [dragged, setDragged] = useState<Record<string, Point>>({});
  const settled = useMemo(() => settle(map.nodes, layout), [map.nodes, layout]);
  const placed = useMemo(() => {
    const points = new Map<string, { at: Point; mover: Peer | null }>();
    for (const node of map.nodes) {
      const mover = peers.find((peer) => peer.focus?.node === node.id) ?? null;
      const at = dragged[node.id] ?? mover?.focus ?? settled.get(node.id) ?? { x: 0, y: 0 };
      points.set(node.id, { at: { x: at.x, y: at.y }, mover });
    }
    return points;
  }, [map.nodes, settled, peers, dragged]);

  const nodes = useMemo<MapShape[]>(() => {
    const all: MapShape[] = map.nodes.map((node) => {
      const half = halfSize(node);
      const place = placed.get(node.id);
      return {
        id: node.id,
        type: 'symbol',
        position: place?.at ?? { x: 0, y: 0 },
        origin: [0.5, 0.5],
        width: half.x * 2,
        height: half.y * 2,
        measured: { width: half.x * 2, height: half.y * 2 },
        // Ends of ties are computed; the library only wants to know that there are some.
        handles: [
          { type: 'source', position: Position.Top, x: half.x, y: half.y, width: 1, height: 1 },
          { type: 'target', position: Position.Top, x: half.x, y: half.y, width: 1, height: 1 },
        ],
        data: { node, today, mover: place?.mover ?? null },
        ariaLabel: describe(node, today),
        selected: selection?.kind === 'node' && selection.id === node.id,
        draggable: editable,
        zIndex: 2,
      };
    });
    // Large ones first, so that one within another stays visible.
    const bySize = [...map.households].sort((a, b) => b.members.length - a.members.length);
    const houses = bySize.flatMap((household) => {
      const at = { kind: 'household', id: household.id } as const;
      const chosen = selection?.kind === 'household' && selection.id === household.id;
      return enclosure(household, map.nodes, placed, chosen, {
        onPick: () => onSelect(at),
        onOpen: editable ? () => onOpen(at) : null,
      });
    });
    return [...houses, ...all];
  }, [map, placed, selection, today, editable, onSelect, onOpen]);

  const edges = useMemo<TieEdge[]>(() => {
    const seen = new Map<string, number>();
    const byId = new Map(map.nodes.map((node) => [node.id, node]));
    return map.ties.flatMap((tie): TieEdge[] => {
      const [from, to] = [byId.get(tie.from), byId.get(tie.to)];
      const [a, b] = [placed.get(tie.from)?.at, placed.get(tie.to)?.at];
      if ((tie.family === 'gen' && !family) || !from || !to || !a || !b) return [];
      const pair = [tie.from, tie.to].sort().join(' ');
      const nth = seen.get(pair) ?? 0;
      seen.set(pair, nth + 1);
      return [
        {
          id: tie.id,
          type: 'tie',
          source: tie.from,
          target: tie.to,
          data: { tie, from, to, a, b, shift: sideShift(nth) },
          ariaLabel: tieLabel(tie, from, to),
          selected: selection?.kind === 'tie' && selection.id === tie.id,
        },
      ];
    });
  }, [map, placed, selection, family]);

  // Fit once everything has its place, and again when somebody asks for a new layout.
  const arranged =
    Object.keys(layout).length > 0 || map.nodes.every((node) => node.x !== undefined);
  const count = map.nodes.length;
  useEffect(() => {
    if (!arranged) return;
    const frame = requestAnimationFrame(() => void flow.fitView({ padding: 0.12, maxZoom: 1.2 }));
    return () => cancelAnimationFrame(frame);
  }, [arranged, count, layout, flow]);

  const changed = (changes: NodeChange<MapShape>[]) => {
    const moved: Record<string, Point> = {};
    const dropped: Record<string, Point> = {};
    for (const change of changes) {
      if (change.type === 'select' && change.selected)
        onSelect(
          change.id.startsWith(HOUSE_ID)
            ? { kind: 'household', id: change.id.slice(HOUSE_ID.length) }
            : { kind: 'node', id: change.id },
        );
      if (change.type !== 'position' || !change.position) continue;
      if (change.dragging) moved[change.id] = change.position;
      else dropped[change.id] = change.position;
    }
    const [first] = Object.entries(moved);
    if (first) {
      setDragged((all) => ({ ...all, ...moved }));
      onDrag({ node: first[0], x: Math.round(first[1].x), y: Math.round(first[1].y) });
    }
    if (Object.keys(dropped).length > 0) {
      setDragged({});
      onDrag(null);
      onDrop(dropped);
    }
  };

  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      onNodesChange={changed}
      onEdgesChange={(changes) => {
        for (const change of changes)
          if (change.type === 'select' && change.selected) onSelect({ kind: 'tie', id: change.id });
      }}
      onPaneClick={() => onSelect(null)}
      onNodeDoubleClick={(_, node) =>
        node.type === 'symbol' && onOpen({ kind: 'node', id: node.id })
      }
      onEdgeDoubleClick={(_, edge) => onOpen({ kind: 'tie', id: edge.id })}
      nodesConnectable={false}
      nodesDraggable={editable}
      elevateNodesOnSelect={false}
      deleteKeyCode={null}
      zoomOnScroll={false}
      preventScrolling={false}
      zoomOnDoubleClick={false}
      minZoom={0.2}
      maxZoom={2}
      snapToGrid
      snapGrid={[10, 10]}
      proOptions={{ hideAttribution: true }}
      ariaLabelConfig={LABELS}
      fitView
      fitViewOptions={{ padding: 0.12, maxZoom: 1.2 }}
    >
      <Background variant={BackgroundVariant.Dots} gap={20} color="#d0d0d8" />
      <Controls showInteractive={false} position="bottom-right" />
    </ReactFlow>
  );
}

/** What a tie says, in words. */
function tieLabel(tie: MapTie, from: MapNode, to: MapNode): string {
  if (tie.family === 'eco')
    return `${from.label}と${to.label}のつながり、${ECO_KINDS[tie.kind] ?? tie.kind}`;
  const kind = GEN_KINDS[tie.kind] ?? tie.kind;
  return CHILD_KINDS.has(tie.kind)
    ? `家族関係、${kind}、親 ${from.label}、子 ${to.label}`
    : `家族関係、${kind}、${from.label}と${to.label}`;
}

/** Kinds with a parent (`from`) and a child (`to`). */
const CHILD_KINDS: ReadonlySet<string> = new Set(['bio', 'adopted', 'foster', 'step']);

/** Before a household's id, so that it never meets a node's. */
const HOUSE_ID = 'household:';

/** A household as a soft rounded enclosure with its name; nothing when nobody of it is drawn. */
function enclosure(
  household: Household,
  nodes: readonly MapNode[],
  placed: ReadonlyMap<string, { at: Point }>,
  selected: boolean,
  actions: { onPick: () => void; onOpen: (() => void) | null },
): (HouseholdNode | HouseholdName)[] {
  const own = new Set(household.members);
  const members = household.members.flatMap((id) => {
    const at = placed.get(id)?.at;
    // The name under the symbol belongs inside: the middle lies a little lower.
    return at ? [{ id, at: { x: at.x, y: at.y + 9 } }] : [];
  });
  if (members.length === 0) return [];
  const others = nodes.flatMap((node) => {
    const at = own.has(node.id) ? undefined : placed.get(node.id)?.at;
    return at ? [at] : [];
  });
  const left = Math.min(...members.map(({ at }) => at.x)) - HOUSE - 2;
  const top = Math.min(...members.map(({ at }) => at.y)) - HOUSE - 2;
  const width = Math.max(...members.map(({ at }) => at.x)) + HOUSE + 2 - left;
  const height = Math.max(...members.map(({ at }) => at.y)) + HOUSE + 2 - top;
  const inner = (point: Point): Point => ({ x: point.x - left, y: point.y - top });
  const shape = householdShape(members, others);
  const highest = members.reduce((a, b) => (b.at.y < a.at.y ? b : a));
  const label = household.name || '世帯';
  const names = members.map(({ id }) => nodes.find((node) => node.id === id)?.label ?? '');
  return [
    {
      id: `${HOUSE_ID}${household.id}`,
      type: 'household',
      position: { x: left, y: top },
      width,
      height,
      measured: { width, height },
      data: {
        label,
        members: members.map(({ at }) => inner(at)),
        joined: shape.joined.map(([a, b]) => [inner(a), inner(b)]),
        loose: shape.loose.map(([a, b]) => [inner(a), inner(b)]),
      },
      ariaLabel: `世帯「${label}」、${names.join('、')}`,
      selected,
      draggable: false,
      // Its ground must not keep the hand from the map; the name can be pressed.
      style: { pointerEvents: 'none' },
      // Below the ties.
      zIndex: -1,
    },
    {
      id: `${HOUSE_ID}${household.id}:name`,
      type: 'householdName',
      position: { x: highest.at.x, y: highest.at.y - HOUSE - 6 },
      origin: [0.5, 0.5],
      width: [...label].length * 12 + 18,
      height: 22,
      data: { label, ...actions },
      draggable: false,
      selectable: false,
      focusable: false,
      // Above lines, below symbols.
      zIndex: 1,
    },
  ];
}
