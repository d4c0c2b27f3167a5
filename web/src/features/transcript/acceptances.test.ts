import { afterEach, describe, expect, it, vi } from 'vitest';
import * as Y from 'yjs';
import { remember, takeBack, type Place } from './acceptances';
import { readValue } from './values';

const HEALTH = 'assessment.health';
const STORY = 'assessment.summary';

/** A sheet into which a draft has gone, and what is remembered of it. */
function accepted(): { doc: Y.Doc; placeOf: (name: string) => Place | null } {
  const doc = new Y.Doc();
  const fields = doc.getMap('fields');
  fields.set('summary', new Y.Text('前から'));
  const places = new Map(
    [HEALTH, STORY].map((name) => [name, { doc, written: remember(doc, name.slice(11)) }]),
  );
  fields.set('health', 'good');
  (fields.get('summary') as Y.Text).insert(3, '下書き');
  return { doc, placeOf: (name) => places.get(name) ?? null };
}

function answers(...list: (Response | 'offline')[]) {
  const calls: [string, string][] = [];
  vi.stubGlobal('fetch', (url: URL, init: RequestInit) => {
    calls.push([init.method ?? '', decodeURIComponent(url.pathname.split('/api/v1/')[1] ?? '')]);
    const answer = list[calls.length - 1];
    return answer === 'offline' || answer === undefined
      ? Promise.reject(new TypeError())
      : Promise.resolve(answer);
  });
  return calls;
}

const left = (...names: string[]) =>
  Response.json({ accepted: Object.fromEntries(names.map((name) => [name, { at: 'x' }])) });
const refused = (status: number, code: string) => Response.json({ code }, { status });

afterEach(() => vi.unstubAllGlobals());

describe('taking an acceptance back', () => {
  it('tells the server and empties the sheet', async () => {
    const { doc, placeOf } = accepted();
    const calls = answers(left(STORY), left());
    const result = await takeBack('t1', [HEALTH, STORY], placeOf);
    expect(calls).toEqual([
      ['DELETE', `transcripts/t1/acceptances/${HEALTH}`],
      ['DELETE', `transcripts/t1/acceptances/${STORY}`],
    ]);
    expect(result).toMatchObject({ restored: [HEALTH, STORY], kept: [], failed: [], accepted: {} });
    expect(readValue(doc, 'health')).toBeNull();
    expect(readValue(doc, 'summary')).toBe('前から');
  });

  it('leaves both alone when somebody has written on', async () => {
    const { doc, placeOf } = accepted();
    (doc.getMap('fields').get('summary') as Y.Text).insert(0, 'ほかの人');
    const calls = answers();
    const result = await takeBack('t1', [STORY], placeOf);
    expect(calls).toEqual([]);
    expect(result).toMatchObject({ restored: [], kept: [STORY] });
    expect(readValue(doc, 'summary')).toBe('ほかの人前から下書き');
  });

  it('changes nothing where the server could not be told', async () => {
    const { doc, placeOf } = accepted();
    answers(refused(403, 'forbidden'), 'offline');
    const result = await takeBack('t1', [HEALTH, STORY], placeOf);
    expect(result).toMatchObject({ restored: [], failed: [HEALTH, STORY], accepted: null });
    expect(result.error).toMatchObject({ code: 'offline' });
    expect(readValue(doc, 'health')).toBe('good');
    expect(readValue(doc, 'summary')).toBe('前から下書き');
  });

  it('goes on when it is not noted as accepted any more', async () => {
    const { doc, placeOf } = accepted();
    answers(refused(404, 'not_found'));
    expect(await takeBack('t1', [HEALTH], placeOf)).toMatchObject({ restored: [HEALTH] });
    expect(readValue(doc, 'health')).toBeNull();
  });

  it('keeps what somebody writes while the server is told', async () => {
    const { doc, placeOf } = accepted();
    vi.stubGlobal('fetch', () => {
      doc.getMap('fields').set('health', 'bad_visit');
      return Promise.resolve(left());
    });
    const result = await takeBack('t1', [HEALTH], placeOf);
    expect(result).toMatchObject({ restored: [], kept: [HEALTH], accepted: {} });
    expect(readValue(doc, 'health')).toBe('bad_visit');
  });

  it('waits for a draft that is still on its way, but not for ever', async () => {
    vi.useFakeTimers();
    const doc = new Y.Doc();
    const place = { doc, written: remember(doc, 'health') };
    answers(left());
    const soon = takeBack('t1', [HEALTH], () => place);
    await vi.advanceTimersByTimeAsync(500);
    doc.getMap('fields').set('health', 'good');
    expect(await soon).toMatchObject({ restored: [HEALTH] });
    expect(readValue(doc, 'health')).toBeNull();

    const never = takeBack('t1', [HEALTH], () => ({ doc, written: remember(doc, 'health') }));
    await vi.advanceTimersByTimeAsync(5000);
    expect(await never).toMatchObject({ kept: [HEALTH], restored: [] });
    vi.useRealTimers();
  });

  it('does not touch a field of which nothing is known here', async () => {
    const calls = answers();
    expect(await takeBack('t1', [HEALTH], () => null)).toMatchObject({ kept: [HEALTH] });
    expect(calls).toEqual([]);
  });
});
