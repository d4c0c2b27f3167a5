import { useLocation, useSearch } from 'wouter';
import { useForm } from '../../forms/use-form';
import type { References } from '../sheet';
import { LinkButton, NavTabs } from '../../ui';
import { ComparisonView } from './ComparisonView';
import { NOW } from './api';
import { Timeline } from './Timeline';
import { Versions } from './Versions';
import './history.css';

/** The parts of an address under a sheet that belong to its past. */
export type HistoryView = 'history' | 'versions' | 'compare';

export function isHistoryView(item: string | undefined): item is HistoryView {
  return item === 'history' || item === 'versions' || item === 'compare';
}

/** What the history screens know of the document. */
export interface HistoryProps {
  documentId: string;
  /** Address of the sheet itself; the history's own addresses lie below. */
  base: string;
  /** Id of the form, for labels and options; none for 世帯・関係. */
  formId: string | undefined;
  references?: Partial<References>;
  /** May write in the sheet, were it open. */
  mayEdit: boolean;
  final: boolean;
}

/**
 * 「履歴」 of a sheet: who wrote what when, the versions that were kept, comparing two of them, going
 * back to one. What is looked at stands in the address.
 */
export function DocumentHistory({
  view,
  title,
  ...props
}: HistoryProps & { view: HistoryView; title: string }) {
  const [, navigate] = useLocation();
  const search = new URLSearchParams(useSearch());
  const { base, formId } = props;
  const form = useForm(formId);
  const go = (to: HistoryView, query: Record<string, string>) => {
    const words = new URLSearchParams(
      Object.entries(query).filter(([, value]) => value !== ''),
    ).toString();
    navigate(`${base}/${to}${words === '' ? '' : `?${words}`}`, { replace: to === view });
  };
  return (
    <div className="history">
      <div className="row row--between">
        <h2>{title}の履歴</h2>
        <LinkButton href={base} size="s" icon="left">
          記録に戻る
        </LinkButton>
      </div>
      <NavTabs
        label="履歴の表示"
        items={[
          { href: `${base}/history`, label: 'だれが・いつ・何を', current: view === 'history' },
          {
            href: `${base}/versions`,
            label: '版（くらべる・戻す）',
            current: view !== 'history',
          },
        ]}
      />
      {view === 'history' && (
        <Timeline
          {...props}
          definition={form.data}
          filter={{ field: search.get('field') ?? '', who: search.get('who') ?? '' }}
          onFilter={(filter) => go('history', { ...filter })}
        />
      )}
      {view === 'versions' && <Versions {...props} />}
      {view === 'compare' && (
        <ComparisonView
          {...props}
          definition={form.data}
          from={search.get('from') ?? ''}
          to={search.get('to') ?? NOW}
          onMoments={(from, to) => go('compare', { from, to })}
        />
      )}
    </div>
  );
}
