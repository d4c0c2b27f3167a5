import { describe, expect, it } from 'vitest';
import { presetBody, presetDraft, presetProblems } from './presets';

const school = {
  id: 'p',
  version: 2,
  label: '学校と共有する',
  description: '学校に',
  rows: [
    { org_types: ['kyoiku', 'hoiku'], levels: { plan: 'read' } },
    { org_types: [], levels: { plan: 'none' } },
  ],
};

describe('presets of the municipality', () => {
  it('come back as they were, the general row first', () => {
    const { label, description, rows } = presetBody(presetDraft(school));
    expect({ label, description }).toEqual({ label: '学校と共有する', description: '学校に' });
    expect(rows).toEqual([school.rows[1], school.rows[0]]);
    expect(presetProblems(presetDraft(school))).toEqual([]);
  });

  it('leave out what is not to be changed', () => {
    const draft = presetDraft(school);
    draft.rows[0]!.levels = { plan: '', intake: 'read' };
    expect(presetBody(draft).rows[0]).toEqual({ org_types: [], levels: { intake: 'read' } });
  });

  it('need a name, words, a level, and each kind once', () => {
    expect(presetProblems(presetDraft(null)).map((item) => item.target)).toEqual([
      'preset-label',
      'preset-description',
      'preset-rows',
    ]);
    const draft = presetDraft(school);
    draft.rows.push({ key: 9, orgTypes: new Set(['kyoiku']), levels: { plan: 'edit' } });
    expect(presetProblems(draft)[0]?.message).toContain('2つの行');
    draft.rows[2]!.orgTypes = new Set();
    expect(presetProblems(draft)[0]?.message).toContain('選んでいない行');
  });
});
