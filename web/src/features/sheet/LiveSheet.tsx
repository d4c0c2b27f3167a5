import { useQuery } from '@tanstack/react-query';
import { useMemo, type ReactNode } from 'react';
import { useSession } from '../../app/session';
import { api } from '../../api/client';
import type { DocumentInfo, Projection, SeenBy } from '../../api/types';
import type { FormDefinition } from '../../forms/definition';
import type { Values } from '../../forms/rules';
import { useForm } from '../../forms/use-form';
import { problemText } from '../../i18n/problems';
import { useConnectionState, useDocument, useShared, type LiveDocument } from '../../sync/hooks';
import { Card, Empty, Notice, Progress } from '../../ui';
import type { References } from './FieldEditor';
import { SheetEditor } from './SheetEditor';
import { SheetView } from './SheetView';
import { OnlineMembers, SaveStatus } from './Status';
import { asCells, fieldsMap, readValues } from './values';

/** What {@link LiveSheet} needs from the case around it. */
interface LiveSheetProps {
  documentId: string;
  /** Form of the sheet, when known before the document is (`intake_assessment`). */
  formId: string;
  seenBy: readonly SeenBy[];
  references?: Partial<References>;
  outside?: Values;
  /** Right end of the sheet's head line. */
  aside?: ReactNode;
}

/**
 * A sheet of a case: edited together, read live, or as its masked projection, whichever the
 * reader's level allows. Says so when the document is gone or the right was taken away.
 */
export function LiveSheet(props: LiveSheetProps) {
  const { live } = useDocument(props.documentId);
  const form = useForm(props.formId);
  const { session } = useSession();
  const { users, orgs, persons } = props.references ?? {};
  const references = useMemo<References>(
    () => ({
      users: users ?? [{ code: session.account.id, label: session.account.name }],
      orgs:
        orgs ?? session.memberships.map(({ agency }) => ({ code: agency.id, label: agency.name })),
      persons: persons ?? [],
    }),
    [users, orgs, persons, session],
  );
  if (form.isError)
    return (
      <Notice tone="error" live>
        {problemText(form.error)}
      </Notice>
    );
  return form.data === undefined ? (
    <Progress label="様式を読み込んでいます" />
  ) : (
    <Content {...props} live={live} definition={form.data} references={references} />
  );
}

function Content({
  live,
  definition,
  references,
  seenBy,
  outside,
  aside,
  documentId,
}: LiveSheetProps & { live: LiveDocument; definition: FormDefinition; references: References }) {
  switch (live.kind) {
    case 'loading':
      return <Progress label="記録を読み込んでいます" />;
    case 'denied':
      return <Denied />;
    case 'masked':
      return <MaskedSheet documentId={documentId} definition={definition} />;
    case 'live':
      return (
        <WhenSynced live={live}>
          {live.connection.writable ? (
            <SheetEditor
              connection={live.connection}
              definition={definition}
              references={references}
              seenBy={seenBy}
              {...(outside ? { outside } : {})}
              aside={aside}
            />
          ) : (
            <LiveReading live={live} definition={definition} references={references} />
          )}
        </WhenSynced>
      );
  }
}

/** Nothing of a sheet is drawn, and nothing can be typed, before the whole document is here. */
function WhenSynced({
  live,
  children,
}: {
  live: Extract<LiveDocument, { kind: 'live' }>;
  children: ReactNode;
}) {
  const { synced, save } = useConnectionState(live.connection);
  if (synced) return children;
  return save === 'offline' ? (
    <Notice tone="warning" live title="まだ読み込めていません">
      サーバーにつながりません。自動で接続し直しています。
    </Notice>
  ) : (
    <Progress label="記録を読み込んでいます" />
  );
}

/** Shown in place of a document that may not be seen (any more). */
function Denied() {
  return (
    <Empty icon="lock" title="この記録は、あなたの機関には開示されていません">
      開示範囲が変わった可能性があります。必要な場合は、主担当に連絡してください。
    </Empty>
  );
}

function LiveReading({
  live,
  definition,
  references,
}: {
  live: { connection: Extract<LiveDocument, { kind: 'live' }>['connection']; info: DocumentInfo };
  definition: FormDefinition;
  references: References;
}) {
  const fields = useMemo(() => fieldsMap(live.connection.doc), [live.connection]);
  const values = useShared(fields, () => readValues(definition, fields));
  const cells = useMemo(() => asCells(definition, values), [definition, values]);
  return (
    <Card
      title={definition.title}
      icon="eye"
      aside={
        <span className="row">
          <OnlineMembers connection={live.connection} compact />
          <SaveStatus connection={live.connection} />
        </span>
      }
    >
      <Notice tone="info">
        {live.info.state === 'final'
          ? '確定した記録です。訂正するときは、訂正の記録を追加してください。'
          : 'あなたの機関は閲覧のみです。書き込みはできません。'}
      </Notice>
      <SheetView definition={definition} fields={cells} references={references} />
    </Card>
  );
}

/** The masked projection of a sheet, asked for again from time to time and on case events. */
function MaskedSheet({
  documentId,
  definition,
}: {
  documentId: string;
  definition: FormDefinition;
}) {
  const projection = useQuery({
    queryKey: ['documents', documentId, 'projection'],
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${documentId}/projection`, undefined, signal),
    refetchInterval: 10_000,
  });
  if (projection.isError)
    return (
      <Notice tone="error" live>
        {problemText(projection.error)}
      </Notice>
    );
  if (!projection.data) return <Progress label="マスク済みの記録を読み込んでいます" />;
  return (
    <Card
      title="マスク済み（個人情報として取扱い）"
      icon="mask"
      tone="purple"
      aside={
        <span className="soft number">
          {new Date(projection.data.generated_at).toLocaleString('ja-JP', {
            dateStyle: 'medium',
            timeStyle: 'short',
          })}{' '}
          の版
        </span>
      }
    >
      {projection.data.notice === 'not_scanned' ? (
        <Notice tone="warning">
          まだ伏せることばの検出が終わっていません。終わると、ここに表示されます。
        </Notice>
      ) : (
        <SheetView definition={definition} fields={projection.data.fields} />
      )}
    </Card>
  );
}
