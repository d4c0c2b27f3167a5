import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type DragEvent } from 'react';
import { Link, useLocation } from 'wouter';
import { api, apiUrl } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { Button, Card, Notice, Progress, Table, TextArea, useToast } from '../../ui';
import type { CaseDetail } from '../cases/api';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import {
  ACCEPTED_EXTENSIONS,
  fileRefusal,
  formatLabel,
  refusalText,
  type Transcript,
} from './draft';
import { upload, type UploadHandle } from '../../api/upload';
import './transcript.css';

/** 「文字起こし」: bring one in by file or by pasting, and the ones brought in before. */
export function TranscriptsTab({ detail }: { detail: CaseDetail }) {
  const { session, can } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const [, navigate] = useLocation();
  const input = useRef<HTMLInputElement>(null);
  const here = useRef(false);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  const [text, setText] = useState('');
  const [dragging, setDragging] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState<{ sent: number | null; handle: UploadHandle } | null>(
    null,
  );
  const query = useQuery({
    queryKey: ['case', detail.id, 'transcripts'],
    queryFn: ({ signal }) =>
      api.get<Schema<'TranscriptList'>>(`cases/${detail.id}/transcripts`, undefined, signal),
  });
  const writable =
    can('edit_case') &&
    detail.sections.some((entry) => entry.section === 'intake' && entry.level === 'edit');

  const send = async (body: FormData | { text: string }): Promise<void> => {
    setProblem(null);
    const handle = upload<Transcript>(apiUrl(`cases/${detail.id}/transcripts`).href, body, (sent) =>
      setSending((old) => (old ? { ...old, sent } : old)),
    );
    setSending({ sent: 0, handle });
    try {
      const made = await handle.result;
      setText('');
      void client.invalidateQueries({ queryKey: ['case', detail.id, 'transcripts'] });
      const open = (): void => navigate(`/transcripts/${made.id}`);
      if (here.current) {
        toast('取り込みました。下書きを確かめてください。');
        open();
      } else {
        // They went on to something else meanwhile: do not pull them away from it.
        toast('文字起こしを取り込みました。', {
          action: { label: '下書きを開く', onPress: open },
        });
      }
    } catch (error) {
      const code = error instanceof Error ? error.message : '';
      if (code === 'aborted') return;
      const words = refusalText(code);
      if (here.current) setProblem(words);
      else toast(`文字起こしを取り込めませんでした。${words}`, { tone: 'error' });
    } finally {
      setSending(null);
    }
  };
  const take = (file: File | undefined): void => {
    if (!file) return;
    const refused = fileRefusal(file);
    if (refused) {
      setProblem(refused);
      return;
    }
    const form = new FormData();
    form.append('file', file);
    void send(form);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setDragging(false);
    if (event.dataTransfer.files.length > 1)
      setProblem('1度に取り込めるのは1つです。1つずつ取り込んでください。');
    else take(event.dataTransfer.files[0]);
  };

  return (
    <>
      {writable && (
        <Card title="文字起こしを取り込む" icon="mic">
          <div className="stack">
            {problem && (
              <Notice tone="error" live title="取り込めませんでした">
                {problem}
              </Notice>
            )}
            {sending ? (
              <div className="stack">
                <Progress
                  label={
                    sending.sent !== null && sending.sent < 1
                      ? '送っています'
                      : '発言を読み取り、下書きを作っています。大きなファイルでは1分ほどかかります'
                  }
                  {...(sending.sent !== null && sending.sent < 1 ? { value: sending.sent } : {})}
                />
                <Button variant="quiet" size="s" onClick={() => sending.handle.abort()}>
                  取り込みをやめる
                </Button>
              </div>
            ) : (
              <>
                <div
                  className={dragging ? 'drop is-over' : 'drop'}
                  onDragOver={(event) => {
                    event.preventDefault();
                    setDragging(true);
                  }}
                  onDragLeave={() => setDragging(false)}
                  onDrop={drop}
                >
                  <p>ファイルをここに置くか、</p>
                  <Button icon="upload" onClick={() => input.current?.click()}>
                    ファイルを選ぶ
                  </Button>
                  <input
                    ref={input}
                    type="file"
                    className="visually-hidden"
                    tabIndex={-1}
                    aria-label="文字起こしのファイル"
                    accept={ACCEPTED_EXTENSIONS.join(',')}
                    onChange={(event) => {
                      take(event.target.files?.[0]);
                      event.target.value = '';
                    }}
                  />
                  <p className="soft">
                    TXT、VTT、SRT、JSON（Whisperなど）、CSV。20MBまで。UTF-8 でも Shift_JIS
                    でもかまいません。
                  </p>
                </div>
                <form
                  onSubmit={(event) => {
                    event.preventDefault();
                    if (text.trim() === '')
                      setProblem('貼り付けた文がありません。文字起こしの文を貼り付けてください。');
                    else void send({ text });
                  }}
                >
                  <TextArea
                    label="または、文を貼り付ける"
                    rows={6}
                    support="「相談員：」「本人：」のように話し手が書いてあると、下書きの精度が上がります。"
                    value={text}
                    onChange={setText}
                  />
                  <div className="row transcript__paste">
                    <Button type="submit" variant="primary">
                      貼り付けた文を取り込む
                    </Button>
                  </div>
                </form>
              </>
            )}
          </div>
        </Card>
      )}
      <Card title="取り込んだ文字起こし" icon="list" flush>
        {!query.data && (
          <div className="card__body">
            <QueryState query={query} what="文字起こし" />
          </div>
        )}
        {query.data?.items.length === 0 && (
          <p className="card__body soft">
            まだありません。取り込むと、受付票とアセスメントの下書きができます。
          </p>
        )}
        {query.data && query.data.items.length > 0 && (
          <Table
            caption="取り込んだ文字起こしの表"
            captionHidden
            rows={query.data.items}
            rowKey={(line) => line.id}
            columns={[
              {
                key: 'at',
                head: '取り込んだ日時',
                header: true,
                cell: (line) => (
                  <Link href={`/transcripts/${line.id}`}>
                    {dateTime(line.created_at, session.municipality.zone) || '下書きを開く'}
                  </Link>
                ),
              },
              { key: 'format', head: '形式', cell: (line) => formatLabel(line.format) },
              {
                key: 'count',
                head: '発言',
                number: true,
                cell: (line) => line.utterance_count,
              },
            ]}
          />
        )}
      </Card>
    </>
  );
}
