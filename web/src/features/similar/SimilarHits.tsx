import { Link } from 'wouter';
import type { Schema } from '../../api/types';
import { Card, Empty, Tag } from '../../ui';
import { isEnded, OUTCOMES, stageLabel, STAGES } from '../cases/vocabulary';
import './similar.css';

export type SimilarHit = Schema<'SimilarAnswer'>;

/** Characters of a digest shown at once. */
const DIGEST = 110;

/** Why there is nothing to show, when the server knows. */
export function noticeText(notice: string | null | undefined): string | null {
  if (notice === 'not_scanned')
    return 'この事案の文をまだ調べ終わっていません。少し待ってから、もう一度開いてください。';
  if (notice === 'no_candidates')
    return '比べる事案がまだありません。類似検索に使うことを認めた事案だけが対象です。';
  return null;
}

const REASONS: Readonly<Record<string, string>> = {
  topic: '困りごと',
  issue: '課題',
  household: '世帯',
  stage: '段階',
  word: 'ことば',
  words: 'ことば',
  terms: 'ことば',
  vector: '状況',
  meaning: '状況',
  passage: '似た記述',
  sentence: '似た記述',
  attribute: '属性',
  agency: '関わる機関',
};

/** Like cases with the reasons; `from` tells the list apart for readers. */
export function SimilarHits({
  hits,
  emptyText,
}: {
  hits: readonly SimilarHit[];
  emptyText: string;
}) {
  if (hits.length === 0)
    return (
      <Empty icon="search" title="似た事案は見つかりませんでした">
        {emptyText}
      </Empty>
    );
  return (
    <ol className="similar" aria-label="似た事案">
      {hits.map((hit, index) => (
        <li key={hit.case_id ?? `${hit.case_no ?? ''}-${index}`}>
          <Card
            level={2}
            title={
              <>
                <span className="similar__rank">{index + 1}</span>
                {hit.case_id ? (
                  <Link href={`/cases/${hit.case_id}/overview`}>
                    {hit.display ?? hit.case_no ?? '事案'}
                    {hit.case_no && hit.display && <span className="number">　{hit.case_no}</span>}
                  </Link>
                ) : (
                  <span>{hit.case_no ?? '開示されていない事案（要約のみ）'}</span>
                )}
              </>
            }
            aside={
              <span className="row">
                <Tag tone={isEnded(hit.stage) ? 'grey' : 'blue'} small>
                  {stageLabel(hit.stage)}
                </Tag>
                <Closeness score={hit.score} />
              </span>
            }
          >
            {hit.reasons.length > 0 && (
              <div className="similar__why">
                <h3>似ている理由</h3>
                <ul>
                  {hit.reasons.map((reason) => (
                    <li key={`${reason.kind}-${reason.text}`}>
                      <Tag small>{REASONS[reason.kind] ?? reason.kind}</Tag>
                      <span>{reason.text}</span>
                    </li>
                  ))}
                </ul>
              </div>
            )}
            {hit.digest && <Digest text={hit.digest} />}
            {hit.outcome && (
              <p className="soft">
                結果：<strong>{OUTCOMES[hit.outcome] ?? hit.outcome}</strong>
              </p>
            )}
          </Card>
        </li>
      ))}
    </ol>
  );
}

/** The first lines at once, the rest when asked for: ten long digests hide each other. */
function Digest({ text }: { text: string }) {
  const characters = [...text.trim()];
  if (characters.length <= DIGEST) return <p className="similar__digest">{text.trim()}</p>;
  return (
    <details className="similar__digest">
      <summary>{characters.slice(0, DIGEST).join('')}…（続きを読む）</summary>
      <p>{text.trim()}</p>
    </details>
  );
}

/** Three steps instead of a figure: the score is no probability and should not look like one. */
function Closeness({ score }: { score: number }) {
  const steps = score >= 0.75 ? 3 : score >= 0.5 ? 2 : 1;
  const word = ['少し近い', '近い', 'とても近い'][steps - 1];
  return (
    <span className="closeness">
      近さ {word}
      <span aria-hidden="true">
        {[1, 2, 3].map((step) => (
          <i key={step} className={step <= steps ? 'is-on' : undefined} />
        ))}
      </span>
    </span>
  );
}

export interface SimilarFilter {
  stage: string;
  outcome: 'all' | 'ended' | 'open';
}

export function filterHits(hits: readonly SimilarHit[], filter: SimilarFilter): SimilarHit[] {
  return hits.filter(
    (hit) =>
      (filter.stage === '' || hit.stage === filter.stage) &&
      (filter.outcome === 'all' || isEnded(hit.stage) === (filter.outcome === 'ended')),
  );
}

/** The stages that occur among the hits, in the order of the way. */
export function stagesOf(hits: readonly SimilarHit[]): { code: string; label: string }[] {
  const present = new Set(hits.map((hit) => hit.stage));
  return Object.entries(STAGES)
    .filter(([code]) => present.has(code))
    .map(([code, label]) => ({ code, label }));
}
