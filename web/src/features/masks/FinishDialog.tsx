import { useEffect, useState } from 'react';
import { ApiError, api } from '../../api/client';
import type { DocumentInfo } from '../../api/types';
import { problemText } from '../../i18n/problems';
import { Button, Dialog, Notice, TextArea } from '../../ui';

/** Asks before the review is ended; for words left over it wants a reason. */
export function FinishDialog({
  open,
  info,
  pending,
  saved,
  onClose,
  onDone,
}: {
  open: boolean;
  info: DocumentInfo;
  pending: number;
  saved: boolean;
  /** `more`: something is left to be decided. */
  onClose: (more: boolean) => void;
  onDone: () => void;
}) {
  const [reason, setReason] = useState('');
  const [error, setError] = useState<string | undefined>();
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  // The server may count suggestions that have just arrived and are not here yet.
  const [counted, setCounted] = useState(0);
  const left = Math.max(pending, counted);
  useEffect(() => {
    if (!open) return;
    setReason('');
    setError(undefined);
    setProblem(null);
    setCounted(0);
  }, [open]);
  const finish = async (): Promise<void> => {
    if (left > 0 && [...reason.trim()].length < 5) {
      setError('未確認を残して終える理由を書いてください。');
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      await api.post(
        `documents/${info.id}/masks/finish`,
        left > 0 ? { override_reason: reason.trim() } : {},
      );
      onDone();
    } catch (cause) {
      if (cause instanceof ApiError && cause.status === 409) {
        const body = cause.body['pending'];
        setCounted(typeof body === 'number' && body > 0 ? body : 1);
      }
      setProblem(
        cause instanceof ApiError && cause.code === 'masks_pending'
          ? '新しく見つかった候補があります。確認を続けるか、残して終える理由を書いてください。'
          : cause instanceof ApiError && cause.code === 'models_not_ready'
            ? '言語モデルの準備中です。少し待ってから、もう一度押してください。'
            : problemText(cause),
      );
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      title="マスクの確認を終える"
      isOpen={open}
      onClose={() => onClose(left > 0)}
      width="s"
      footer={
        <>
          <Button
            variant="quiet"
            {...(left > 0 ? { autoFocus: true } : {})}
            onClick={() => onClose(left > 0)}
          >
            {left > 0 ? '確認を続ける' : 'やめる'}
          </Button>
          <Button
            variant="primary"
            busy={busy}
            {...(left > 0 ? {} : { autoFocus: true })}
            reason={saved ? undefined : '保存が終わるまでお待ちください'}
            onClick={() => void finish()}
          >
            {left > 0 ? '未確認を残して終える' : '確認を終える'}
          </Button>
        </>
      }
    >
      <div className="stack">
        {problem && (
          <Notice tone="error" live>
            {problem}
          </Notice>
        )}
        {left > 0 ? (
          <>
            <p>
              まだ <b>{left}件</b> を確認していません。未確認のことばは伏せたまま相手に見えます。
            </p>
            <TextArea
              label="未確認を残して終える理由"
              required
              rows={3}
              value={reason}
              onChange={(text) => {
                setReason(text);
                setError(undefined);
              }}
              error={error}
            />
          </>
        ) : (
          <p>すべて確認しました。確認した内容が、マスク済みで見る機関に届きます。</p>
        )}
      </div>
    </Dialog>
  );
}
