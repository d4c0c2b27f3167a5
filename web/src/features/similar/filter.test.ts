import { describe, expect, it } from 'vitest';
import { filterHits, stagesOf, type SimilarHit } from './SimilarHits';

const hit = (stage: string): SimilarHit => ({ stage, score: 0.5, reasons: [], digest: null });
const hits = ['closed', 'active', 'received', 'closed'].map(hit);

describe('filters of similar cases', () => {
  it('keeps what was asked for', () => {
    expect(filterHits(hits, { stage: '', outcome: 'all' })).toHaveLength(4);
    expect(filterHits(hits, { stage: '', outcome: 'ended' })).toHaveLength(2);
    expect(filterHits(hits, { stage: 'active', outcome: 'open' })).toHaveLength(1);
    expect(filterHits(hits, { stage: 'active', outcome: 'ended' })).toHaveLength(0);
  });

  it('offers only the stages that occur, in their order', () => {
    expect(stagesOf(hits).map((stage) => stage.code)).toEqual(['received', 'active', 'closed']);
  });
});
