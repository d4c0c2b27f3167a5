import { useQuery } from '@tanstack/react-query';
import { useMemo, type ComponentProps, type ReactNode } from 'react';
import { useSession } from '../../app/session';
import { api, ApiError } from '../../api/client';
import type { DocumentInfo, Projection, Schema, SeenBy } from '../../api/types';
import { fieldsOf, type FormDefinition } from '../../forms/definition';
import { calculate, type Values } from '../../forms/rules';
import { useForm, useNewFields } from '../../forms/use-form';
import { problemText } from '../../i18n/problems';
import type { DocumentConnection } from '../../sync/connection';
import { useConnectionState, useDocument, useShared, type LiveDocument } from '../../sync/hooks';
import { Card, Empty, Notice, Progress } from '../../ui';
import { dateTime, localDate } from '../cases/dates';
import { useCarrying } from './Carry';
import { decided } from './decided';
import { HistoryLink, PrintLink } from './HistoryLink';
import type { References } from './FieldEditor';
import { useDocumentInfo } from './Finals';
import { SheetEditor } from './SheetEditor';
import { SheetView } from './SheetView';
import { BlockedNotice, OnlineMembers, SaveStatus } from './Status';
import { asCells, fieldsMap, readValues } from './values';

/** What {@link LiveSheet} needs from the case around it. */
interface LiveSheetProps {
  documentId: string;
  /** Form of the sheet, when known before the document is (`intake_assessment`). */
  formId: string;
  seenBy: readonly SeenBy[];
  references?: Partial<References>;
  outside?: Values;
  /** Of a plan: the 支援決定 that was made on it. */
  decision?: Schema<'SupportDecision'> | undefined;
  /** Address of the sheet's history, for readers of the original. */
  history?: string;
  /** Right end of the sheet's head line, while it can be written. */
  aside?: (connection: DocumentConnection, definition: FormDefinition) => ReactNode;
}

/**
 * A sheet of a case: edited together, read live, or as its masked projection, whichever the
 * reader's level allows. Says so when the document is gone or the right was taken away.
 */
export function LiveSheet(props: LiveSheetProps) {
  const { live } = useDocument(props.documentId);
  // A final sheet is read by the definition of its time.
  const info = useDocumentInfo(props.documentId);
  const form = useForm(props.formId, info.data?.forms_version);
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
  decision,
  aside,
  history,
  documentId,
}: LiveSheetProps & { live: LiveDocument; definition: FormDefinition; references: References }) {
  switch (live.kind) {
    case 'loading':
      return <Progress label="記録を読み込んでいます" />;
    case 'denied':
      return <Denied />;
    case 'masked':
      return (
        <ProjectedSheet
          documentId={documentId}
          definition={definition}
          references={references}
          decision={decision}
          masked
        />
      );
    case 'live':
      return (
        <WhenSynced
          live={live}
          meanwhile={
            <ProjectedSheet
              documentId={documentId}
              definition={definition}
              references={references}
              decision={decision}
            />
          }
        >
          {live.connection.writable ? (
            <WritableSheet
              documentId={documentId}
              connection={live.connection}
              definition={definition}
              references={references}
              seenBy={seenBy}
              {...(outside ? { outside } : {})}
              {...(history ? { history } : {})}
              aside={aside?.(live.connection, definition)}
            />
          ) : (
            <LiveReading
              live={live}
              definition={definition}
              references={references}
              history={history}
              outside={outside}
              decision={decision}
            />
          )}
        </WhenSynced>
      );
  }
}

function WritableSheet({
  documentId,
  ...props
}: ComponentProps<typeof SheetEditor> & { documentId: string }) {
  const { connection, definition } = props;
  const fields = useMemo(() => fieldsMap(connection.doc), [connection]);
  useNewFields(definition, fields);
  return <SheetEditor {...props} carrying={useCarrying(documentId, true)} />;
}

/**
 * Nothing can be typed before the whole document is here. Where the gateway lets no live editing
 * through, the sheet can be read `meanwhile`.
 */
function WhenSynced({
  live,
  meanwhile,
  children,
}: {
  live: Extract<LiveDocument, { kind: 'live' }>;
  meanwhile: ReactNode;
  children: ReactNode;
}) {
  const { synced, save, blocked, damaged } = useConnectionState(live.connection);
  if (synced) return children;
  if (blocked || damaged)
    return (
      <>
        <BlockedNotice connection={live.connection} />
        {meanwhile}
      </>
    );
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
  history,
  outside,
  decision,
}: {
  live: { connection: Extract<LiveDocument, { kind: 'live' }>['connection']; info: DocumentInfo };
  definition: FormDefinition;
  references: References;
  history: string | undefined;
  outside: Values | undefined;
  decision: Schema<'SupportDecision'> | undefined;
}) {
  const { session } = useSession();
  const today = localDate(new Date(), session.municipality.zone);
  const fields = useMemo(() => fieldsMap(live.connection.doc), [live.connection]);
  const values = useShared(fields, () => readValues(definition, fields));
  const cells = useMemo(() => {
    const calculated = fieldsOf(definition)
      .filter((field) => field.type === 'calc')
      .map((field) => [field.id, calculate(definition, field, values, today, outside)]);
    const all: Values = { ...values, ...(Object.fromEntries(calculated) as Values) };
    return decided(asCells(definition, all), decision);
  }, [definition, values, today, outside, decision]);
  return (
    <Card
      title={definition.title}
      icon="eye"
      aside={
        <span className="row">
          <OnlineMembers connection={live.connection} compact />
          <SaveStatus connection={live.connection} />
          <PrintLink documentId={live.info.id} />
          {history && <HistoryLink href={history} />}
        </span>
      }
    >
      <Notice tone="info">
        {live.info.state === 'final'
          ? '確定した記録です。書き込みはできません。'
          : 'あなたの機関は閲覧のみです。書き込みはできません。'}
      </Notice>
      <SheetView definition={definition} fields={cells} references={references} />
    </Card>
  );
}

/**
 * The projection of a sheet, as masked as the reader's level wants it; asked for again from time to
 * time and on case events.
 */
function ProjectedSheet({
  documentId,
  definition,
  references,
  decision,
  masked = false,
}: {
  documentId: string;
  definition: FormDefinition;
  /** Names of those whom the reader knows of anyway. */
  references: References;
  decision: Schema<'SupportDecision'> | undefined;
  masked?: boolean;
}) {
  const { session } = useSession();
  const projection = useQuery({
    queryKey: ['documents', documentId, 'projection'],
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${documentId}/projection`, undefined, signal),
    refetchInterval: 10_000,
  });
  const { error } = projection;
  if (error instanceof ApiError && (error.status === 403 || error.status === 404))
    return <Denied />;
  // One answer that did not come leaves the last one standing.
  if (error && !projection.data)
    return (
      <Notice tone="error" live>
        {problemText(error)}
      </Notice>
    );
  if (!projection.data)
    return (
      <Progress label={masked ? 'マスク済みの記録を読み込んでいます' : '記録を読み込んでいます'} />
    );
  return (
    <Card
      title={masked ? 'マスク済み（個人情報として取扱い）' : `${definition.title}（閲覧のみ）`}
      icon={masked ? 'mask' : 'eye'}
      {...(masked ? { tone: 'purple' as const } : {})}
      aside={
        <span className="row">
          {projection.data.generated_at && (
            <span className="soft number">
              {dateTime(projection.data.generated_at, session.municipality.zone)} の版
            </span>
          )}
          <PrintLink documentId={documentId} />
        </span>
      }
    >
      {error && (
        <Notice tone="warning" live>
          最新の内容を読み込めていません。自動で読み直しています。
        </Notice>
      )}
      {projection.data.notice === 'not_scanned' ? (
        <Notice tone="warning">
          まだ伏せることばの検出が終わっていません。終わると、ここに表示されます。
        </Notice>
      ) : (
        <SheetView
          definition={definition}
          fields={decided(projection.data.fields, decision)}
          references={references}
        />
      )}
    </Card>
  );
}
