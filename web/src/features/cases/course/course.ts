/** Reading the course of a case: where it stands, where it has been, where a requirement is met. */
import type { Course, Process, Requirement, Step } from './api';

export type Where = 'now' | 'passed' | 'ahead';

export interface Position {
  where: Where;
  /** When the stage was last entered, ISO; missing when that was not written down. */
  on?: string;
}

/** Where each stage lies for the case: at it, passed (with its last day), or not reached yet. */
export function positions(course: Pick<Course, 'stage' | 'steps'>): Map<string, Position> {
  const found = new Map<string, Position>();
  for (const step of course.steps) {
    // A stage that was left was passed, also when the entering was not written down.
    if (step.from && !found.has(step.from)) found.set(step.from, { where: 'passed' });
    found.set(step.to, { where: 'passed', on: step.entered_on });
  }
  const on = found.get(course.stage)?.on;
  found.set(course.stage, { where: 'now', ...(on ? { on } : {}) });
  return found;
}

/** The stages of the process in the order in which the drawing shows them, lane by lane aside. */
export function stagesInOrder(process: Pick<Process, 'nodes'>): Process['nodes'] {
  return process.nodes
    .filter((node) => node.stage)
    .sort((a, b) => a.bounds.x - b.bounds.x || a.bounds.y - b.bounds.y);
}

/** Where a requirement is met: the path below the case. */
export function placeOf(requirement: Pick<Requirement, 'place'>): string {
  return requirement.place === 'consent' ? 'sharing/consents' : requirement.place;
}

const PLACES: Readonly<Record<string, string>> = {
  intake: '受付',
  assessment: 'アセスメント',
  screening: 'スクリーニング',
  plan: 'プラン',
  meeting: '会議',
  evaluation: '評価',
  consent: '同意・共有',
  requests: '依頼',
};

export function placeLabel(requirement: Pick<Requirement, 'place'>): string {
  return PLACES[requirement.place] ?? requirement.place;
}

/** What keeps a step from being taken, and what only asks for a reason. */
export function open(requirements: readonly Requirement[]): {
  stops: Requirement[];
  warns: Requirement[];
} {
  const missing = requirements.filter((one) => !one.met);
  return {
    stops: missing.filter((one) => one.hard),
    warns: missing.filter((one) => !one.hard),
  };
}

/** The usual next steps first; ways out of the course after them. */
const ASIDE: readonly string[] = ['referred', 'closed', 'suspended'];

export function byLikelihood<T extends { stage: string }>(next: readonly T[]): T[] {
  return [
    ...next.filter((one) => !ASIDE.includes(one.stage)),
    ...next.filter((one) => ASIDE.includes(one.stage)),
  ];
}

/** Steps for the list of what happened, the newest first. */
export function newestFirst(steps: readonly Step[]): Step[] {
  return [...steps].reverse();
}
