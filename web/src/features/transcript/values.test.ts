import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { readValue, restoreValue, valueText } from './values';

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
    expect(restoreValue(doc, 'summary', before, readValue(doc, 'summary'))).toBe(true);
    expect(readValue(doc, 'summary')).toBe(before);
    doc.getMap('fields').set('work', 'seeking');
    expect(restoreValue(doc, 'work', null, 'seeking')).toBe(true);
    expect(readValue(doc, 'work')).toBeNull();
  });

  it('leaves the field alone when somebody has written on', () => {
    const doc = sheet();
    const accepted = readValue(doc, 'summary');
    (doc.getMap('fields').get('summary') as Y.Text).insert(0, 'ほかの人');
    expect(restoreValue(doc, 'summary', '', accepted)).toBe(false);
    expect(readValue(doc, 'summary')).toContain('ほかの人');
  });

  it('has words for every kind', () => {
    expect(valueText(undefined, null, null)).toBe('（空欄）');
    expect(valueText(undefined, null, ['a', 'b'])).toBe('a、b');
    expect(valueText(undefined, null, { a: true, b: false })).toBe('a');
    expect(valueText(undefined, null, true)).toBe('はい');
  });
});
