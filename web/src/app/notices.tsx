import { useEffect, useState } from 'react';
import { appUrl } from '../api/client';
import { Button, Icon, Notice } from '../ui';

/** Says when the browser has lost the network. Editing goes on; sheets show what is unsaved. */
export function OfflineBanner() {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    window.addEventListener('online', update);
    window.addEventListener('offline', update);
    return () => {
      window.removeEventListener('online', update);
      window.removeEventListener('offline', update);
    };
  }, []);
  return (
    <div role="status">
      {!online && (
        <p className="offline-banner">
          <Icon name="offline" />
          通信が切れています。この画面を閉じないでください。シートの入力は、つながると自動で保存されます。ほかの画面では、つながってから保存してください。
        </p>
      )}
    </div>
  );
}

/** How often to ask whether a newer app was installed, in ms. */
const ASK_EVERY = 10 * 60_000;

/** The entry script's address: its hash changes with every build. */
function entryOf(page: Document): string | null {
  const source = page.querySelector('script[type="module"][src]')?.getAttribute('src');
  return source ? (source.split('/').at(-1) ?? null) : null;
}

/** Asks for a reload when the server has a newer build, or a part of this one is gone. */
export function NewVersionNotice() {
  const [outdated, setOutdated] = useState(false);
  useEffect(() => {
    if (import.meta.env.DEV) return;
    const mine = entryOf(document);
    const ask = async () => {
      try {
        const response = await fetch(appUrl(''), { cache: 'no-store' });
        if (!response.ok) return;
        const page = new DOMParser().parseFromString(await response.text(), 'text/html');
        const theirs = entryOf(page);
        if (mine && theirs && mine !== theirs) setOutdated(true);
      } catch {
        // Offline: ask again later.
      }
    };
    const gone = (event: Event) => {
      event.preventDefault();
      setOutdated(true);
    };
    const timer = setInterval(() => void ask(), ASK_EVERY);
    window.addEventListener('vite:preloadError', gone);
    return () => {
      clearInterval(timer);
      window.removeEventListener('vite:preloadError', gone);
    };
  }, []);
  if (!outdated) return null;
  return (
    <Notice
      tone="warning"
      live
      title="新しい版があります"
      actions={
        <Button size="s" variant="primary" onClick={() => window.location.reload()}>
          読み込み直す
        </Button>
      }
    >
      「保存済み」を確認してから、この画面を読み込み直してください。
    </Notice>
  );
}
