import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { commandFor, type Key } from './keyboard';
import { Review, progress, sameSurface } from './review';
import {
  afterDecision,
  context,
  encodePosition,
  fieldTexts,
  groupSpans,
  maskText,
  numberSpans,
  occurrences,
  readSpans,
  segments,
  steadyGroups,
  walkOrder,
  type Group,
} from './spans';

function key(value: string, more: Partial<Key> = {}): Key {
  return {
    key: value,
    code: '',
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    shiftKey: false,
    isComposing: false,
    ...more,
  };
}

const on = { enabled: true, inField: false };

describe('keyboard map', () => {
  it('maps the keys of the review', () => {
    expect(commandFor(key('ArrowDown'), on)).toEqual({ kind: 'next' });
    expect(commandFor(key('ArrowUp'), on)).toEqual({ kind: 'previous' });
    expect(commandFor(key('a'), on)).toEqual({ kind: 'accept' });
    expect(commandFor(key('x'), on)).toEqual({ kind: 'reject' });
    expect(commandFor(key('A', { shiftKey: true }), on)).toEqual({ kind: 'accept_all' });
    expect(commandFor(key('X', { shiftKey: true }), on)).toEqual({ kind: 'reject_all' });
    expect(commandFor(key('u'), on)).toEqual({ kind: 'undo' });
    expect(commandFor(key('3'), on)).toEqual({ kind: 'category', index: 2 });
    expect(commandFor(key('?', { shiftKey: true }), on)).toEqual({ kind: 'help' });
    expect(commandFor(key('Enter', { ctrlKey: true }), on)).toEqual({ kind: 'finish' });
  });

  it('leaves the arrows to a text that scrolls, and keeps the rest', () => {
    const there = { ...on, scrolls: true };
    expect(commandFor(key('ArrowDown'), there)).toBeNull();
    expect(commandFor(key('ArrowUp'), there)).toBeNull();
    expect(commandFor(key('a'), there)).toEqual({ kind: 'accept' });
  });

  it('works with capitals lock and with full-width or kana letters', () => {
    expect(commandFor(key('A'), on)).toEqual({ kind: 'accept' });
    expect(commandFor(key('ａ'), on)).toEqual({ kind: 'accept' });
    expect(commandFor(key('ち', { code: 'KeyA' }), on)).toEqual({ kind: 'accept' });
    expect(commandFor(key('３'), on)).toEqual({ kind: 'category', index: 2 });
  });

  it('does nothing while composing, in a field, with other modifiers, or when switched off', () => {
    expect(commandFor(key('a', { isComposing: true }), on)).toBeNull();
    expect(commandFor(key('a', { keyCode: 229 }), on)).toBeNull();
    expect(commandFor(key('a'), { enabled: true, inField: true })).toBeNull();
    expect(commandFor(key('a', { ctrlKey: true }), on)).toBeNull();
    expect(commandFor(key('a', { altKey: true }), on)).toBeNull();
    expect(commandFor(key('a'), { enabled: false, inField: false })).toBeNull();
    expect(commandFor(key('Enter', { ctrlKey: true }), { enabled: false, inField: true })).toEqual({
      kind: 'finish',
    });
    expect(commandFor(key('b'), on)).toBeNull();
    expect(commandFor(key('0'), on)).toBeNull();
  });
});

const TEXT = '父のしげるが残した工具。しげるさんは令和元年に亡くなった。電話は0900-55-0147。';

interface Fixture {
  parent: Y.Doc;
  masks: Y.Doc;
  summary: Y.Text;
}

function fixture(): Fixture {
  const parent = new Y.Doc();
  const masks = new Y.Doc();
  const summary = new Y.Text();
  parent.getMap('fields').set('summary', summary);
  summary.insert(0, TEXT);
  return { parent, masks, summary };
}

function addSpan(
  { masks, summary }: Fixture,
  id: string,
  start: number,
  end: number,
  more: Record<string, unknown> = {},
): void {
  const span = new Y.Map<unknown>();
  const fields: Record<string, unknown> = {
    field: 'summary',
    start: encodePosition(Y.createRelativePositionFromTypeIndex(summary, start, 0)),
    end: encodePosition(Y.createRelativePositionFromTypeIndex(summary, end, -1)),
    label: 'PERSON',
    score: 0.57,
    source: 'model',
    status: 'pending',
    ...more,
  };
  for (const [name, value] of Object.entries(fields)) span.set(name, value);
  masks.getMap('spans').set(id, span);
}

function three(): Fixture {
  const made = fixture();
  addSpan(made, 's1', 2, 5);
  addSpan(made, 's2', 12, 15, { score: 0.9 });
  const phone = TEXT.indexOf('0900');
  addSpan(made, 's3', phone, phone + 12, {
    label: 'PHONE',
    score: 0.99,
    source: 'rule',
    status: 'accepted',
  });
  return made;
}

function read(made: Fixture): ReturnType<typeof readSpans> {
  return readSpans(made.masks, made.parent, fieldTexts(made.parent));
}

describe('spans', () => {
  it('follow their words while others write before, inside the field and at their edges', () => {
    const made = three();
    made.summary.insert(0, '昨日、');
    made.summary.insert(5, 'あの');
    const spans = read(made);
    expect(spans.map((span) => span.surface)).toEqual(['しげる', 'しげる', '0900-55-0147']);
  });

  it('vanish with their words', () => {
    const made = three();
    made.summary.delete(2, 3);
    expect(read(made).map((span) => span.id)).toEqual(['s2', 's3']);
  });

  it('survive damaged positions of another span', () => {
    const made = three();
    addSpan(made, 'bad', 0, 1, { start: '%%%' });
    expect(read(made)).toHaveLength(3);
  });

  it('are found in table cells, in row order', () => {
    const made = fixture();
    const table = new Y.Map<unknown>();
    made.parent.getMap('fields').set('household', table);
    for (const [id, order, words] of [
      ['r2', 'b', '次'],
      ['r1', 'a', '初'],
    ] as const) {
      const row = new Y.Map<unknown>();
      const cell = new Y.Text(words);
      row.set('order', order);
      row.set('note', cell);
      table.set(id, row);
    }
    expect(fieldTexts(made.parent, ['summary']).map((entry) => entry.field)).toEqual([
      'summary',
      'household/r1/note',
      'household/r2/note',
    ]);
  });

  it('group by surface, least certain first, and keep their place once decided', () => {
    const made = three();
    const waiting = new Set(['しげる']);
    const groups = groupSpans(read(made), waiting);
    expect(
      groups.map((group) => [group.surface, group.spans.length, group.pending, group.score]),
    ).toEqual([
      ['しげる', 2, 2, 0.57],
      ['0900-55-0147', 1, 0, 0.99],
    ]);
    new Review(made.masks, reviewer()).decide(['s1', 's2'], 'accepted');
    expect(groupSpans(read(made), waiting)[0]!.surface).toBe('しげる');
  });

  it('walk on to the next pending one', () => {
    const made = three();
    const order = walkOrder(groupSpans(read(made), new Set()));
    expect(afterDecision(order, 's1')).toBe('s2');
    expect(afterDecision(order, 'gone')).toBe('s1');
    expect(afterDecision([], 's1')).toBeNull();
  });
});

describe('masked text', () => {
  it('numbers one person once and leaves what was rejected', () => {
    const made = three();
    const review = new Review(made.masks, reviewer());
    const masked = (): string => {
      const spans = read(made);
      return maskText(TEXT, spans, numberSpans(spans));
    };
    expect(masked()).toBe(
      '父の［氏名1］が残した工具。［氏名1］さんは令和元年に亡くなった。電話は［電話1］。',
    );
    review.decide(['s2'], 'rejected');
    expect(masked()).toBe(
      '父の［氏名1］が残した工具。しげるさんは令和元年に亡くなった。電話は［電話1］。',
    );
  });

  it('gives the same number to different words of one person', () => {
    const made = fixture();
    addSpan(made, 's1', 2, 5, { person: 'p1' });
    addSpan(made, 's2', 12, 14, { person: 'p1' });
    const numbers = numberSpans(read(made));
    expect(numbers.get('s1')).toBe(numbers.get('s2'));
  });

  it('never shows a masked character when spans overlap', () => {
    const made = fixture();
    addSpan(made, 's1', 2, 5);
    addSpan(made, 's2', 4, 8);
    const spans = read(made);
    expect(
      segments(TEXT, spans)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(TEXT);
    expect(maskText(TEXT, spans, numberSpans(spans)).startsWith('父の［氏名1］［氏名2］')).toBe(
      true,
    );
  });

  it('shows a little context', () => {
    expect(context(TEXT, 2, 5)).toBe('…父の「しげる」が残した工具。し…');
  });
});

function reviewer(): { account: string; now: () => string; newId: () => string } {
  let count = 0;
  return { account: 'acc1', now: () => '2026-11-22T00:00:00Z', newId: () => `new${(count += 1)}` };
}

describe('the order of reading', () => {
  it('stays, and what a scan finds meanwhile goes to the end', () => {
    const made = three();
    const before = groupSpans(read(made), new Set());
    const order = before.map((group) => group.surface);
    const later: Group = { ...before[0]!, surface: '新しいことば', score: 0.01 };
    const steady = steadyGroups([later, ...[...before].reverse()], order);
    expect(steady.groups.map((group) => group.surface)).toEqual([...order, '新しいことば']);
    expect(steady.fresh).toEqual(['新しいことば']);
  });
});

describe('decisions', () => {
  it('take a whole surface form back in one undo', () => {
    const made = three();
    const review = new Review(made.masks, reviewer());
    expect(review.decide(sameSurface(read(made), 's1'), 'accepted')).toBe(2);
    expect(progress(read(made))).toEqual({ total: 3, decided: 3, pending: 0 });
    expect(review.undo()).toEqual(sameSurface(read(made), 's1'));
    expect(progress(read(made)).pending).toBe(2);
    expect(review.undo()).toBeNull();
  });

  it('record who and when', () => {
    const made = three();
    new Review(made.masks, reviewer()).relabel(['s1'], 'FACILITY');
    const span = read(made).find((entry) => entry.id === 's1')!;
    expect([span.label, span.by, span.at]).toEqual(['FACILITY', 'acc1', '2026-11-22T00:00:00Z']);
  });

  it('never undo what somebody else decided', () => {
    const made = three();
    const mine = new Review(made.masks, reviewer());
    const theirs = new Review(made.masks, reviewer());
    theirs.decide(['s1'], 'rejected');
    expect(mine.undo()).toBeNull();
    expect(read(made).find((entry) => entry.id === 's1')!.status).toBe('rejected');
  });

  it('add what the machine missed, at every place, as one step', () => {
    const made = three();
    const fields = fieldTexts(made.parent);
    const review = new Review(made.masks, reviewer());
    const places = occurrences('工具', fields, read(made));
    expect(places).toHaveLength(1);
    review.add(places, 'OTHER_ID', fields);
    const added = read(made).find((span) => span.surface === '工具')!;
    expect([added.source, added.status]).toEqual(['manual', 'accepted']);
    expect(occurrences('工具', fields, read(made))).toHaveLength(0);
    review.undo();
    expect(read(made)).toHaveLength(3);
  });
});
