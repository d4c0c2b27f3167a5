import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import { Empty, LinkButton, Notice, PageHead, Table, Tag } from '../../ui';
import type { Schema } from '../../api/types';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { sectionLabel } from '../cases/vocabulary';

/** 「マスク確認」: documents with suggestions that nobody has decided yet. */
export default function MaskReviewListPage() {
  const { session } = useSession();
  const query = useQuery({
    queryKey: ['mask-reviews'],
    queryFn: ({ signal }) => api.get<Schema<'ReviewList'>>('mask-reviews', undefined, signal),
    refetchInterval: 30_000,
  });
  const reviews = [...(query.data?.items ?? [])].sort((a, b) => b.pending - a.pending);
  return (
    <>
      <PageHead
        title="マスク確認"
        lead="確認していないことばは、伏せたまま相手に見えます。確認すると、伏せ過ぎと伏せ漏れを直せます。"
      />
      <div className="card">
        {!query.data && (
          <div className="card__body">
            <QueryState query={query} what="確認待ち" />
          </div>
        )}
        {query.data && reviews.length === 0 && (
          <Empty
            icon="mask"
            title="確認待ちはありません"
            action={<LinkButton href="/cases">事案の一覧へ</LinkButton>}
          >
            マスク済みで開示している記録に新しい文が書かれると、ここに並びます。
          </Empty>
        )}
        {query.data?.more && (
          <div className="card__body">
            <Notice tone="info">
              {`長く待っているものから${reviews.length}件を示しています。確認すると、続きが出てきます。`}
            </Notice>
          </div>
        )}
        {query.data && reviews.length > 0 && (
          <Table
            caption="確認待ちの記録"
            captionHidden
            rows={reviews}
            rowKey={(review) => review.document_id}
            columns={[
              {
                key: 'what',
                head: '記録',
                header: true,
                cell: (review) => (
                  <>
                    <Link href={`/mask-reviews/${review.document_id}`}>
                      {sectionLabel(review.section ?? review.kind)}
                    </Link>
                    <div className="soft">
                      <span className="number">{review.case_no}</span>
                    </div>
                  </>
                ),
              },
              {
                key: 'pending',
                head: '未確認',
                cell: (review) =>
                  review.pending > 0 ? (
                    <Tag tone="orange" icon="warning" small>
                      残り {review.pending}
                    </Tag>
                  ) : (
                    <Tag tone="green" icon="check" small>
                      すべて確認済み
                    </Tag>
                  ),
              },
              {
                key: 'at',
                head: '最後の検出',
                cell: (review) => (
                  <span className="nowrap">
                    {dateTime(review.updated_at, session.municipality.zone)}
                  </span>
                ),
              },
            ]}
          />
        )}
      </div>
    </>
  );
}
