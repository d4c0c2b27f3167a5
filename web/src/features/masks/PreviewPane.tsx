import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { api } from '../../api/client';
import type { DocumentInfo, Projection } from '../../api/types';
import { problemText } from '../../i18n/problems';
import { Select } from '../../ui';
import { useCase } from '../cases/api';
import { MaskedText, Withheld } from '../sheet';
import { projectedText } from './preview';
import { maskText, segments, type FieldText, type Span } from './spans';

/** Re-asks the partner's view this long after the last decision, in ms. */
const PREVIEW_AFTER = 700;

/** Whose view is shown, and the server's projection for it, asked for again after each change. */
export function usePreview(info: DocumentInfo, version: number) {
  const detail = useCase(info.case_id ?? '');
  const masked = (
    detail.data?.sections.find((entry) => entry.section === info.section)?.seen_by ?? []
  ).filter((entry) => entry.level === 'masked');
  const [agency, setAgency] = useState('');
  const chosen = masked.some((entry) => entry.agency_id === agency)
    ? agency
    : (masked[0]?.agency_id ?? '');
  const client = useQueryClient();
  const key = useMemo(() => ['mask-preview', info.id, chosen] as const, [info.id, chosen]);
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      api.get<Projection>(
        `documents/${info.id}/masks/preview`,
        chosen ? { agency_id: chosen } : undefined,
        signal,
      ),
    refetchInterval: 5_000,
  });
  useEffect(() => {
    const timer = setTimeout(() => void client.invalidateQueries({ queryKey: key }), PREVIEW_AFTER);
    return () => clearTimeout(timer);
  }, [client, key, version]);
  return { query, masked, chosen, setAgency, known: detail.isSuccess };
}

/**
 * What the partner sees. The server's projection is the truth about what has been released and
 * what is withheld; decisions made a moment ago are shown at once from the spans themselves.
 */
export function PreviewPane({
  preview,
  fields,
  spans,
  numbers,
  current,
  names,
  protects,
}: {
  preview: ReturnType<typeof usePreview>;
  fields: readonly FieldText[];
  spans: readonly Span[];
  numbers: ReadonlyMap<string, number>;
  current: Span | null;
  names: (field: string) => string;
  protects: (field: string) => boolean;
}) {
  const { query, masked, chosen, setAgency } = preview;
  const name = masked.find((entry) => entry.agency_id === chosen)?.name;
  return (
    <section className="card card--purple masks__preview" aria-labelledby="masks-preview">
      <div className="card__head">
        <h2 className="card__title" id="masks-preview">
          {name ? `${name}からの見え方` : '相手からの見え方'}
        </h2>
      </div>
      {masked.length > 1 && (
        <div className="masks__agency">
          <Select
            label="機関"
            value={chosen}
            empty={null}
            options={masked.map((entry) => ({ code: entry.agency_id, label: entry.name }))}
            onChange={setAgency}
          />
        </div>
      )}
      <div
        className="masks__scroll masks__preview-text"
        tabIndex={0}
        role="region"
        aria-label="相手に見える文"
      >
        {fields
          .filter((entry) => entry.text !== '')
          .map((entry) => {
            const own = spans.filter((span) => span.field === entry.field);
            const shown = segments(
              entry.text,
              own.filter((span) => span.status !== 'rejected'),
            ).filter((piece) => piece.span);
            const at = current ? shown.findIndex((piece) => piece.span?.id === current.id) : -1;
            const server = projectedText(query.data, entry.field);
            const local = maskText(entry.text, own, numbers);
            // Withheld: the server gives the last checked text only, and so do we.
            const text = server.withheld ? (server.text ?? '') : local;
            return (
              <div key={entry.field} className="masks__preview-field">
                <h3>{names(entry.field)}</h3>
                {text !== '' && (
                  <p>
                    <MaskedText
                      text={text}
                      {...(at >= 0 && !server.withheld ? { current: at } : {})}
                    />
                  </p>
                )}
                {server.withheld &&
                  (server.text === null && protects(entry.field) ? (
                    <span className="withheld">
                      <b>住所秘匿</b>　この欄は渡りません。
                    </span>
                  ) : (
                    <Withheld>検出が終わるまで、新しく書かれた文は渡りません。</Withheld>
                  ))}
              </div>
            );
          })}
      </div>
      <div className="masks__note">
        {query.isError && (
          <p className="late">
            相手側の表示を取り寄せられません（{problemText(query.error)}
            ）。ここには、この画面での見込みを出しています。
          </p>
        )}
        {masked.length === 0 && preview.known && (
          <p>いまこの記録を「マスク済み」で見る機関はありません。</p>
        )}
        <p>マスク済み（個人情報として取扱い）。未確認のことばも、伏せた形で見えます。</p>
      </div>
    </section>
  );
}
