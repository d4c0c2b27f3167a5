import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { api, ApiError } from '../../api/client';
import type { DocumentInfo, Schema } from '../../api/types';
import { useSession } from '../../app/session';
import type { FormDefinition } from '../../forms/definition';
import { issueText, validate, type Issue, type Values } from '../../forms/rules';
import { problemText } from '../../i18n/problems';
import type { DocumentConnection } from '../../sync/connection';
import { useConnectionState, useShared } from '../../sync/hooks';
import {
  Button,
  Card,
  ConfirmDialog,
  Dialog,
  focusControl,
  Notice,
  Table,
  useToast,
  useUnreadProblems,
} from '../../ui';
import { localDate, dateTime } from '../cases/dates';
import { controlId } from './FieldEditor';
import { fieldsMap, readValues } from './values';

type Version = Schema<'VersionItem'>;

/** Whether a document is a draft or final; follows the case's events. */
export function useDocumentInfo(id: string) {
  return useQuery({
    queryKey: ['documents', id, 'info'],
    queryFn: ({ signal }) => api.get<DocumentInfo>(`documents/${id}`, undefined, signal),
  });
}

function useVersions(id: string) {
  return useQuery({
    queryKey: ['documents', id, 'versions'],
    queryFn: ({ signal }) =>
      api.get<Schema<'VersionList'>>(`documents/${id}/versions`, undefined, signal),
  });
}

/** The finals among the kept versions, numbered from the first, newest first. */
export function finalsOf(versions: readonly Version[]): (Version & { number: number })[] {
  return versions
    .filter((version) => version.kind === 'final')
    .map((version, index) => ({ ...version, number: index + 1 }))
    .reverse();
}

function useRefresh(id: string) {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ['documents', id] });
}

interface FinaliseProps {
  connection: DocumentConnection;
  documentId: string;
  definition: FormDefinition;
  outside: Values;
}

/** 「確定する」: says first what is missing; afterwards nobody can write in the sheet. */
export function FinaliseButton(props: FinaliseProps) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="s" icon="lock" onClick={() => setOpen(true)}>
        確定する
      </Button>
      {open && <FinaliseDialog {...props} onClose={() => setOpen(false)} />}
    </>
  );
}

function FinaliseDialog({
  connection,
  documentId,
  definition,
  outside,
  onClose,
}: FinaliseProps & { onClose: () => void }) {
  const { session } = useSession();
  const toast = useToast();
  const refresh = useRefresh(documentId);
  const fields = useMemo(() => fieldsMap(connection.doc), [connection]);
  const values = useShared(fields, () => readValues(definition, fields));
  const { save } = useConnectionState(connection);
  const unread = useUnreadProblems();
  const [refused, setRefused] = useState<readonly Issue[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const today = localDate(new Date(), session.municipality.zone);
  const issues = validate(definition, values, { today, outside });
  const found = [...refused, ...issues.filter((issue) => issue.severity === 'error')];
  const toMend = [
    ...unread,
    ...found.map((issue) => ({
      target: controlId(issue.path),
      message: issueText(definition, issue),
    })),
  ];
  const warnings = issues.filter((issue) => issue.severity === 'warning');
  const follow = (target: string): void => {
    onClose();
    // The dialog gives the focus back to its button first.
    setTimeout(() => focusControl(target), 50);
  };
  const finalise = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const { number } = await api.post<Schema<'FinalAnswer'>>(`documents/${documentId}/finalise`);
      toast(`第${number}版として確定しました。`);
      onClose();
      void refresh();
    } catch (error) {
      const named = error instanceof ApiError && error.code === 'invalid' ? error.fields : [];
      setRefused(
        named.map((field) => ({ path: field.path, code: field.code, severity: 'error' as const })),
      );
      if (named.length === 0) setProblem(problemText(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={
        toMend.length > 0
          ? `確定する前に直すところが${toMend.length}件あります`
          : `「${definition.title}」を確定しますか`
      }
      isOpen
      onClose={onClose}
      footer={
        toMend.length > 0 ? (
          <Button variant="primary" autoFocus onClick={onClose}>
            記録に戻る
          </Button>
        ) : (
          <>
            <Button variant="quiet" autoFocus onClick={onClose}>
              やめる
            </Button>
            <Button
              variant="primary"
              busy={busy}
              reason={save === 'saved' ? undefined : '保存が終わると確定できます。'}
              onClick={() => void finalise()}
            >
              この内容で確定する
            </Button>
          </>
        )
      }
    >
      <div className="stack">
        {problem && (
          <Notice tone="error" live title="確定できませんでした">
            {problem}
          </Notice>
        )}
        {toMend.length > 0 ? (
          <ul>
            {toMend.map(({ target, message }) => (
              <li key={`${target}-${message}`}>
                <a
                  href={`#${target}`}
                  onClick={(event) => {
                    event.preventDefault();
                    follow(target);
                  }}
                >
                  {message}
                </a>
              </li>
            ))}
          </ul>
        ) : (
          <>
            <p>
              いまの内容が版として残り、あとから変わることはありません。確定すると、この記録にはだれも書き込めなくなります。
            </p>
            <p>
              訂正が必要になったときは「訂正のために開く」で書き直せます。確定した版は残ります。
            </p>
          </>
        )}
        {warnings.length > 0 && (
          <Notice tone="warning" title="確認してください（このままでも確定できます）">
            <ul>
              {warnings.map((issue) => (
                <li key={`${issue.path}-${issue.code}`}>{issueText(definition, issue)}</li>
              ))}
            </ul>
          </Notice>
        )}
      </div>
    </Dialog>
  );
}

/** The finals of a sheet and the way back to writing; nothing as long as there is none. */
export function Finals({ info, mayEdit }: { info: DocumentInfo; mayEdit: boolean }) {
  const { session } = useSession();
  const toast = useToast();
  const refresh = useRefresh(info.id);
  const versions = useVersions(info.id);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const final = info.state === 'final';
  const finals = finalsOf(versions.data?.items ?? []);
  if (!final && finals.length === 0) return null;
  const reopen = async (): Promise<void> => {
    setBusy(true);
    try {
      await api.post(`documents/${info.id}/reopen`);
      toast('訂正のために開きました。終わったら、もう一度確定してください。');
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
    }
    setBusy(false);
    setAsking(false);
    void refresh();
  };
  return (
    <Card
      title={final ? '確定した記録' : '訂正中の記録（まだ確定していません）'}
      icon={final ? 'lock' : 'pencil'}
      flush
      aside={
        final &&
        mayEdit && (
          <Button size="s" icon="pencil" onClick={() => setAsking(true)}>
            訂正のために開く
          </Button>
        )
      }
    >
      {versions.isError ? (
        <div className="card__body">
          <Notice tone="error" live title="確定した版を読み込めませんでした">
            {problemText(versions.error)}
          </Notice>
        </div>
      ) : (
        <Table
          caption="確定した版"
          captionHidden
          dense
          rows={finals}
          rowKey={(version) => String(version.number)}
          columns={[
            {
              key: 'number',
              head: '版',
              header: true,
              cell: (version) => `第${version.number}版`,
            },
            {
              key: 'at',
              head: '確定した日時',
              cell: (version) => dateTime(version.at, session.municipality.zone),
            },
            { key: 'by', head: '確定した人', cell: (version) => version.by?.name ?? '—' },
          ]}
        />
      )}
      <ConfirmDialog
        title="訂正のために開きますか"
        isOpen={asking}
        onCancel={() => setAsking(false)}
        onConfirm={() => void reopen()}
        confirmLabel="訂正のために開く"
        busy={busy}
      >
        <p>
          もう一度書き込めるようになります。確定した版はそのまま残り、開いたことは監査ログに記録されます。
        </p>
      </ConfirmDialog>
    </Card>
  );
}
