import { useEffect, useRef } from 'react';
import { shortDay } from '../dates';
import type { Course, Process } from './api';
import { positions, type Position } from './course';

type Node = Process['nodes'][number];

/** Free space around the drawing, in its units. */
const MARGIN = 12;
/** Characters that fit into a line of a task. */
const LINE = 8;

/** The words of a task in lines; a bracket begins a new one, a comma ends one. */
export function lines(name: string): string[] {
  const out: string[] = [];
  for (const part of name.split(/(?=（)|(?<=、)/)) {
    const letters = [...part];
    for (let at = 0; at < letters.length; at += LINE)
      out.push(letters.slice(at, at + LINE).join(''));
  }
  return out;
}

/**
 * The process as it is drawn in `datasets/process.bpmn`, with the case in it. The picture is decoration
 * for those who read the list beside it: that says the same in words.
 */
export function ProcessPicture({
  process,
  course,
  today,
}: {
  process: Process;
  course: Pick<Course, 'stage' | 'steps'>;
  today: string;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const here = useRef<SVGGElement>(null);
  const at = positions(course);
  // What matters is where the case is: the drawing is wider than most screens.
  useEffect(() => {
    const [box, mark] = [frame.current, here.current];
    if (!box || !mark) return;
    const shift = mark.getBoundingClientRect().left - box.getBoundingClientRect().left;
    box.scrollLeft += shift - box.clientWidth / 2 + 60;
  }, [course.stage]);
  const right = Math.max(...process.lanes.map((lane) => lane.bounds.x + lane.bounds.width));
  const left = Math.min(...process.lanes.map((lane) => lane.bounds.x));
  const top = Math.min(...process.lanes.map((lane) => lane.bounds.y));
  const bottom = Math.max(...process.lanes.map((lane) => lane.bounds.y + lane.bounds.height));
  const box = [
    left - MARGIN,
    top - MARGIN,
    right - left + 2 * MARGIN,
    bottom - top + 2 * MARGIN,
  ] as const;
  const present = process.nodes.find((node) => node.stage === course.stage);
  return (
    <div
      className="flow-picture"
      ref={frame}
      role="region"
      aria-label="支援の流れの図（横に動かせます）"
      tabIndex={0}
    >
      <svg
        viewBox={box.join(' ')}
        width={box[2] * 0.8}
        height={box[3] * 0.8}
        role="img"
        aria-label={`${process.name}。現在地は「${present?.name ?? course.stage}」です。同じ内容が下の一覧にあります。`}
      >
        <defs>
          <marker
            id="flow-arrow"
            viewBox="0 0 10 10"
            refX="9"
            refY="5"
            markerWidth="9"
            markerHeight="9"
            orient="auto"
          >
            <path d="M0 0 10 5 0 10z" className="flow__arrow" />
          </marker>
        </defs>
        {process.lanes.map((lane) => (
          <g key={lane.id}>
            <rect className="flow__lane" {...lane.bounds} />
            <text className="flow__lane-name" x={lane.bounds.x + 10} y={lane.bounds.y + 22}>
              {lane.name}
            </text>
          </g>
        ))}
        {process.flows.map((flow) => (
          <polyline
            key={flow.id}
            className="flow__line"
            points={flow.points.map(({ x, y }) => `${x},${y}`).join(' ')}
            markerEnd="url(#flow-arrow)"
          />
        ))}
        {process.nodes.map((node) => {
          const position = node.stage ? at.get(node.stage) : undefined;
          return (
            <g key={node.id} ref={position?.where === 'now' ? here : undefined}>
              <Shape node={node} position={position} today={today} />
            </g>
          );
        })}
        {process.flows.map(
          (flow) =>
            flow.name &&
            flow.label && (
              <text
                key={flow.id}
                className="flow__condition"
                x={flow.label.x}
                y={flow.label.y + flow.label.height - 4}
              >
                {flow.name}
              </text>
            ),
        )}
      </svg>
    </div>
  );
}

function Shape({
  node,
  position,
  today,
}: {
  node: Node;
  position: Position | undefined;
  today: string;
}) {
  const { x, y, width, height } = node.bounds;
  const [midX, midY] = [x + width / 2, y + height / 2];
  if (node.kind === 'gateway')
    return (
      <>
        <polygon
          className="flow__gateway"
          points={`${midX},${y} ${x + width},${midY} ${midX},${y + height} ${x},${midY}`}
        />
        <path className="flow__cross" d={`M${midX - 7} ${midY - 7}l14 14m0 -14l-14 14`} />
        <title>{node.name}</title>
      </>
    );
  if (node.kind === 'start' || node.kind === 'end')
    return (
      <>
        <circle
          className={node.kind === 'end' ? 'flow__event flow__event--end' : 'flow__event'}
          cx={midX}
          cy={midY}
          r={width / 2}
        />
        {node.label && (
          <text className="flow__condition" x={node.label.x} y={node.label.y + 14}>
            {node.name}
          </text>
        )}
      </>
    );
  const text = lines(node.name);
  const now = position?.where === 'now';
  const passed = position?.where === 'passed';
  const noted = now || passed;
  return (
    <>
      <rect
        className={[
          'flow__task',
          node.stage ? '' : 'flow__task--aside',
          now ? 'is-now' : passed ? 'is-passed' : '',
        ].join(' ')}
        x={x}
        y={y}
        width={width}
        height={height}
        rx={8}
      />
      {text.map((line, index) => (
        <text
          key={index}
          className="flow__name"
          x={midX}
          y={midY + 5 + (index - (text.length - 1) / 2) * 17 - (noted ? 8 : 0)}
        >
          {line}
        </text>
      ))}
      {noted && (
        <text className="flow__date" x={midX} y={y + height - 8}>
          {now ? '●' : '✓'} {position.on ? shortDay(position.on, today) : '日付なし'}
        </text>
      )}
      {now && (
        <>
          <path className="flow__here" d={`M${midX} ${y - 4}l-10 -12h-34v-24h88v24h-34z`} />
          <text className="flow__here-word" x={midX} y={y - 23}>
            現在地
          </text>
        </>
      )}
    </>
  );
}
