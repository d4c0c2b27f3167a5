import { Link } from 'wouter';
import { LinkButton } from '../../ui';

/** To the history of a sheet. */
export function HistoryLink({ href }: { href: string }) {
  return (
    <LinkButton href={href} size="s" variant="quiet" icon="clock">
      履歴
    </LinkButton>
  );
}

/** To the sheet as it comes out on paper. */
export function PrintLink({ documentId }: { documentId: string }) {
  return (
    <LinkButton href={`/print/${documentId}`} size="s" variant="quiet" icon="print">
      印刷
    </LinkButton>
  );
}

/** 「この欄の履歴」, beside a field. */
export function FieldHistoryLink({
  history,
  field,
  label,
}: {
  history: string;
  field: string;
  label: string;
}) {
  return (
    <Link className="field-history" href={`${history}?field=${encodeURIComponent(field)}`}>
      <span className="visually-hidden">{label}：この欄の</span>履歴
    </Link>
  );
}
