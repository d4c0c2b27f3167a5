import { useState, type ReactNode } from 'react';
import { ApiError } from '../../api/client';
import { fieldProblemText, problemText } from '../../i18n/problems';
import {
  Button,
  Dialog,
  ErrorSummary,
  NavTabs,
  Notice,
  UnreadContext,
  useUnread,
  type SummaryItem,
} from '../../ui';
import { useSession } from '../../app/session';

/** A dialog with a form: checks on submit, shows what to mend, keeps what was typed. */
export function FormDialog({
  title,
  submitLabel,
  check,
  save,
  onClose,
  labels = {},
  children,
}: {
  title: string;
  submitLabel: string;
  check: () => SummaryItem[];
  save: () => Promise<void>;
  onClose: () => void;
  /** Field path of the server → id and label of the control. */
  labels?: Readonly<Record<string, { id: string; label: string }>>;
  children: (errorAt: (target: string) => string | undefined) => ReactNode;
}) {
  const [items, setItems] = useState<readonly SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const unread = useUnread();
  const submit = async (): Promise<void> => {
    if (busy) return;
    const found = check();
    setItems(found);
    setProblem(null);
    setAttempt((count) => count + 1);
    if (found.length > 0 || unread.problems().length > 0) return;
    setBusy(true);
    try {
      await save();
    } catch (error) {
      const refused = error instanceof ApiError ? error.fields : [];
      const known = refused.flatMap((field) => {
        const control = labels[field.path];
        return control
          ? [{ target: control.id, message: fieldProblemText(field.code, control.label) }]
          : [];
      });
      setItems(known);
      if (known.length === 0) setProblem(codeText(error));
      setAttempt((count) => count + 1);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} isOpen onClose={onClose} width="m">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <UnreadContext value={unread}>
          <div className="stack">
            <ErrorSummary items={items} attempt={attempt} />
            {problem && (
              <Notice tone="error" live title="保存できませんでした">
                {problem}
              </Notice>
            )}
            {children((target) => items.find((item) => item.target === target)?.message)}
            <div className="row row--end">
              <Button variant="quiet" onClick={onClose}>
                やめる
              </Button>
              <Button type="submit" variant="primary" busy={busy}>
                {submitLabel}
              </Button>
            </div>
          </div>
        </UnreadContext>
      </form>
    </Dialog>
  );
}

function codeText(error: unknown): string {
  const code = error instanceof ApiError ? error.code : '';
  if (code === 'login_id_taken' || code === 'duplicate' || code === 'taken')
    return 'このログインIDはすでに使われています。別のものにしてください。';
  if (code === 'role_not_allowed' || code === 'role_class')
    return 'この機関では選べない役割です。役割を選び直してください。';
  if (code === 'last_sysadmin' || code === 'last_admin')
    return '最後のシステム管理者は停止できません。先に別の管理者を登録してください。';
  if (code === 'own_account' || code === 'self')
    return '自分自身は停止できません。別の管理者に依頼してください。';
  return problemText(error);
}

/** Reason why a press of stop, reactivate or reset failed. */
export function actionProblem(error: unknown): string {
  return codeText(error);
}

/** 利用者／機関／監査ログ: only those one may open. */
export function AdminTabs({ current }: { current: 'accounts' | 'agencies' | 'audit' }) {
  const { can } = useSession();
  const items = [
    {
      id: 'accounts',
      href: '/admin/accounts',
      label: '利用者と所属',
      shown: can('admin_accounts') || can('admin_own_agency'),
    },
    { id: 'agencies', href: '/admin/agencies', label: '機関', shown: can('admin_agencies') },
    { id: 'audit', href: '/admin/audit', label: '監査ログ', shown: can('read_audit') },
  ].filter((item) => item.shown);
  if (items.length < 2) return null;
  return (
    <div className="admin-tabs">
      <NavTabs
        label="設定"
        items={items.map((item) => ({
          href: item.href,
          label: item.label,
          current: item.id === current,
        }))}
      />
    </div>
  );
}
