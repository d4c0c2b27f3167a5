import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import type { Schema } from '../../api/types';
import { problemText } from '../../i18n/problems';
import { Button, Notice, useToast } from '../../ui';
import { dateTime } from '../cases/dates';
import { REASON_WORDS } from '../cases/reception';
import type { RegisterPerson } from '../cases/register';
import './register.css';

/** Who may be the same person, and what was merged into this one: for those who may merge. */
export function Merges({
  person,
  onCompare,
}: {
  person: RegisterPerson;
  onCompare: (other: string) => void;
}) {
  const query = useQuery({
    queryKey: ['person', person.id, 'merges'],
    queryFn: ({ signal }) =>
      api.get<Schema<'MergeList'>>(`persons/${person.id}/merges`, undefined, signal),
    enabled: person.may_merge,
    staleTime: 0,
  });
  if (!person.may_merge) return null;
  const past = query.data?.items ?? [];
  return (
    <>
      {person.duplicates.length > 0 && (
        <Notice tone="warning" title="同じ方かもしれない登録があります">
          <ul>
            {person.duplicates.map((entry) => (
              <li key={entry.person_id} className="duplicate">
                <span>
                  <strong>{entry.name}</strong>さん
                  <span className="soft">
                    （{entry.reasons.map((reason) => REASON_WORDS[reason] ?? reason).join('、')}）
                  </span>
                </span>
                <Button size="s" onClick={() => onCompare(entry.person_id)}>
                  見比べる
                  <span className="visually-hidden">（{entry.name}さん）</span>
                </Button>
              </li>
            ))}
          </ul>
        </Notice>
      )}
      {query.isError && (
        <p className="soft">統合の履歴を読めませんでした（{problemText(query.error)}）。</p>
      )}
      {past.length > 0 && (
        <details className="merge-past" open={past.some((merge) => merge.undoable)}>
          <summary>統合の履歴（{past.length}件）</summary>
          <ul>
            {past.map((merge) => (
              <Past key={merge.id} person={person} merge={merge} />
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function Past({ person, merge }: { person: RegisterPerson; merge: Schema<'MergeAnswer'> }) {
  const client = useQueryClient();
  const { session } = useSession();
  const toast = useToast();
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const undo = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await api.post(`persons/${person.id}/merges/${merge.id}/undo`, { version: person.version });
      toast(`統合を元に戻しました。${merge.merged_name}さんの登録が、別の方として戻りました。`);
      for (const queryKey of [['person'], ['persons'], ['case'], ['cases']])
        void client.invalidateQueries({ queryKey });
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <li>
      <p>
        {dateTime(merge.at, session.municipality.zone)}　{merge.by}さんが「{merge.merged_name}
        」さんの登録をまとめました。
      </p>
      <p className="soft">理由：{merge.reason}</p>
      {merge.undone_at && (
        <p className="soft">
          {dateTime(merge.undone_at, session.municipality.zone)}に{merge.undone_by}
          さんが元に戻しました。
        </p>
      )}
      {problem && (
        <Notice tone="error" live title="元に戻せませんでした">
          {problem}
        </Notice>
      )}
      {merge.undoable && !sure && (
        <Button size="s" onClick={() => setSure(true)}>
          元に戻す
        </Button>
      )}
      {merge.undoable && sure && (
        <Notice tone="warning" live title="統合を元に戻しますか">
          2人の別々の登録に戻ります。まとめた後に台帳で直した内容は、{person.display}
          さんのほうに残ります。
          <span className="row">
            <Button size="s" autoFocus onClick={() => setSure(false)}>
              やめる
            </Button>
            <Button size="s" variant="primary" busy={busy} onClick={() => void undo()}>
              2人に戻す
            </Button>
          </span>
        </Notice>
      )}
    </li>
  );
}
