import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { fieldsOf, type Field, type FormDefinition } from '../../forms/definition';
import { problemText } from '../../i18n/problems';
import { Button, Dialog, Icon, useToast } from '../../ui';
import type { References } from './FieldEditor';
import { plainText } from './SheetView';
import type { Row } from './values';

/** A value that stands in another sheet of the case. */
export type Offer = Schema<'Offer'>;

/** What can be carried over into a sheet, and the way to do it. */
export interface Carrying {
  offers: readonly Offer[];
  take: (offers: readonly Offer[]) => Promise<void>;
}

const NOTHING: readonly Offer[] = [];

/** Asks what the case's other sheets hold for this one; nothing while it is not written in. */
export function useCarrying(documentId: string, writable: boolean): Carrying {
  const toast = useToast();
  const query = useQuery({
    queryKey: ['documents', documentId, 'carry'],
    queryFn: ({ signal }) =>
      api.get<Schema<'Offers'>>(`documents/${documentId}/carry`, undefined, signal),
    enabled: writable,
    staleTime: 60_000,
  });
  const offers = query.data?.items ?? NOTHING;
  return useMemo(
    () => ({
      offers,
      take: async (taken) => {
        try {
          const { results } = await api.post<Schema<'TakeAnswer'>>(
            `documents/${documentId}/carry`,
            { take: taken.map(({ field, from }) => ({ field, from })) },
          );
          const outcomes = Object.values(results);
          const written = outcomes.filter((outcome) => outcome === 'written').length;
          const left = outcomes.length - written;
          toast(
            left === 0
              ? `${written}件を引き継ぎました。`
              : `${written}件を引き継ぎました。ほか${left}件は、すでに書かれているため変えていません。`,
          );
        } catch (error) {
          toast(problemText(error), { tone: 'error' });
        }
      },
    }),
    [offers, documentId, toast],
  );
}

/** 「プランシート（第1回）」 */
export function sourceName(offer: Offer): string {
  if (offer.title === '') return '事案の登録';
  return offer.number == null ? offer.title : `${offer.title} 第${offer.number}回`;
}

/** What would be written, in words. */
export function offerText(
  definition: FormDefinition,
  field: Field,
  offer: Offer,
  references: References | undefined,
): string {
  const value: unknown = offer.value;
  if (field.type !== 'table' || !Array.isArray(value))
    return plainText(definition, field, value, references);
  // What a row is about stands in its longest column.
  const columns = [...(field.columns ?? [])].sort(
    (a, b) => Number(b.type === 'textarea') - Number(a.type === 'textarea'),
  );
  const rows = (value as Row[]).map((row) =>
    columns
      .map((column) => plainText(definition, column, row[column.id], references))
      .find((text) => text !== ''),
  );
  return `${rows.length}行（${rows.filter(Boolean).join('、')}）`;
}

/** Beside an empty field: what stands in another sheet, and the button that writes it here. */
export function CarryHint({
  definition,
  field,
  carrying,
  references,
}: {
  definition: FormDefinition;
  field: Field;
  carrying: Carrying;
  references: References;
}) {
  const [busy, setBusy] = useState(false);
  const offers = carrying.offers.filter((offer) => offer.field === field.id);
  if (offers.length === 0) return null;
  const take = async (offer: Offer) => {
    setBusy(true);
    await carrying.take([offer]);
    setBusy(false);
  };
  return (
    <ul className="carry" aria-label={`「${field.label}」に引き継げる内容`}>
      {offers.map((offer) => (
        <li key={offer.from}>
          <OfferWords
            from={sourceName(offer)}
            text={offerText(definition, field, offer, references)}
          />
          <Button size="s" variant="quiet" busy={busy} onClick={() => void take(offer)}>
            引き継ぐ
            <span className="visually-hidden">
              （{field.label}、{sourceName(offer)}から）
            </span>
          </Button>
        </li>
      ))}
    </ul>
  );
}

/** Characters of an offer that are shown at once: about two lines. */
const SHOWN = 60;

/** Where a value stands and what it is; the rest of a long one is shown on request. */
function OfferWords({ from, text }: { from: string; text: string }) {
  const [open, setOpen] = useState(false);
  const letters = Array.from(text);
  // A few letters more are not worth a button.
  const long = letters.length > SHOWN * 1.2;
  return (
    <span className="carry__text">
      <span className="carry__from">{from}：</span>
      {long && !open ? `${letters.slice(0, SHOWN).join('')}…` : text}
      {long && (
        <button
          type="button"
          className="carry__more"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? '短く表示' : '全文を表示'}
        </button>
      )}
    </span>
  );
}

/** Above the fields: how many empty ones can be filled from other sheets, and all of them at once. */
export function CarryBar({
  definition,
  carrying,
  references,
  isEmpty,
}: {
  definition: FormDefinition;
  carrying: Carrying;
  references: References;
  /** Whether a field is shown and holds nothing. */
  isEmpty: (field: Field) => boolean;
}) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  // Of one field the nearest source stands first.
  const found = fieldsOf(definition).flatMap((field) => {
    const offer = carrying.offers.find((candidate) => candidate.field === field.id);
    return offer && isEmpty(field) ? [{ field, offer }] : [];
  });
  if (found.length === 0) return null;
  const take = async () => {
    setBusy(true);
    await carrying.take(found.map(({ offer }) => offer));
    setBusy(false);
    setOpen(false);
  };
  return (
    <div className="carry-bar no-print">
      <Icon name="doc" size="s" />
      <p>
        ほかの記録に書いてある内容を、空いている<strong>{found.length}つの欄</strong>
        に引き継げます。
      </p>
      <Button size="s" onClick={() => setOpen(true)}>
        内容を見てまとめて引き継ぐ
      </Button>
      <Dialog
        title={`${found.length}つの欄に引き継ぎますか`}
        isOpen={open}
        onClose={() => setOpen(false)}
        footer={
          <>
            <Button variant="quiet" onClick={() => setOpen(false)}>
              やめる
            </Button>
            <Button variant="primary" busy={busy} onClick={() => void take()}>
              引き継ぐ
            </Button>
          </>
        }
      >
        <p>
          すでに書かれている欄は変わりません。引き継いだあとも自由に直せます。この様式を見られる機関に、引き継いだ内容も見えるようになります。
        </p>
        <dl className="description carry-list">
          {found.map(({ field, offer }) => (
            <div key={field.id} className="description__row">
              <dt>
                {field.label}
                <span className="soft">{sourceName(offer)}から</span>
              </dt>
              <dd>{offerText(definition, field, offer, references)}</dd>
            </div>
          ))}
        </dl>
      </Dialog>
    </div>
  );
}
