import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { readValue, restoreValue, trace } from './values';

function sheet(): Y.Doc {
  const doc = new Y.Doc();
  const fields = doc.getMap('fields');
  fields.set('summary', new Y.Text('前から書いてあった文'));
  const topics = new Y.Map<boolean>();
  topics.set('health', true);
  topics.set('debt', false);
  fields.set('topics', topics);
  fields.set('work', 'working');
  return doc;
}

describe('values of a sheet', () => {
  it('reads text, choices and plain values', () => {
    const doc = sheet();
    expect(readValue(doc, 'summary')).toBe('前から書いてあった文');
    expect(readValue(doc, 'topics')).toEqual(['health']);
    expect(readValue(doc, 'work')).toBe('working');
    expect(readValue(doc, 'nothing')).toBeNull();
  });

  it('puts back what was there before', () => {
    const doc = sheet();
    const before = readValue(doc, 'summary');
    (doc.getMap('fields').get('summary') as Y.Text).insert(0, '下書き');
    expect(restoreValue(doc, 'summary', before, trace(doc, 'summary'))).toBe(true);
    expect(readValue(doc, 'summary')).toBe(before);
    doc.getMap('fields').set('work', 'seeking');
    expect(restoreValue(doc, 'work', null, trace(doc, 'work'))).toBe(true);
    expect(readValue(doc, 'work')).toBeNull();
  });

  it('leaves the field alone when somebody has written on', () => {
    const doc = sheet();
    const accepted = trace(doc, 'summary');
    (doc.getMap('fields').get('summary') as Y.Text).insert(0, 'ほかの人');
    expect(restoreValue(doc, 'summary', '', accepted)).toBe(false);
    expect(readValue(doc, 'summary')).toContain('ほかの人');
  });

  it('puts choices back, those too that the draft took away', () => {
    const doc = sheet();
    const topics = doc.getMap('fields').get('topics') as Y.Map<boolean>;
    topics.set('health', false);
    topics.set('debt', true);
    expect(restoreValue(doc, 'topics', ['health'], trace(doc, 'topics'))).toBe(true);
    expect(readValue(doc, 'topics')).toEqual(['health']);
  });

  it('removes rows that a draft added, unless somebody has written in them', () => {
    const doc = sheet();
    const table = new Y.Map<Y.Map<unknown>>();
    doc.getMap('fields').set('agencies', table);
    const row = (order: string) => {
      const made = new Y.Map<unknown>();
      made.set('order', order);
      made.set('staff', new Y.Text(''));
      return made;
    };
    table.set('old', row('a'));
    const before = readValue(doc, 'agencies');
    table.set('new', row('b'));
    const accepted = trace(doc, 'agencies');
    (table.get('new')!.get('staff') as Y.Text).insert(0, '田中');
    expect(restoreValue(doc, 'agencies', before, accepted)).toBe(false);
    expect(restoreValue(doc, 'agencies', before, trace(doc, 'agencies'))).toBe(true);
    expect([...table.keys()]).toEqual(['old']);
    // Rows that were replaced cannot be brought back from their ids.
    expect(restoreValue(doc, 'agencies', ['older'], trace(doc, 'agencies'))).toBe(false);
  });
});
