import { describe, expect, it } from 'vitest';
import {
  dropField,
  isPublished,
  linesOf,
  moveField,
  nameOf,
  optionsFrom,
  putField,
  putOptions,
  type Extension,
  type OwnField,
} from './localForms';

const field = (id: string, section = 's'): OwnField => ({
  id,
  section,
  label: `項目${id}`,
  type: 'text',
});
const empty: Extension = { forms: {}, lists: [], options: {} };
const three = ['a', 'b', 'c'].reduce(
  (extension, id) => putField(extension, 'plan', field(id, id === 'b' ? 'other' : 's')),
  empty,
);
const order = (extension: Extension) => extension.forms['plan']?.fields.map((one) => one.id);

describe('own fields', () => {
  it('are added, changed in their place and taken away', () => {
    expect(order(three)).toEqual(['a', 'b', 'c']);
    const changed = putField(three, 'plan', { ...field('a'), label: '新しい名前' });
    expect(order(changed)).toEqual(['a', 'b', 'c']);
    expect(nameOf(changed, 'a')).toBe('項目「新しい名前」');
    expect(order(dropField(three, 'plan', 'b'))).toEqual(['a', 'c']);
  });

  it('change places within their section', () => {
    expect(order(moveField(three, 'plan', 'c', -1))).toEqual(['c', 'b', 'a']);
    expect(order(moveField(three, 'plan', 'a', -1))).toEqual(['a', 'b', 'c']);
    expect(order(moveField(three, 'plan', 'b', 1))).toEqual(['a', 'b', 'c']);
  });

  it('are known to be published', () => {
    expect(isPublished(three, 'a')).toBe(true);
    expect(isPublished(empty, 'a')).toBe(false);
  });
});

describe('options as lines', () => {
  const before = [
    { code: 'x_1', label: '毎日' },
    { code: 'x_2', label: '毎週' },
  ];
  const published = new Set(['x_1', 'x_2']);

  it('keep their codes and withdraw what was published', () => {
    const options = optionsFrom(' 毎週 \n\n毎月\n毎月', before, published);
    expect(options.map((option) => option.label)).toEqual(['毎週', '毎月', '毎日']);
    expect(options[0]?.code).toBe('x_2');
    expect(options[1]?.code).toMatch(/^new_/);
    expect(options[2]).toEqual({ code: 'x_1', label: '毎日', retired: true });
    expect(linesOf(options)).toBe('毎週\n毎月');
    const back = optionsFrom('毎日\n毎週', options, published);
    expect(back.find((option) => option.code === 'x_1')?.retired).toBe(false);
  });

  it('forget what was never published', () => {
    expect(optionsFrom('毎日', before, new Set()).map((option) => option.code)).toEqual(['x_1']);
    expect(putOptions({ ...empty, options: { route: before } }, 'route', []).options).toEqual({});
  });
});
