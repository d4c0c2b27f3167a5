import { describe, expect, it } from 'vitest';
import {
  blankForm,
  fromDraft,
  isWritten,
  toRequest,
  unsearched,
  withTemplate,
  type Attachment,
  type Template,
} from './entry';

const blank = blankForm('2026-11-30', 'p1');
const template = (part: Partial<Template>): Template => ({
  origin: 'builtin',
  may_remove: false,
  name: 'x',
  content: '',
  log_kind: [],
  log_target: [],
  whole: false,
  ...part,
});

describe('支援経過の入力', () => {
  it('fills day and time into a template, and leaves what was written', () => {
    const absent = template({
      method: 'outreach_noshow',
      title: '不在',
      content: '{date} {time} に訪問したが、不在だった。',
    });
    expect(withTemplate(blank, absent)).toMatchObject({
      method: 'outreach_noshow',
      title: '不在',
      content: '11月30日 に訪問したが、不在だった。',
    });
    expect(withTemplate({ ...blank, time: '10:30' }, absent).content).toBe(
      '11月30日 10:30 に訪問したが、不在だった。',
    );
    const written = withTemplate({ ...blank, content: '先に書いた。', title: '見出し' }, absent);
    expect(written.content.startsWith('先に書いた。\n\n11月30日')).toBe(true);
    expect(written.title).toBe('見出し');
  });

  it('sends only what was entered', () => {
    const form = { ...blank, method: 'tel', content: ' 電話した ', time: '09:05', minutes: '15' };
    expect(toRequest({ ...form, persons: ['n1', 'p1'] }, undefined)['persons']).toEqual(['p1']);
    expect(toRequest(form, 'd1')).toEqual({
      performed_on: '2026-11-30',
      performed_at: '2026-11-30T09:05',
      method: 'tel',
      content: '電話した',
      persons: ['p1'],
      visibility: 'case_members',
      minutes: 15,
      draft_id: 'd1',
    });
  });

  it('reads drafts of other versions of the form', () => {
    const form = fromDraft({ content: '続き', persons: 'x', unknown: 1, minutes: 5 }, blank);
    expect(form).toEqual({ ...blank, content: '続き' });
    expect(isWritten(form)).toBe(true);
    expect(isWritten({ ...blank, method: 'tel' })).toBe(false);
  });
});

describe('添付の本文', () => {
  const file = (part: Partial<Attachment>): Attachment => ({
    id: 'a1',
    name: '書類.pdf',
    media_type: 'application/pdf',
    size: 1,
    preview: true,
    may_remove: false,
    text: 'read',
    ...part,
  });

  it('says why the words in a file are not found, and nothing where nobody expects them', () => {
    expect(unsearched(file({}))).toBeUndefined();
    expect(unsearched(file({ text: 'waiting' }))).toBeUndefined();
    expect(unsearched(file({ text: 'none', media_type: 'image/png' }))).toBeUndefined();
    expect(unsearched(file({ text: 'none' }))).toContain('紙を写した画像');
    expect(unsearched(file({ text: 'locked' }))).toContain('パスワード付き');
    expect(unsearched(file({ text: 'unreadable' }))).toContain('壊れているか');
  });
});
