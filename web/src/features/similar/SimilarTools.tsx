import { Select } from '../../ui';
import { stagesOf, type SimilarFilter, type SimilarHit } from './SimilarHits';

export const ALL: SimilarFilter = { stage: '', outcome: 'all' };

/** Filters over the hits that came; they never ask the server for more. */
export function SimilarFilters({
  hits,
  filter,
  onChange,
}: {
  hits: readonly SimilarHit[];
  filter: SimilarFilter;
  onChange: (filter: SimilarFilter) => void;
}) {
  return (
    <div className="similar__filters">
      <Select
        label="段階"
        value={filter.stage}
        empty="すべて"
        options={stagesOf(hits)}
        onChange={(stage) => onChange({ ...filter, stage })}
      />
      <Select
        label="状態"
        value={filter.outcome}
        empty={null}
        options={[
          { code: 'all', label: 'すべて' },
          { code: 'open', label: '支援中のもの' },
          { code: 'ended', label: '終結・つないだもの' },
        ]}
        onChange={(outcome) =>
          onChange({ ...filter, outcome: outcome as SimilarFilter['outcome'] })
        }
      />
    </div>
  );
}
