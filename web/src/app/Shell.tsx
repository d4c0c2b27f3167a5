import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { useHistoryState } from 'wouter/use-browser-location';
import { appUrl } from '../api/client';
import { SearchField } from '../features/search/SearchField';
import { PasswordDialog } from '../features/signin/PasswordDialog';
import { labelOf, ROLES_SHORT } from '../i18n/glossary';
import { Avatar, Icon, Menu, useCurrentInSight, type MenuEntry } from '../ui';
import { DemoRibbon } from './DemoRibbon';
import { NewVersionNotice, OfflineBanner } from './notices';
import { isTyping, useSingleKeys } from './keys';
import { NAV } from './routes';
import { useSession } from './session';
import { SessionExpiry } from './SessionExpiry';
import { UnsentNotices } from './unsent';
import './shell.css';

/** Top bar, left navigation and the place for a page. */
export function Shell({ nav, children }: { nav: string | undefined; children: ReactNode }) {
  const { session, can } = useSession();
  const strip = useRef<HTMLElement>(null);
  useCurrentInSight(strip, nav);
  return (
    <>
      <a className="skip-link" href="#main" onClick={skipToMain}>
        本文へ移動
      </a>
      {session.municipality.demo && <DemoRibbon />}
      <div className="shell">
        <header className="shell__top">
          <Link href="/" className="brand">
            <img src={appUrl('mark.svg').href} alt="" width="32" height="32" />
            <span>
              結<small>{session.municipality.name} 相談記録</small>
            </span>
          </Link>
          {(can('read_cases') || can('read_persons')) && (
            <div className="shell__search" role="search">
              <SearchBox />
            </div>
          )}
          <UserMenu />
        </header>
        <nav className="shell__nav" aria-label="全体" ref={strip}>
          {NAV.filter((item) => !item.needs || item.needs.some(can)).map((item) => (
            <Link
              key={item.path}
              href={item.path}
              aria-current={item.id === nav ? 'page' : undefined}
            >
              <Icon name={item.icon} size="l" />
              {item.label}
            </Link>
          ))}
        </nav>
        <main className="shell__main" id="main" tabIndex={-1}>
          <OfflineBanner />
          <UnsentNotices />
          <NewVersionNotice />
          {children}
        </main>
      </div>
      <SessionExpiry />
    </>
  );
}

/** A hash link would resolve against <base href> and leave the page. */
function skipToMain(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

/** What the search page receives from the search box: in history state, never in the address. */
export interface SearchState {
  q?: string;
}

/** What was last searched for from the top bar: another object at every search, also for the same words. */
export function useSearched(): SearchState | null {
  return useHistoryState<SearchState | null>();
}

export function SearchBox() {
  const [, navigate] = useLocation();
  const [words, setWords] = useState('');
  const input = useRef<HTMLInputElement>(null);
  const [keys] = useSingleKeys();
  useEffect(() => {
    if (!keys) return;
    const focus = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.isComposing)
        return;
      if (isTyping(event.target)) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, [keys]);
  return (
    <SearchField
      id="global-search"
      label="氏名・かな・事案番号・ことばで探す"
      value={words}
      onChange={setWords}
      input={input}
      // A name typed here is personal data: it must not reach an address or a server log.
      onSearch={(q) => {
        // From here on the words stand in the page's own field.
        setWords('');
        navigate('/search', { state: { q } satisfies SearchState });
      }}
      onOpen={(href) => {
        navigate(href);
        // From one case to another the page stays: the keys must not go on into the search box.
        document.getElementById('main')?.focus({ preventScroll: true });
      }}
    >
      {keys && (
        <kbd className="key" title="「/」キーで検索欄へ移動">
          /
        </kbd>
      )}
    </SearchField>
  );
}

function UserMenu() {
  const { session, switchMembership, signOut } = useSession();
  const { account, membership, memberships } = session;
  const [keys, setKeys] = useSingleKeys();
  const [changingPassword, setChangingPassword] = useState(false);
  const others = memberships.filter((other) => other.id !== membership.id);
  const entries: MenuEntry[] = [
    ...others.map((other): MenuEntry => ({
      id: other.id,
      label: `${other.agency.name} に切り替える`,
      support: labelOf(ROLES_SHORT, other.role),
      icon: 'refresh',
      onSelect: () => void switchMembership(other.id),
    })),
    {
      id: 'keys',
      label: keys ? '1文字のキー操作を切る' : '1文字のキー操作を使う',
      support:
        '「/」で検索欄へ、「n」で新しい相談（事案の画面では支援経過）を書く、マスク確認の A や X など',
      icon: 'gear',
      separator: others.length > 0,
      onSelect: () => setKeys(!keys),
    },
    {
      id: 'password',
      label: 'パスワードを変える',
      icon: 'lock',
      onSelect: () => setChangingPassword(true),
    },
    {
      id: 'sign-out',
      label: 'サインアウト',
      icon: 'signOut',
      separator: true,
      onSelect: () => void signOut(),
    },
  ];
  return (
    <div className="user-menu">
      {changingPassword && <PasswordDialog onClose={() => setChangingPassword(false)} />}
      <Menu
        className="user-menu__button"
        entries={entries}
        label={
          <>
            <Avatar
              decorative
              person={{ name: account.name, agency: membership.agency.name, color: '#0017c1' }}
            />
            <span className="user-menu__name">
              {account.name}
              <small>
                {membership.agency.name}・{labelOf(ROLES_SHORT, membership.role)}
              </small>
            </span>
            <Icon name="down" size="s" />
          </>
        }
      />
    </div>
  );
}
