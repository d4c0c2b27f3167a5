import type { Ref } from 'react';
import { Link } from 'wouter';
import type { Schema } from '../../api/types';
import { formatWareki } from '../../forms/wareki';
import { Icon, Tag } from '../../ui';

export type Hit = Schema<'HitAnswer'>;
type HitCase = Schema<'HitCase'>;

export const KIND_LABELS = {
  person: '人',
  case: '事案',
  sheet: 'シート',
  record: '支援経過',
  transcript: '文字起こし',
  attachment: '添付',
} as const;

export type Kind = keyof typeof KIND_LABELS;

const ICONS = {
  person: 'person',
  case: 'folder',
  sheet: 'doc',
  record: 'pencil',
  transcript: 'mic',
  attachment: 'doc',
} as const;

function kindOf(hit: Hit): Kind {
  return hit.kind in KIND_LABELS ? (hit.kind as Kind) : 'case';
}

/** The screen on which a hit is read. A person is read in a case. */
export function hrefOf(hit: Hit): string | undefined {
  const base = hit.case ? `/cases/${hit.case.id}` : undefined;
  switch (kindOf(hit)) {
    case 'transcript':
      return `/transcripts/${hit.id}`;
    case 'sheet':
      return base && hit.section ? `${base}/${hit.section}` : base;
    case 'record':
    case 'attachment':
      return base && `${base}/progress/${hit.id}`;
    default:
      return base && `${base}/overview`;
  }
}

function nameOf(item: HitCase): string {
  const who = item.clients.join('、');
  return who === '' ? item.title || '事案' : who;
}

/** Hits in order, each with where the words stand. */
export function SearchHits({
  hits,
  start,
  list,
}: {
  hits: readonly Hit[];
  start: number;
  list?: Ref<HTMLOListElement>;
}) {
  return (
    <ol className="found" start={start} tabIndex={-1} ref={list}>
      {hits.map((hit) => (
        <FoundItem key={`${hit.kind}-${hit.attachment ?? hit.id}-${hit.private}`} hit={hit} />
      ))}
    </ol>
  );
}

function FoundItem({ hit }: { hit: Hit }) {
  const kind = kindOf(hit);
  const href = hrefOf(hit);
  const title =
    kind === 'person' ? (
      <>
        {hit.name}
        {hit.kana && <span className="found__kana">{hit.kana}</span>}
      </>
    ) : kind === 'case' && hit.case ? (
      nameOf(hit.case)
    ) : (
      hit.heading
    );
  return (
    <li className={`found__item found__item--${kind}`}>
      <span className="found__kind">
        <Icon name={ICONS[kind]} />
        {KIND_LABELS[kind]}
      </span>
      <div className="found__body">
        <h2>
          {href ? <Link href={href}>{title}</Link> : title}
          {kind === 'case' && hit.case && <span className="number">{hit.case.case_no}</span>}
          {hit.private && (
            <Tag tone="purple" small>
              機微メモ
            </Tag>
          )}
          {hit.masked && (
            <Tag tone="grey" small icon="mask">
              マスク済み
            </Tag>
          )}
        </h2>
        <p className="found__where">
          {kind !== 'person' && kind !== 'case' && hit.case && (
            <span>
              {nameOf(hit.case)} <span className="number">{hit.case.case_no}</span>
            </span>
          )}
          {kind === 'case' && hit.case && hit.case.title !== '' && <span>{hit.case.title}</span>}
          {kind !== 'person' && hit.case && <span>{hit.case.stage_label}</span>}
          {hit.day && <span>{formatWareki(hit.day)}</span>}
          {hit.agency && <span>{hit.agency}</span>}
          {kind === 'person' && hit.cases.length === 0 && (
            <span>開示されている事案はありません</span>
          )}
        </p>
        {kind === 'person' && hit.cases.length > 0 && (
          <ul className="found__cases" aria-label={`${hit.name ?? ''} の事案`}>
            {hit.cases.map((item) => (
              <li key={item.id}>
                <Link href={`/cases/${item.id}/overview`}>
                  事案 <span className="number">{item.case_no}</span>
                </Link>{' '}
                {item.title !== '' && <span>{item.title} </span>}
                <span className="soft">{item.stage_label}</span>
              </li>
            ))}
          </ul>
        )}
        {hit.snippets
          // Name and kana stand in the heading; a former name or an alias does not.
          .filter((snippet) => {
            const text = snippet.pieces.map((piece) => piece.text).join('');
            return kind !== 'person' || (text !== hit.name && text !== hit.kana);
          })
          .map((snippet, index) => (
            <p className="found__text" key={`${snippet.label}-${index}`}>
              {snippet.label !== '' && <span className="found__label">{snippet.label}</span>}
              {snippet.pieces.map((piece, at) =>
                piece.hit ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>,
              )}
            </p>
          ))}
      </div>
    </li>
  );
}
