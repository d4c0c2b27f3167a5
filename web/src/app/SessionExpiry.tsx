import { useEffect, useState } from 'react';
import { Button, Dialog } from '../ui';
import { useSession } from './session';

/** Warn this long before the end, in ms. */
const WARN_BEFORE = 3 * 60_000;

/** Warns before the session ends and offers to go on. What was typed stays either way. */
export function SessionExpiry() {
  const { session, refresh, signOut } = useSession();
  const [left, setLeft] = useState<number | null>(null);
  const ends = Date.parse(session.expires_at);
  useEffect(() => {
    if (!Number.isFinite(ends)) return;
    const check = () => {
      const remaining = ends - Date.now();
      setLeft(remaining < WARN_BEFORE ? Math.max(0, remaining) : null);
      // At the end ask the server: another tab may have prolonged it.
      if (remaining <= 0) void refresh();
    };
    check();
    const timer = setInterval(check, 10_000);
    return () => clearInterval(timer);
  }, [ends, refresh]);
  if (left === null) return null;
  return (
    <Dialog
      title="まもなく自動でサインアウトします"
      isOpen
      onClose={() => void refresh()}
      width="s"
      role="alertdialog"
      footer={
        <>
          <Button variant="quiet" onClick={() => void signOut()}>
            サインアウト
          </Button>
          <Button variant="primary" autoFocus onClick={() => void refresh()}>
            作業を続ける
          </Button>
        </>
      }
    >
      <p>
        操作がないため、あと約{Math.max(1, Math.ceil(left / 60_000))}
        分でサインアウトします。入力した内容は消えません。もう一度サインインすると続きから作業できます。
      </p>
    </Dialog>
  );
}
