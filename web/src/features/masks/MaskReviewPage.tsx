import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api } from '../../api/client';
import type { DocumentInfo } from '../../api/types';
import type { PageProps } from '../../app/routes';
import { useConnectionState, useDocument } from '../../sync/hooks';
import type { DocumentConnection } from '../../sync/connection';
import { Empty, LinkButton, Notice, Progress } from '../../ui';
import { QueryState } from '../cases/parts';
import { BlockedNotice } from '../sheet';
import { sectionLabel } from '../cases/vocabulary';
import { ReviewBoard } from './ReviewBoard';
import './masks.css';

/** 「マスク確認」 of one document: opens the text and its masks side by side. */
export default function MaskReviewPage({ params }: PageProps) {
  const id = params['documentId'] ?? '';
  const query = useQuery({
    queryKey: ['document', id],
    queryFn: ({ signal }) => api.get<DocumentInfo>(`documents/${id}`, undefined, signal),
  });
  if (!query.data)
    return (
      <>
        <h1 tabIndex={-1}>マスク確認</h1>
        <QueryState query={query} what="記録" />
      </>
    );
  if (!query.data.masks_document_id)
    return (
      <Empty
        icon="lock"
        title="この記録のマスクを確認する権限がありません"
        action={<LinkButton href="/mask-reviews">一覧へ戻る</LinkButton>}
      >
        マスクの確認は、記録を編集できる多機関協働事業者の職員が行います。
      </Empty>
    );
  return <Documents key={id} info={query.data} masksId={query.data.masks_document_id} />;
}

function Documents({ info, masksId }: { info: DocumentInfo; masksId: string }) {
  const parent = useDocument(info.id);
  const masks = useDocument(masksId);
  if (
    parent.live.kind === 'denied' ||
    parent.live.kind === 'masked' ||
    masks.live.kind === 'denied' ||
    masks.live.kind === 'masked'
  )
    return (
      <Empty
        icon="lock"
        title="この記録を開けません"
        action={<LinkButton href="/mask-reviews">一覧へ戻る</LinkButton>}
      >
        開示の設定が変わったか、権限がありません。必要なときは主担当にご相談ください。
      </Empty>
    );
  return (
    <>
      {masks.refusal && (
        <Notice tone="error" live title="確認の結果を保存できませんでした">
          最新の状態を読み込み直しました。もう一度確認してください。
        </Notice>
      )}
      {parent.live.kind === 'live' && masks.live.kind === 'live' ? (
        <Opened info={info} parent={parent.live.connection} masks={masks.live.connection} />
      ) : (
        <Waiting info={info} />
      )}
    </>
  );
}

function Waiting({ info, connection }: { info: DocumentInfo; connection?: DocumentConnection }) {
  return (
    <>
      <h1 tabIndex={-1}>マスク確認　{sectionLabel(info.section ?? info.kind)}</h1>
      {connection && <BlockedNotice connection={connection} />}
      <Progress label="記録とマスクの候補を読み込んでいます" />
      <p>
        <Link href="/mask-reviews">一覧へ戻る</Link>
      </p>
    </>
  );
}

function Opened({
  info,
  parent,
  masks,
}: {
  info: DocumentInfo;
  parent: DocumentConnection;
  masks: DocumentConnection;
}) {
  const parentState = useConnectionState(parent);
  const masksState = useConnectionState(masks);
  if (!parentState.synced || !masksState.synced)
    return <Waiting info={info} connection={parentState.synced ? masks : parent} />;
  return <ReviewBoard info={info} parent={parent} masks={masks} />;
}
