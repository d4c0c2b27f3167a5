import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  confidence,
  fieldOrder,
  fileRefusal,
  FORMATS,
  formatLabel,
  isFilled,
  numberEvidence,
  pieces,
  planAll,
  target,
  timecode,
  utf16Offset,
  type DraftField,
} from './draft';

const utterances = [
  { speaker: 'A', start: 12, end: 20, text: 'お仕事はどうされていますか。' },
  { speaker: 'B', start: 31, end: 40, text: '𠮷田です。家賃が3か月払えていません。' },
];

function field(value: unknown, score: number, ...evidence: [number, number, number][]): DraftField {
  return {
    value,
    confidence: score,
    evidence: evidence.map(([utterance, start, end]) => ({ utterance, start, end })),
  };
}

describe('evidence', () => {
  it('counts code points, not UTF-16 units', () => {
    expect(utf16Offset('𠮷田', 1)).toBe(2);
    expect(utf16Offset('𠮷田', 9)).toBe(3);
  });

  it('numbers sentences in reading order and shares a number between fields', () => {
    const draft = {
      'assessment.arrears': field(['rent'], 0.9, [1, 5, 18]),
      'intake.topic_primary': field('rent_loan', 0.85, [1, 5, 18]),
      'assessment.name': field('𠮷田', 0.9, [1, 0, 2]),
    };
    const places = numberEvidence({ utterances, draft });
    expect(places.map((place) => [place.number, place.fields])).toEqual([
      [1, ['assessment.name']],
      [2, ['assessment.arrears', 'intake.topic_primary']],
    ]);
    expect(utterances[1]!.text.slice(places[0]!.start, places[0]!.end)).toBe('𠮷田');
    expect(fieldOrder({ draft }, places)[0]).toBe('assessment.name');
  });

  it('ignores evidence that points nowhere', () => {
    const draft = { 'intake.x': field('y', 0.9, [7, 0, 3], [0, 4, 4]) };
    expect(numberEvidence({ utterances, draft })).toEqual([]);
  });

  it('cuts overlapping evidence without losing or doubling a character', () => {
    const text = 'あいうえおかきくけこ';
    const place = (
      number: number,
      start: number,
      end: number,
    ): Parameters<typeof pieces>[1][number] => ({
      number,
      utterance: 0,
      start,
      end,
      fields: [],
    });
    const cut = pieces(text, [place(1, 1, 6), place(2, 4, 8)]);
    expect(cut.map((piece) => piece.text).join('')).toBe(text);
    expect(cut.map((piece) => piece.places.map((entry) => entry.number))).toEqual([
      [],
      [1],
      [1, 2],
      [2],
      [],
    ]);
    expect(pieces('', [])).toEqual([]);
  });
});

describe('accepting', () => {
  const draft = {
    'assessment.a': field('x', 0.9, [0, 0, 1]),
    'assessment.b': field('x', 0.65, [0, 0, 1]),
    'assessment.c': field('x', 0.3, [0, 0, 1]),
    'assessment.d': field('x', 0.9, [0, 0, 1]),
    'assessment.e': field('x', 0.9, [0, 0, 1]),
  };

  it('takes the sure ones, leaves the unsure, the filled and the settled', () => {
    const plan = planAll(
      { draft },
      (name) => (name === 'assessment.d' ? 'accepted' : 'open'),
      (name) => name === 'assessment.e',
    );
    expect(plan).toEqual({
      accept: ['assessment.a', 'assessment.b'],
      check: ['assessment.c'],
      filled: ['assessment.e'],
    });
  });

  it('has three steps of confidence', () => {
    expect([0.95, 0.7, 0.2].map(confidence)).toEqual(['high', 'middle', 'low']);
  });

  it('knows an empty value', () => {
    expect([null, '', '  ', [], {}, { a: false }, false].map(isFilled)).toEqual(
      Array(7).fill(false),
    );
    expect(['x', 0, ['a'], { a: true }].map(isFilled)).toEqual(Array(4).fill(true));
  });

  it('splits the target', () => {
    expect(target('assessment.health')).toEqual({ sheet: 'assessment', field: 'health' });
    expect(target('health')).toEqual({ sheet: 'intake', field: 'health' });
  });
});

describe('files', () => {
  it('says why a file cannot be taken', () => {
    expect(fileRefusal({ name: '面談.vtt', size: 10 })).toBeNull();
    expect(fileRefusal({ name: '面談.VTT', size: 10 })).toBeNull();
    expect(fileRefusal({ name: '面談.mp3', size: 10 })).toContain('音声ファイル');
    expect(fileRefusal({ name: '面談.vtt', size: 0 })).toContain('空です');
    expect(fileRefusal({ name: '面談.vtt', size: 21 * 1024 * 1024 })).toContain('21.0MB');
  });

  it('has words for every format the pipeline reads', () => {
    const source = readFileSync(
      join(import.meta.dirname, '../../../../pipelines/intake/src/transcript.rs'),
      'utf8',
    );
    const codes = [...source.matchAll(/Self::\w+ => "([a-z_]+)"/g)].map((match) => match[1]!);
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !(code in FORMATS))).toEqual([]);
    expect(formatLabel('zoom_vtt')).toBe('Zoom字幕（VTT）');
  });

  it('writes times', () => {
    expect(timecode(3661.4)).toBe('01:01:01');
    expect(timecode('00:01:03.120')).toBe('00:01:03');
    expect(timecode(null)).toBe('');
  });

  it('shows the warnings that the pipeline sends, in its own words', () => {
    const source = readFileSync(
      join(import.meta.dirname, '../../../../pipelines/intake/src/error.rs'),
      'utf8',
    );
    expect(source).toMatch(/pub struct Warning \{[^}]*pub message_ja: String/);
  });
});
