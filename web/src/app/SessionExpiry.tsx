import { useQueryClient } from '@tanstack/react-query';
import { useContext, useEffect, useRef, useState } from 'react';
import { request } from '../api/client';
import { Button, Covered, Dialog } from '../ui';
import { SESSION_KEY, useSession } from './session';

/** The server ends a session that made no request for this long, ms (`store::sessions::IDLE`). */
const IDLE = 60 * 60_000;
/** Warn this long before an idle session ends, ms. */
const WARN_IDLE = 5 * 60_000;
/** Warn this long before the session's last moment, which nothing prolongs, ms. */
const WARN_END = 10 * 60_000;
/** Somebody who only types into live sheets makes no requests: say that they are here, ms. */
const TOUCH_EVERY = 5 * 60_000;

/** When somebody last did something in any tab of this browser, ms since the epoch. */
const ACTIVE_KEY = 'musubi.active';

function activeElsewhere(): number {
  try {
    return Number(localStorage.getItem(ACTIVE_KEY)) || 0;
  } catch {
    return 0;
  }
}

function tellOthers(at: number): void {
  try {
    localStorage.setItem(ACTIVE_KEY, String(at));
  } catch {
    // Storage switched off: each tab counts for itself.
  }
}

/**
 * Keeps the session alive while somebody works, and warns before it ends otherwise. What was typed
 * stays either way: after signing in again the same screens are there.
 */
export function SessionExpiry() {
  const { session, refresh, signOut } = useSession();
  const [warning, setWarning] = useState<{ kind: 'idle' | 'end'; minutes: number } | null>(null);
  /** The end of a session that was announced; the next session's is another. */
  const seenEnd = useRef(0);
  const ends = Date.parse(session.expires_at);
  const client = useQueryClient();
  const covered = useContext(Covered);
  useEffect(() => {
    if (covered) return;
    let active = Date.now();
    let touched = Date.now();
    const touch = () => {
      active = Date.now();
      tellOthers(active);
      if (active - touched < TOUCH_EVERY) return;
      touched = active;
      void refresh();
    };
    const check = () => {
      const now = Date.now();
      const idle = Math.max(active, touched, activeElsewhere()) + IDLE - now;
      const minutes = (left: number) => Math.max(1, Math.ceil(left / 60_000));
      if (ends - now < WARN_END && seenEnd.current !== ends)
        setWarning({ kind: 'end', minutes: minutes(ends - now) });
      else if (idle < WARN_IDLE) setWarning({ kind: 'idle', minutes: minutes(idle) });
      else setWarning(null);
      if (ends > now && idle > 0) return;
      // Any request but this one would prolong it, and screens that ask now and then never fall silent.
      setWarning(null);
      void request('DELETE', 'session', { expectUnauthenticated: true }).catch(() => undefined);
      client.setQueryData(SESSION_KEY, null);
    };
    const timer = setInterval(check, 15_000);
    check();
    for (const name of ['keydown', 'pointerdown']) window.addEventListener(name, touch);
    return () => {
      clearInterval(timer);
      for (const name of ['keydown', 'pointerdown']) window.removeEventListener(name, touch);
    };
  }, [ends, refresh, client, covered]);
  if (!warning || covered) return null;
  const idle = warning.kind === 'idle';
  const close = () => {
    if (!idle) seenEnd.current = ends;
    setWarning(null);
    void refresh();
  };
  return (
    <Dialog
      title="まもなく自動でサインアウトします"
      isOpen
      onClose={close}
      width="s"
      role="alertdialog"
      footer={
        <>
          <Button variant="quiet" onClick={() => void signOut()}>
            サインアウト
          </Button>
          <Button variant="primary" autoFocus onClick={close}>
            {idle ? '作業を続ける' : 'わかりました'}
          </Button>
        </>
      }
    >
      <p>
        {idle
          ? `操作がないため、あと約${warning.minutes}分でサインアウトします。`
          : `サインインしてから長い時間がたったため、あと約${warning.minutes}分でサインアウトします。`}
        入力した内容は消えません。もう一度サインインすると続きから作業できます。
      </p>
    </Dialog>
  );
}
