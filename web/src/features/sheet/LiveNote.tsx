import { useId } from 'react';
import { useConnectionState, useDocument, usePeers } from '../../sync/hooks';
import type { DocumentConnection } from '../../sync/connection';
import { Field, Progress } from '../../ui';
import { Denied } from './LiveSheet';
import { LiveText } from './LiveText';
import { BlockedNotice, OnlineMembers, SaveStatus, Typing } from './Status';

/** A 共有メモ: one text written together. */
export function LiveNote({
  documentId,
  label = '共有メモ',
}: {
  documentId: string;
  label?: string;
}) {
  const { live } = useDocument(documentId);
  if (live.kind === 'live') return <Note connection={live.connection} label={label} />;
  return live.kind === 'loading' ? <Progress label="メモを読み込んでいます" /> : <Denied />;
}

function Note({ connection, label }: { connection: DocumentConnection; label: string }) {
  const id = useId();
  const { synced } = useConnectionState(connection);
  const peers = usePeers(connection).filter((peer) => peer.field === 'content');
  if (!synced) return <Progress label="メモを読み込んでいます" />;
  return (
    <div className="stack">
      <div className="row row--between">
        <OnlineMembers connection={connection} compact />
        <SaveStatus connection={connection} />
      </div>
      <BlockedNotice connection={connection} />
      <Field label={label} id={id} aside={<Typing peers={peers} />}>
        {(ids) => (
          <LiveText
            connection={connection}
            text={connection.doc.getText('content')}
            path="content"
            peers={peers}
            ids={ids}
            multiline
            readOnly={!connection.writable}
          />
        )}
      </Field>
    </div>
  );
}
