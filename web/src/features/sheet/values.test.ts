import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import type { FormDefinition } from '../../forms/definition';
import { saveWords } from './Status';
import {
  addRow,
  asCells,
  deleteRow,
  fieldsMap,
  moveRow,
  readValues,
  writeOption,
  writeScalar,
} from './values';

const base = { pii: 'none', person: 'client', group: 'assessment' };
const definition: FormDefinition = {
  id: 'f',
  code: 'F',
  title: '様式',
  version: '1',
  schema: 1,
  verified: false,
  source: 'D',
  sections: [
    {
      id: 's',
      title: '章',
      fields: [
        { id: 'summary', label: '概要', type: 'textarea', ...base },
        { id: 'urgency', label: '緊急性', type: 'select', options: 'u', ...base },
        { id: 'danger', label: '兆候', type: 'multiselect', options: 'd', ...base },
        {
          id: 'services',
          label: 'サービス',
          type: 'table',
          ...base,
          columns: [
            { id: 'name', label: '名称', type: 'text', ...base },
            { id: 'since', label: '開始', type: 'date', ...base },
          ],
        },
      ],
    },
  ],
};

/** As the server seeds a document: texts and nested maps exist before anybody opens it. */
function seeded(): { doc: Y.Doc; fields: Y.Map<unknown>; table: Y.Map<unknown> } {
  const doc = new Y.Doc();
  const fields = fieldsMap(doc);
  fields.set('summary', new Y.Text());
  fields.set('danger', new Y.Map());
  const table = new Y.Map<unknown>();
  fields.set('services', table);
  return { doc, fields, table };
}
const field = (id: string) => definition.sections[0]!.fields.find((f) => f.id === id)!;

describe('sheet values', () => {
  it('reads texts, scalars, options and rows; empty ones are missing', () => {
    const { fields, table } = seeded();
    (fields.get('summary') as Y.Text).insert(0, '経緯');
    writeScalar({ map: fields, path: 'urgency', field: field('urgency') }, 'a');
    const danger = { map: fields, path: 'danger', field: field('danger') };
    writeOption(danger, 'lifeline', true);
    writeOption(danger, 'food', true);
    writeOption(danger, 'food', false);
    const id = addRow(table, field('services'));
    expect(id).toMatch(/^[a-z2-7]{16}$/);
    const values = readValues(definition, fields);
    expect(values).toMatchObject({ summary: '経緯', urgency: 'a', danger: { lifeline: true } });
    writeScalar({ map: fields, path: 'urgency', field: field('urgency') }, '');
    expect(fields.has('urgency')).toBe(false);
    expect(asCells(definition, values).danger).toEqual({ value: { lifeline: true } });
  });

  it('moves and deletes rows, and agrees on the order with a second writer', () => {
    const { doc, fields, table } = seeded();
    const services = field('services');
    const ids = [addRow(table, services), addRow(table, services), addRow(table, services)];
    const other = new Y.Doc();
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
    moveRow(table, services, ids[2]!, -1);
    const theirs = fieldsMap(other).get('services') as Y.Map<unknown>;
    moveRow(theirs, services, ids[0]!, 1);
    deleteRow(theirs, ids[1]!);
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other));
    const order = (map: Y.Map<unknown>) =>
      (readValues(definition, map).services as { id: string }[]).map((row) => row.id);
    expect(order(fields)).toEqual(order(fieldsMap(other)));
    expect(order(fields)).not.toContain(ids[1]);
    expect(order(fields)).toHaveLength(2);
  });

  it('never says 保存済み while something is not on the server', () => {
    const state = {
      save: 'saved',
      unsaved: 0,
      savedAt: 0,
      synced: true,
      composing: false,
      fallback: false,
      blocked: false,
    } as const;
    expect(saveWords(state).text).toBe('保存済み');
    expect(saveWords({ ...state, composing: true }).text).toBe('変換中');
    expect(saveWords({ ...state, save: 'saving', unsaved: 1 }).text).toBe('保存中');
    expect(saveWords({ ...state, save: 'unsaved', unsaved: 2 }).text).toBe('未保存 2件');
    expect(saveWords({ ...state, save: 'offline', unsaved: 3 })).toMatchObject({
      text: 'オフライン',
      detail: '未保存 3件',
    });
  });
});
