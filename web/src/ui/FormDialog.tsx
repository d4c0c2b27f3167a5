import { useState, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import { fieldProblemText, problemText } from '../i18n/problems';
import { Button } from './Button';
import { Dialog } from './Dialog';
import { ErrorSummary, type SummaryItem } from './ErrorSummary';
import { Notice } from './Layout';
import { UnreadContext, useUnread } from './unread';

/** A dialog with a form: checks on submit, shows what to mend, keeps what was typed. */
export function FormDialog({
  title,
  submitLabel,
  check,
  save,
  onClose,
  labels = {},
  words = {},
  width = 'm',
  children,
}: {
  title: string;
  submitLabel: string;
  check: () => SummaryItem[];
  save: () => Promise<void>;
  onClose: () => void;
  /** Field path of the server → id and label of the control. */
  labels?: Readonly<Record<string, { id: string; label: string }>>;
  /** Refusals that this form can word better than everybody else, by code. */
  words?: Readonly<Record<string, string>>;
  width?: 's' | 'm' | 'l';
  children: (errorAt: (target: string) => string | undefined) => ReactNode;
}) {
  const [items, setItems] = useState<readonly SummaryItem[]>([]);
  // Whether they are the form's own: then they go as soon as they are mended.
  const [own, setOwn] = useState(true);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const unread = useUnread();
  const submit = async (): Promise<void> => {
    if (busy) return;
    const found = check();
    setItems(found);
    setOwn(true);
    setProblem(null);
    setAttempt((count) => count + 1);
    if (found.length > 0 || unread.problems().length > 0) return;
    setBusy(true);
    try {
      await save();
    } catch (error) {
      const refused = error instanceof ApiError ? error : null;
      const known = (refused?.fields ?? []).flatMap((field) => {
        const control = labels[field.path];
        return control
          ? [{ target: control.id, message: fieldProblemText(field.code, control.label) }]
          : [];
      });
      setItems(known);
      setOwn(false);
      if (known.length === 0) setProblem(words[refused?.code ?? ''] ?? problemText(error));
      setAttempt((count) => count + 1);
    } finally {
      setBusy(false);
    }
  };
  const present = own && items.length > 0 ? check() : items;
  const left = items.filter((item) =>
    present.some(({ target, message }) => target === item.target && message === item.message),
  );
  return (
    <Dialog title={title} isOpen onClose={onClose} width={width}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <UnreadContext value={unread}>
          <div className="stack">
            <ErrorSummary items={left} attempt={attempt} />
            {problem && (
              <Notice tone="error" live title="保存できませんでした">
                {problem}
              </Notice>
            )}
            {children((target) => left.find((item) => item.target === target)?.message)}
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
