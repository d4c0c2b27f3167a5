import { useState, type ReactNode } from 'react';
import { ApiError } from '../../../api/client';
import { problemText } from '../../../i18n/problems';
import { ConsentDialog } from '../ConsentDialog';
import type { Confirmation, ConfirmationAsked } from '../disclosure';

/**
 * A write that may need a basis: the first try goes without, a 409 opens the dialog, and the second
 * try carries what was confirmed. `send` is called with the confirmation then. `note` is shown in
 * the dialog: what has changed since it was opened.
 */
export function useConfirmed(onDone: () => void, note?: ReactNode) {
  const [asked, setAsked] = useState<{
    asked: ConfirmationAsked;
    send: (confirmation: Confirmation) => Promise<unknown>;
    what: string;
  } | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const run = async (
    send: (confirmation?: Confirmation) => Promise<unknown>,
    what: string,
  ): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await send();
      onDone();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'consent_confirmation_required')
        setAsked({ asked: error.body as unknown as ConfirmationAsked, send, what });
      else setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const dialog = asked && (
    <ConsentDialog
      asked={asked.asked}
      what={asked.what}
      note={note}
      onCancel={() => setAsked(null)}
      onConfirm={async (confirmation) => {
        await asked.send(confirmation);
        setAsked(null);
        onDone();
      }}
    />
  );
  return { run, busy, problem, dialog };
}
