/** Words and order of requests. */
import type { IconName, Tone } from '../../ui';
import type { CaseRequest } from './api';

/** What each kind is for, where one chooses. */
export const KINDS: Readonly<
  Record<string, { label: string; support: string; submit: string; icon: IconName }>
> = {
  refer: {
    label: 'つなぐ',
    support: 'ほかの機関にも支援に加わってもらいます。受諾されると支援機関になります。',
    submit: 'つなぐ依頼を出す',
    icon: 'link',
  },
  assign: {
    label: '割当',
    support: '自分の機関の中で、担当者を決めます。',
    submit: '割当を依頼する',
    icon: 'person',
  },
  handover_lead: {
    label: '主担当機関の引継ぎ',
    support: '伴走の中心になる機関を替わってもらいます。受諾されると主担当機関になります。',
    submit: '引継ぎを依頼する',
    icon: 'redo',
  },
  handover_owner: {
    label: '事案の引継ぎ',
    support:
      '事案全体を、ほかの多機関協働事業者に渡します。受諾されると、あなたの機関からは見えなくなります。',
    submit: '事案の引継ぎを依頼する',
    icon: 'signOut',
  },
  decision: {
    label: '支援決定の依頼',
    support: '確定したプランについて、市町村所管課に支援決定を求めます。',
    submit: '支援決定を依頼する',
    icon: 'shield',
  },
};

/** State in words; a 支援決定 has words of its own. */
export function stateLabel(request: Pick<CaseRequest, 'kind' | 'state' | 'state_label'>): string {
  if (request.kind === 'decision') {
    if (request.state === 'declined') return '差戻し';
    if (request.state === 'completed') return '決定';
  }
  return request.state_label;
}

export function stateTone(request: Pick<CaseRequest, 'state' | 'overdue'>): Tone {
  if (request.overdue) return 'red';
  switch (request.state) {
    case 'requested':
      return 'yellow';
    case 'accepted':
      return 'blue';
    case 'completed':
      return 'green';
    default:
      return 'grey';
  }
}

export const STATE_ICONS: Readonly<Record<string, IconName>> = {
  requested: 'clock',
  accepted: 'check',
  declined: 'close',
  withdrawn: 'undo',
  completed: 'check',
};

/** What an act is called, by kind. */
export function actLabel(request: Pick<CaseRequest, 'kind'>, act: string): string {
  if (request.kind === 'decision') {
    if (act === 'complete') return '支援決定を記録する';
    if (act === 'decline') return '差し戻す';
  }
  switch (act) {
    case 'accept':
      return request.kind === 'assign' ? '担当する' : '受諾する';
    case 'decline':
      return '辞退する';
    case 'withdraw':
      return '取り下げる';
    default:
      return '完了にする';
  }
}

const ORDER: readonly string[] = ['accept', 'complete', 'decline', 'withdraw'];

/** Acts as buttons: what goes on first, what ends it after that. */
export function actsInOrder(acts: readonly string[]): string[] {
  return [...acts].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
}

/** Reminders: what waits for me, and what came back that nobody read. */
export interface Reminders {
  /** Asked of us, without an answer; the overdue ones first. */
  waiting: CaseRequest[];
  /** Answers to what we asked that were not read yet. */
  answered: CaseRequest[];
  /** What we asked, whose day is over without an answer. */
  overdue: CaseRequest[];
}

export function reminders(items: readonly CaseRequest[]): Reminders {
  const waiting = items.filter((one) => one.received && one.acts.some((act) => act !== 'withdraw'));
  return {
    waiting: waiting
      .filter((one) => one.state === 'requested')
      .sort(
        (a, b) =>
          Number(b.overdue) - Number(a.overdue) ||
          (a.due_on ?? '9').localeCompare(b.due_on ?? '9') ||
          a.requested_at.localeCompare(b.requested_at),
      ),
    answered: items.filter((one) => one.sent && one.answered_at && !one.seen),
    overdue: items.filter((one) => one.sent && one.overdue),
  };
}
