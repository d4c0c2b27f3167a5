import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fieldAt, type Condition, type FormDefinition } from './definition';
import type { FormDefinition as Generated } from './generated';
import { findMyNumbers } from './my-number';
import { calculate, holds, issueText, lookupIn, validate, type Issue, type Values } from './rules';
import {
  ageAt,
  dateProblemText,
  fiscalYear,
  formatWareki,
  formatWarekiShort,
  readDate,
  type DateProblem,
} from './wareki';

/** The vectors that the Rust tests run, too. vitest runs in web/. */
function load<T>(name: string): T {
  return JSON.parse(readFileSync(`../datasets/vectors/${name}`, 'utf8')) as T;
}

describe('wareki.json', () => {
  const vectors = load<{
    cases: {
      input: string;
      partial?: boolean;
      not_after?: string;
      age_on?: string;
      expected?: string;
      error?: DateProblem;
    }[];
    messages: { input: string; message: string }[];
    formats: { date: string; long: string; short?: string }[];
  }>('wareki.json');

  it.each(vectors.cases)('reads $input', (c) => {
    const reading = readDate(c.input, {
      partial: c.partial ?? false,
      ...(c.not_after ? { notAfter: c.not_after } : {}),
      ...(c.age_on ? { ageOn: c.age_on } : {}),
    });
    expect(reading).toEqual(
      c.error ? { ok: false, problem: c.error } : { ok: true, iso: c.expected },
    );
  });

  it.each(vectors.messages)('explains $input', ({ input, message }) => {
    const reading = readDate(input);
    expect(reading.ok ? null : dateProblemText(reading.problem)).toBe(message);
  });

  it.each(vectors.formats)('writes $date', ({ date, long, short }) => {
    expect(formatWareki(date)).toBe(long);
    if (short) expect(formatWarekiShort(date)).toBe(short);
  });

  it('counts ages and fiscal years', () => {
    expect(ageAt('1970-03-12', '2026-03-11')).toBe(55);
    expect(ageAt('2024-02-29', '2025-02-28')).toBe(0);
    expect(ageAt('2024-02-29', '2025-03-01')).toBe(1);
    expect(fiscalYear('2027-03-31')).toBe(2026);
    expect(fiscalYear('2027-04-01')).toBe(2027);
  });
});

describe('rules.json', () => {
  const definitions = load<FormDefinition[]>('forms.json');
  const vectors = load<{
    conditions: {
      name: string;
      condition: Condition;
      values: Values;
      outside?: Values;
      expected: boolean;
    }[];
    validations: {
      name: string;
      form: string;
      today: string;
      values: Values;
      outside?: Values;
      issues: Issue[];
    }[];
    calculations: {
      name: string;
      form: string;
      field: string;
      values: Values;
      outside?: Values;
      expected: string | number | null;
    }[];
  }>('rules.json');

  it.each(vectors.calculations)('calculation: $name', (c) => {
    const definition = definitions.find((candidate) => candidate.id === c.form)!;
    const field = fieldAt(definition, c.field)!;
    expect(calculate(definition, field, c.values, '2026-11-22', c.outside)).toBe(c.expected);
  });

  it.each(vectors.conditions)('condition: $name', (c) => {
    expect(holds(c.condition, lookupIn(c.values, c.outside))).toBe(c.expected);
  });

  it.each(vectors.validations)('validation: $name', (c) => {
    const definition = definitions.find((candidate) => candidate.id === c.form)!;
    const issues = validate(definition, c.values, {
      today: c.today,
      ...(c.outside ? { outside: c.outside } : {}),
    });
    expect(issues).toEqual(c.issues);
    for (const issue of issues) expect(issueText(definition, issue)).toMatch(/[。]$/);
  });
});

describe('the generated types', () => {
  it('fit what the reader reads', () => {
    // Fails in tsc when the server's definition and the reader drift apart.
    const read = (definition: Generated): FormDefinition => definition;
    expect(read).toBeTypeOf('function');
  });
});

describe('findMyNumbers', () => {
  it('finds valid numbers in any usual writing and nothing else', () => {
    // 123456789018 has the right check digit.
    expect(findMyNumbers('番号は１２３４-５６７８-９０１８です')).toEqual([{ start: 3, end: 17 }]);
    expect(findMyNumbers('123456789018')).toHaveLength(1);
    expect(findMyNumbers('123456789012')).toHaveLength(0);
    expect(findMyNumbers('0123456789018')).toHaveLength(0);
  });
});
