import { describe, expect, it } from 'vitest';
import type { Field, FormDefinition } from './definition';
import { valueText } from './value-text';

const definition = {
  lists: [
    {
      id: 'way',
      options: [
        { code: 'tel', label: '電話' },
        { code: 'visit', label: '訪問' },
      ],
    },
  ],
} as unknown as FormDefinition;
const field = (type: string, more = {}) => ({ id: 'f', label: 'f', type, ...more }) as Field;
const way = field('multiselect', { options: 'way' });

describe('values in words', () => {
  it('has words for every kind', () => {
    expect(valueText(definition, way, ['tel', 'visit'])).toBe('電話、訪問');
    expect(valueText(definition, way, { tel: true, visit: false })).toBe('電話');
    expect(valueText(definition, field('select', { options: 'way' }), '［区分1］')).toBe(
      '［区分1］',
    );
    expect(valueText(definition, field('int', { unit: '円' }), 120000)).toBe('120,000円');
    expect(valueText(definition, field('date'), '2026-11-20')).toBe('令和8年11月20日');
    expect(valueText(definition, field('datetime'), '2026-11-20T10:30')).toBe(
      '令和8年11月20日 10:30',
    );
    expect(valueText(definition, field('table'), [{}, {}])).toBe('2行');
    expect(valueText(definition, field('bool'), false)).toBe('いいえ');
  });

  it('says nothing of nothing, and something without a definition', () => {
    for (const nothing of [null, undefined, '', []])
      expect(valueText(definition, way, nothing)).toBe('');
    expect(valueText(undefined, null, ['a', 'b'])).toBe('a、b');
  });
});
