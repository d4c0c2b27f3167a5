import { useQuery } from '@tanstack/react-query';
import { useRef, useState, type DragEvent } from 'react';
import { Link, useLocation } from 'wouter';
import { api, ApiError, apiUrl } from '../../api/client';
import type { Schema } from '../../api/types';
import { upload, type UploadHandle } from '../../api/upload';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import { Button, Card, Checkbox, Notice, Progress, Select, Table } from '../../ui';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { countsText, importable, importHint, isWorking, stateText, type ImportAnswer } from './api';
import { useMappings, useTables } from './tables';

/** Sends a file, and the imports that were made before. */
export function ImportPanel() {
  const { session } = useSession();
  const [, navigate] = useLocation();
  const input = useRef<HTMLInputElement>(null);
  const [table, setTable] = useState('person');
  const [mapping, setMapping] = useState('');
  const [clear, setClear] = useState(false);
  const [over, setOver] = useState(false);
  const [sending, setSending] = useState<{ handle: UploadHandle; sent: number | null } | null>(
    null,
  );
  const [problem, setProblem] = useState<string | null>(null);
  const mappings = useMappings();
  const tables = useTables();
  const query = useQuery({
    queryKey: ['imports'],
    queryFn: ({ signal }) => api.get<Schema<'ImportList'>>('imports', undefined, signal),
    refetchInterval: (state) =>
      state.state.data?.items.some((item) => isWorking(item.state)) ? 2_000 : 30_000,
  });
  const named = (mappings.data?.items ?? []).filter((kept) => kept.table === table);

  const send = async (file: File | undefined): Promise<void> => {
    if (!file || sending) return;
    setProblem(null);
    const body = new FormData();
    body.append('file', file);
    try {
      const query = { table, clear: clear || undefined, mapping: mapping || undefined };
      const handle = upload<ImportAnswer>(apiUrl('imports', query).href, body, (sent) =>
        setSending({ handle, sent }),
      );
      setSending({ handle, sent: 0 });
      const made = await handle.result;
      navigate(`/exchange/import/${made.id}`);
    } catch (error) {
      setSending(null);
      if (error instanceof ApiError && error.code === 'aborted') return;
      const said = error instanceof ApiError ? error.body.message : undefined;
      setProblem(
        typeof said === 'string'
          ? `${said}。`
          : error instanceof ApiError && error.fields.some((field) => field.code === 'too_many')
            ? '実行を待っている取込が多すぎます。下の「これまでの取込」から、実行するか、やめてファイルを消してください。'
            : problemText(error),
      );
    }
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files.length > 1)
      setProblem('1度に取り込めるのは1つです。1つずつ取り込んでください。');
    else void send(event.dataTransfer.files[0]);
  };

  return (
    <>
      <Card title="ファイルを取り込む" icon="upload">
        <div className="stack">
          {problem && (
            <Notice tone="error" live title="送れませんでした">
              {problem}
            </Notice>
          )}
          {!tables.data && <QueryState query={tables} what="ファイルの一覧" />}
          <Select
            label="取り込むもの"
            required
            support={importHint(table)}
            value={table}
            onChange={(code) => {
              setTable(code);
              setMapping('');
            }}
            options={importable(tables.data).map((one) => ({
              code: one.id,
              label: `${one.title}（${one.id}.csv）`,
            }))}
          />
          {named.length > 0 && (
            <Select
              label="名前の対応"
              support="ほかのシステムの見出しや選択肢の名前を、ここの項目に読み替えます。"
              value={mapping}
              onChange={setMapping}
              empty="使わない"
              options={named.map((kept) => ({ code: kept.id, label: kept.name }))}
            />
          )}
          {!['relation', 'consent', 'progress'].includes(table) && (
            <Checkbox
              label="空欄のセルは、登録してある値を消す（ふだんは、空欄は「変えない」です）"
              checked={clear}
              onChange={setClear}
            />
          )}
          {sending ? (
            <div className="stack">
              {sending.sent === null || sending.sent >= 1 ? (
                <Progress label="サーバーが受け取っています" />
              ) : (
                <Progress label="送っています" value={sending.sent} />
              )}
              <div>
                <Button variant="quiet" size="s" onClick={() => sending.handle.abort()}>
                  送るのをやめる
                </Button>
              </div>
            </div>
          ) : (
            <div
              className={over ? 'exchange__drop is-over' : 'exchange__drop'}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(true);
              }}
              onDragLeave={() => setOver(false)}
              onDrop={drop}
            >
              <p>ファイルをここに置くか、</p>
              <Button icon="upload" variant="primary" onClick={() => input.current?.click()}>
                ファイルを選ぶ
              </Button>
              <input
                ref={input}
                type="file"
                className="visually-hidden"
                tabIndex={-1}
                aria-label="取り込むファイル"
                accept=".csv,.txt,.tsv,.xlsx"
                onChange={(event) => {
                  void send(event.target.files?.[0]);
                  event.target.value = '';
                }}
              />
              <p className="soft">
                CSV・Excel、64MB・5万行まで。文字コードは自動で見分けます（UTF-8、Shift_JIS）。
                送っただけでは書き込みません。
              </p>
            </div>
          )}
          <Notice title="取り込めるもの・取り込めないもの">
            <p>
              ほかの記録から移すときは、台帳、事案、関係者、同意、シート（プランなど）、シートの中の表（支援内容など）、支援経過の順に取り込みます。
            </p>
            <p>
              住所秘匿・注意フラグ・機微メモ・訂正、台帳の世帯、会議は出力だけで、取込では変わりません。画面で入力してください。確定したシートと記録も変わりません。
            </p>
          </Notice>
        </div>
      </Card>
      <Card title="これまでの取込" icon="list" flush>
        {!query.data && (
          <div className="card__body">
            <QueryState query={query} what="取込" />
          </div>
        )}
        {query.data?.items.length === 0 && (
          <p className="card__body soft">まだありません。ここには自分の取込だけが並びます。</p>
        )}
        {query.data && query.data.items.length > 0 && (
          <Table
            caption="これまでの取込の表"
            captionHidden
            rows={query.data.items}
            rowKey={(line) => line.id}
            columns={[
              {
                key: 'at',
                head: '送った日時',
                header: true,
                cell: (line) => (
                  <Link href={`/exchange/import/${line.id}`}>
                    {dateTime(line.created_at, session.municipality.zone)}
                  </Link>
                ),
              },
              { key: 'title', head: '取り込むもの', cell: (line) => line.title },
              { key: 'state', head: '状況', cell: (line) => stateText(line) },
              {
                key: 'counts',
                head: '行',
                cell: (line) =>
                  Object.keys(line.counts).length > 0 ? countsText(line.counts) : '',
              },
            ]}
          />
        )}
      </Card>
    </>
  );
}
