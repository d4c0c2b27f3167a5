import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api, ApiError, apiUrl } from '../../api/client';
import type { Schema } from '../../api/types';
import type { PageProps } from '../../app/routes';
import { SaveLink } from '../../app/saving';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import { Button, Card, Checkbox, ConfirmDialog, Notice, PageHead, Progress, Tabs } from '../../ui';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import {
  countsText,
  encodingText,
  failureText,
  firstKind,
  isWorking,
  KIND_LABELS,
  KINDS,
  leftText,
  nothingToTake,
  stateText,
  type ImportAnswer,
  type Kind,
} from './api';
import { MappingCard } from './MappingCard';
import { RowsTable } from './RowsTable';
import './exchange.css';

/** One import: how far it is, what is wrong, what would change, and the button that does it. */
export default function ImportPage({ params }: PageProps) {
  const id = params.importId ?? '';
  const { session } = useSession();
  const client = useQueryClient();
  const query = useQuery({
    queryKey: ['imports', id],
    queryFn: ({ signal }) => api.get<ImportAnswer>(`imports/${id}`, undefined, signal),
    refetchInterval: (state) =>
      state.state.data && isWorking(state.state.data.state) ? 700 : false,
  });
  const [skip, setSkip] = useState(false);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const entry = query.data;
  const refresh = async (): Promise<void> => {
    await client.invalidateQueries({ queryKey: ['imports'] });
  };
  const act = async (work: () => Promise<unknown>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      await refresh();
      setBusy(false);
    }
  };
  const errors = entry?.counts.error ?? 0;
  const writes = (entry?.counts.create ?? 0) + (entry?.counts.update ?? 0);
  const file = entry?.file;
  const unfit = file ? [...file.missing, ...file.doubled] : [];
  const refusal =
    unfit.length > 0
      ? '見出しを直して送り直すか、「ここにない名前」で列を選んでください。'
      : errors > 0 && !skip
        ? '誤りを直して送り直すか、「除いて取り込む」に印を付けてください。'
        : null;

  return (
    <>
      <PageHead
        title={entry ? `取込：${entry.title}` : '取込'}
        lead={
          entry &&
          `${dateTime(entry.created_at, session.municipality.zone)} に送ったファイル　${stateText(entry)}`
        }
      />
      <div className="exchange">
        <p>
          <Link href="/exchange/import">取込・出力へ戻る</Link>
        </p>
        {!entry && <QueryState query={query} what="取込" />}
        {problem && entry?.state !== 'ready' && (
          <Notice tone="error" live title="進められませんでした">
            {problem}
          </Notice>
        )}
        {entry && isWorking(entry.state) && (
          <Card>
            <div className="stack">
              <Progress
                label={`${stateText(entry)}。この画面を離れても続きます。`}
                {...(entry.progress && entry.progress.total > 0
                  ? { value: entry.progress.done / entry.progress.total }
                  : {})}
              />
              {entry.state === 'filling' && (
                <p className="soft">書き込むことは決まりました。シートに1枚ずつ入れています。</p>
              )}
              {entry.state === 'indexing' && (
                <p className="soft">
                  書き込みは終わりました。名前や電話番号で探せるようにしています。
                </p>
              )}
            </div>
          </Card>
        )}
        {entry?.state === 'done' && (
          <Notice tone="done" live title="取り込みました">
            {countsText(entry.counts)}
            {errors > 0 && '（誤りのある行は取り込んでいません）'}。送ったファイルは消しました。
            {leftText(entry.counts)}
          </Notice>
        )}
        {entry?.state === 'failed' && (
          <Notice tone="warning" live title={stateText(entry)}>
            {failureText(entry.failure)}
          </Notice>
        )}
        {entry?.state === 'ready' && file && (
          <>
            {file.again && (
              <Notice tone="warning" live title="確認し直しました">
                実行するまでのあいだに、ほかの人が同じ記録を変えていました。何も書き込まずに確認し直したので、差分をもう一度見てください。
              </Notice>
            )}
            {unfit.length > 0 && (
              <Notice tone="error" title="この見出しでは取り込めません">
                {file.missing.length > 0 && (
                  <p>必ず要る列がありません：「{file.missing.join('」「')}」</p>
                )}
                {file.doubled.length > 0 && (
                  <p>同じ項目の列が2つあります：「{file.doubled.join('」「')}」</p>
                )}
              </Notice>
            )}
            <MappingCard entry={entry} onChanged={refresh} />
            <Card title="確認の結果" icon="check">
              <div className="stack">
                <p>
                  全{file.rows.toLocaleString('ja-JP')}行（{encodingText(file.encoding)}）。
                  {countsText(entry.counts)}。
                </p>
                {file.mended > 0 && (
                  <p>
                    直して読んだところ、確かめてほしいところがある行が
                    {file.mended.toLocaleString('ja-JP')}行あります（表の「気をつけること」）。
                  </p>
                )}
                {file.alike > 0 && (
                  <Notice tone="warning" title={`台帳に似た方がいる行が${file.alike}行あります`}>
                    同じ方なら、その行の支援対象者IDに台帳のIDを入れて送り直してください。このまま実行すると、新しい方として加えます。
                  </Notice>
                )}
                <div className="row">
                  {errors > 0 && (
                    <SaveLink
                      href={apiUrl(`imports/${id}/errors.csv`).href}
                      name="取込の誤り.csv"
                      icon="download"
                    >
                      誤りの一覧（CSV）
                    </SaveLink>
                  )}
                </div>
              </div>
            </Card>
            <Rows id={id} entry={entry} onAgain={refresh} />
            <Card title="実行" icon="upload">
              <div className="stack">
                {writes === 0 ? (
                  <Notice tone="warning" title="取り込める行がありません">
                    {unfit.length > 0
                      ? '見出しを直して送り直すか、「ここにない名前」で列を選んでください。'
                      : nothingToTake(entry.counts)}
                  </Notice>
                ) : (
                  <>
                    {errors > 0 && (
                      <Checkbox
                        label={`誤りのある${errors.toLocaleString('ja-JP')}行を除いて取り込む`}
                        checked={skip}
                        onChange={setSkip}
                      />
                    )}
                    <p className="soft">
                      全部をまとめて書き込みます。途中で失敗したときは、1行も書き込みません。
                      24時間実行しないと、ファイルを消します。
                    </p>
                    {problem && (
                      <Notice tone="error" live title="進められませんでした">
                        {problem}
                      </Notice>
                    )}
                  </>
                )}
                <div className="row">
                  {writes > 0 && (
                    <Button
                      variant="primary"
                      busy={busy}
                      onClick={() => {
                        setProblem(refusal);
                        if (refusal === null) setAsking(true);
                      }}
                    >
                      {`${writes.toLocaleString('ja-JP')}行を取り込む`}
                    </Button>
                  )}
                  <Button
                    variant="quiet"
                    icon="trash"
                    onClick={() => void act(() => api.delete(`imports/${id}`))}
                  >
                    やめてファイルを消す
                  </Button>
                </div>
              </div>
            </Card>
          </>
        )}
      </div>
      {asking && entry && (
        <ConfirmDialog
          title={`${writes.toLocaleString('ja-JP')}行を取り込みますか`}
          isOpen
          confirmLabel="取り込む"
          busy={busy}
          onConfirm={() => {
            setAsking(false);
            void act(() => api.post(`imports/${id}/apply`, { skip_errors: skip }));
          }}
          onCancel={() => setAsking(false)}
        >
          {countsText({ ...entry.counts, error: 0 })}。
          {errors > 0 && `誤りのある${errors.toLocaleString('ja-JP')}行は除きます。`}
          取り込んだ記録と取り込んだ人は監査ログに残ります。
        </ConfirmDialog>
      )}
    </>
  );
}

function Rows({
  id,
  entry,
  onAgain,
}: {
  id: string;
  entry: ImportAnswer;
  /** The file is being checked again. */
  onAgain: () => Promise<void>;
}) {
  const kinds = KINDS.filter((kind) => (entry.counts[kind] ?? 0) > 0);
  const [chosen, setChosen] = useState<Kind | null>(null);
  const [page, setPage] = useState(0);
  const kind = chosen && kinds.includes(chosen) ? chosen : firstKind(entry.counts);
  const query = useQuery({
    queryKey: ['imports', id, 'rows', entry.updated_at, kind, page],
    queryFn: ({ signal }) =>
      api.get<Schema<'ImportRows'>>(`imports/${id}/rows`, { kind, page }, signal),
    placeholderData: keepPreviousData,
  });
  const again = useMutation({
    mutationFn: () =>
      api.put(`imports/${id}/choices`, { mapping: entry.mapping, clear: entry.clear }),
    onSettled: onAgain,
  });
  if (kinds.length === 0) return null;
  const outdated = query.error instanceof ApiError && query.error.code === 'import_rights_changed';
  if (outdated)
    return (
      <Notice
        tone="warning"
        live
        title="もう一度確認してください"
        actions={
          <Button icon="refresh" busy={again.isPending} onClick={() => again.mutate()}>
            もう一度確認する
          </Button>
        }
      >
        {problemText(query.error)}
        {again.isError && problemText(again.error)}
      </Notice>
    );
  const pages = query.data?.pages ?? 1;
  return (
    <Card title="行ごとの差分" icon="list">
      <Tabs
        label="行の種類"
        selected={kind}
        onSelect={(next) => {
          setChosen(next as Kind);
          setPage(0);
        }}
        items={kinds.map((one) => ({
          id: one,
          label: `${KIND_LABELS[one]}（${(entry.counts[one] ?? 0).toLocaleString('ja-JP')}）`,
          content: (
            <div className="stack" aria-busy={query.isFetching}>
              {!query.data && <QueryState query={query} what="行" />}
              {query.data && <RowsTable kind={kind} rows={query.data.rows} />}
              {pages > 1 && (
                <div className="row" role="group" aria-label="ページ">
                  {page > 0 && (
                    <Button size="s" icon="left" onClick={() => setPage(page - 1)}>
                      前の100行
                    </Button>
                  )}
                  <span>
                    {page + 1}／{pages}ページ
                  </span>
                  {page + 1 < pages && (
                    <Button size="s" icon="right" onClick={() => setPage(page + 1)}>
                      次の100行
                    </Button>
                  )}
                </div>
              )}
            </div>
          ),
        }))}
      />
    </Card>
  );
}
