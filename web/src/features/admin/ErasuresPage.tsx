import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import { Button, ConfirmDialog, Empty, PageHead, Table, Tag, useToast } from '../../ui';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { AdminTabs } from './AdminTabs';
import { AskErasure } from './AskErasure';
import { countsText, targetText, type Erasure } from './erasures';
import './admin.css';

/** 「消去」: requests, approval by another person, and the 廃棄記録, which can be printed. */
export default function ErasuresPage() {
  const client = useQueryClient();
  const toast = useToast();
  const { session, can } = useSession();
  const query = useQuery({
    queryKey: ['erasures'],
    queryFn: ({ signal }) => api.get<Schema<'ErasureList'>>('erasures', undefined, signal),
    // What is being carried out goes on by itself.
    refetchInterval: (state) =>
      state.state.data?.items.some((item) => item.state === 'approved') ? 2_000 : 30_000,
  });
  const [asking, setAsking] = useState(false);
  const [asked, setAsked] = useState<{ erasure: Erasure; act: 'approve' | 'reject' } | null>(null);
  const [busy, setBusy] = useState(false);
  const items = query.data?.items ?? [];
  const open = items.filter((item) => item.state === 'requested' || item.state === 'approved');
  const closed = items.filter((item) => item.state === 'done' || item.state === 'rejected');
  const refresh = (): Promise<void> => client.invalidateQueries({ queryKey: ['erasures'] });

  const act = async (): Promise<void> => {
    if (!asked || busy) return;
    setBusy(true);
    try {
      await api.post(`erasures/${asked.erasure.id}/${asked.act}`);
      toast(asked.act === 'approve' ? '承認しました。消去を始めます。' : '却下しました。');
      await refresh();
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
    } finally {
      setAsked(null);
      setBusy(false);
    }
  };

  return (
    <>
      <PageHead
        title="消去"
        lead="誤入力・保存期限の満了・訂正や利用停止の請求による消去です。申請した人とは別の人の承認で実行され、元に戻せません。"
        actions={
          can('erase_request') && (
            <Button variant="primary" icon="plus" onClick={() => setAsking(true)}>
              消去を申請する
            </Button>
          )
        }
      />
      <AdminTabs current="erasures" />
      <div className="erasures">
        <div className="card">
          {!query.data && (
            <div className="card__body">
              <QueryState query={query} what="消去の申請" />
            </div>
          )}
          {query.data && (
            <Table
              caption="承認待ちと実行中"
              rows={open}
              rowKey={(item) => item.id}
              empty={
                <Empty icon="check" title="承認待ちの申請はありません">
                  消去するものがあるときは「消去を申請する」から始めます。
                </Empty>
              }
              columns={[
                {
                  key: 'target',
                  head: '対象',
                  header: true,
                  cell: (item) => (
                    <>
                      <strong>{targetText(item)}</strong>
                      <br />
                      <span className="soft">{item.scope_label}</span>
                    </>
                  ),
                },
                {
                  key: 'ground',
                  head: '根拠と理由',
                  cell: (item) => (
                    <>
                      {item.ground_label}
                      {item.reason && <p className="soft erasure-reason">{item.reason}</p>}
                    </>
                  ),
                },
                {
                  key: 'by',
                  head: '申請',
                  cell: (item) => (
                    <>
                      {item.requested_by}
                      <br />
                      <span className="number">
                        {dateTime(item.requested_at, session.municipality.zone)}
                      </span>
                    </>
                  ),
                },
                {
                  key: 'state',
                  head: '状態',
                  cell: (item) =>
                    item.state === 'approved' ? (
                      <Tag tone="blue" icon="refresh" small>
                        実行中{item.step_label ? `：${item.step_label}` : ''}
                      </Tag>
                    ) : (
                      <Tag tone="orange" icon="warning" small>
                        承認待ち
                      </Tag>
                    ),
                },
                {
                  key: 'act',
                  head: '操作',
                  cell: (item) => (
                    <Decision
                      item={item}
                      onAsk={(step) => setAsked({ erasure: item, act: step })}
                    />
                  ),
                },
              ]}
            />
          )}
        </div>
        {query.data && (
          <div className="card">
            <Table
              caption="廃棄記録"
              rows={closed}
              rowKey={(item) => item.id}
              empty={
                <Empty icon="folder" title="廃棄記録はまだありません">
                  消去が終わると、何を・いつ・だれが・どの根拠で消したかがここに残ります。消した内容は残りません。
                </Empty>
              }
              columns={[
                {
                  key: 'target',
                  head: '対象',
                  header: true,
                  cell: (item) => (
                    <>
                      <strong>{targetText(item)}</strong>
                      <br />
                      <span className="soft">{item.scope_label}</span>
                    </>
                  ),
                },
                {
                  key: 'ground',
                  head: '根拠',
                  cell: (item) => <div className="erasure-ground">{item.ground_label}</div>,
                },
                {
                  key: 'requested',
                  head: '申請',
                  cell: (item) => (
                    <>
                      {item.requested_by}
                      <br />
                      <span className="number">
                        {dateTime(item.requested_at, session.municipality.zone)}
                      </span>
                    </>
                  ),
                },
                {
                  key: 'decided',
                  head: '承認・却下',
                  cell: (item) => (
                    <>
                      {item.decided_by ?? '—'}
                      <br />
                      <span className="number">
                        {dateTime(item.decided_at, session.municipality.zone)}
                      </span>
                    </>
                  ),
                },
                {
                  key: 'done',
                  head: '結果',
                  cell: (item) =>
                    item.state === 'done' ? (
                      <>
                        <span className="number">
                          {dateTime(item.done_at, session.municipality.zone)}
                        </span>{' '}
                        消去済み
                        <br />
                        <span className="soft">{countsText(item.counts)}</span>
                      </>
                    ) : (
                      '却下'
                    ),
                },
                {
                  key: 'id',
                  head: '記録番号',
                  cell: (item) => <code className="erasure-id">{item.id}</code>,
                },
              ]}
            />
            {closed.length > 0 && (
              <div className="card__body no-print">
                <Button icon="print" onClick={() => window.print()}>
                  廃棄記録を印刷する
                </Button>
              </div>
            )}
          </div>
        )}
      </div>
      {asking && (
        <AskErasure
          onClose={() => setAsking(false)}
          onDone={() => {
            setAsking(false);
            toast('申請しました。別の人の承認を待ちます。');
            void refresh();
          }}
        />
      )}
      {asked && (
        <ConfirmDialog
          title={
            asked.act === 'approve'
              ? `${targetText(asked.erasure)}の消去を承認しますか`
              : `${targetText(asked.erasure)}の申請を${asked.erasure.mine ? '取り下げ' : '却下し'}ますか`
          }
          isOpen
          onCancel={() => setAsked(null)}
          onConfirm={() => void act()}
          confirmLabel={
            asked.act === 'approve'
              ? '承認して消去する'
              : asked.erasure.mine
                ? '取り下げる'
                : '却下する'
          }
          danger={asked.act === 'approve'}
          busy={busy}
        >
          {asked.act === 'approve' ? (
            <>
              <p>
                承認するとすぐに消去が始まり、止めることも元に戻すこともできません。この事案を開いている人の画面は読み込み直しになります。
              </p>
              <p>
                これより前のデータの控えからも、この事案は戻せなくなります。終わったら新しい控えを作ってください。
              </p>
            </>
          ) : (
            <p>消去は行われません。必要になったら、あらためて申請してください。</p>
          )}
        </ConfirmDialog>
      )}
    </>
  );
}

/** What this person may do with an open request, or why nothing. */
function Decision({ item, onAsk }: { item: Erasure; onAsk: (act: 'approve' | 'reject') => void }) {
  const { can } = useSession();
  if (item.state !== 'requested') return <span className="soft">実行中は変えられません</span>;
  const name = targetText(item);
  return (
    <div className="row">
      {can('erase_approve') && !item.mine && (
        <Button size="s" onClick={() => onAsk('approve')} aria-label={`${name}の消去を承認する`}>
          承認する
        </Button>
      )}
      {(item.mine || can('erase_approve')) && (
        <Button
          size="s"
          variant="quiet"
          onClick={() => onAsk('reject')}
          aria-label={`${name}の申請を${item.mine ? '取り下げる' : '却下する'}`}
        >
          {item.mine ? '取り下げる' : '却下する'}
        </Button>
      )}
      {item.mine && <span className="soft">申請した本人は承認できません</span>}
    </div>
  );
}
