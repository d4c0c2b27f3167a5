import { useQuery, useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from 'react';
import { ApiError, onSessionLost, request } from '../api/client';
import type { Session } from '../api/types';
import { Covered } from '../ui';
import { keepEverything } from './leaving';

interface SessionState {
  session: Session;
  /** Whether the active membership may do something. For showing; the server decides. */
  can: (permission: string) => boolean;
  /** Whether the municipality has a function switched on. */
  has: (capability: string) => boolean;
  refresh: () => Promise<void>;
  switchMembership: (id: string) => Promise<void>;
  signOut: () => Promise<void>;
}

const SessionContext = createContext<SessionState | null>(null);

/** The signed-in session. Only inside the shell, where there always is one. */
export function useSession(): SessionState {
  const state = useContext(SessionContext);
  if (!state) throw new Error('useSession outside of a session');
  return state;
}

/** Key of the session in the query cache. */
export const SESSION_KEY = ['session'] as const;

async function readSession(): Promise<Session | null> {
  try {
    return await request<Session>('GET', 'session', { expectUnauthenticated: true });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Only a finished session is asked for again on returning to the page: a step of signing in keeps
 * its screen, and recovery codes stay until they are put away. */
const whenReady = (query: { state: { data: Session | null | undefined } }): boolean =>
  query.state.data?.stage === 'ready';

/**
 * Decides between sign-in and the app. Once somebody is in, a lost session does not throw the
 * screens away: they are hidden but stay alive, with everything typed in them, until the same
 * account signs in again. Another account gets a fresh start.
 */
export function SessionGate({
  signIn,
  loading,
  failed,
  children,
}: {
  signIn: (again: boolean) => ReactNode;
  loading: ReactNode;
  failed: (error: unknown, retry: () => void) => ReactNode;
  children: ReactNode;
}) {
  const client = useQueryClient();
  const query = useQuery({
    queryKey: SESSION_KEY,
    queryFn: readSession,
    staleTime: 60_000,
    refetchOnWindowFocus: whenReady,
    refetchOnReconnect: whenReady,
    retry: 1,
  });
  const [kept, setKept] = useState<Session | null>(null);
  const current = query.data?.stage === 'ready' ? query.data : null;

  useEffect(() => {
    return onSessionLost(() => client.setQueryData(SESSION_KEY, null));
  }, [client]);

  // Whether the kept screens wait for somebody to sign in again.
  const [lost, setLost] = useState(false);
  if (kept && query.isSuccess && !current && !lost) setLost(true);
  const somebodyElse = current && kept && current.account.id !== kept.account.id;
  // A new session begins with the account's first hat; the kept screens belong to the former one.
  const otherHat =
    current && kept && !somebodyElse && current.membership.id !== kept.membership.id
      ? kept.membership.id
      : null;
  if (current && !somebodyElse && !otherHat) {
    if (current !== kept) setKept(current);
    if (lost) setLost(false);
  }
  useEffect(() => {
    if (!otherHat || !lost) return;
    request('PUT', 'session/membership', { body: { membership_id: otherHat } })
      .then(() => client.refetchQueries({ queryKey: SESSION_KEY }))
      .catch(() => window.location.reload());
  }, [client, otherHat, lost]);

  // Somebody else sat down: nothing of the former person's may remain in memory. Or the hat was
  // changed in another tab: taking it back would leave that tab's screens under the wrong agency.
  const anew = somebodyElse || (otherHat !== null && !lost);
  useEffect(() => {
    if (anew) window.location.reload();
  }, [anew]);
  if (anew) return loading;
  if (query.isPending) return loading;
  if (query.isError && !kept) return failed(query.error, () => void query.refetch());
  if (otherHat) return <AppOf kept={kept} instead={loading} children={children} />;
  const shown = current ?? (query.isError ? kept : null);
  return shown ? (
    <AppOf kept={shown} instead={null} children={children} />
  ) : (
    <AppOf kept={kept} instead={signIn(kept !== null)} children={children} />
  );
}

/** The app of a session; with something shown `instead` it stays alive out of sight, dialogs too. */
function AppOf({
  kept,
  instead,
  children,
}: {
  kept: Session | null;
  instead: ReactNode;
  children: ReactNode;
}) {
  return (
    <>
      {instead}
      {kept && (
        <div hidden={instead !== null} className="app-root">
          <Covered value={instead !== null}>
            <SessionProvider session={kept}>{children}</SessionProvider>
          </Covered>
        </div>
      )}
    </>
  );
}

function SessionProvider({ session, children }: { session: Session; children: ReactNode }) {
  const client = useQueryClient();
  const latest = useRef(session);
  useEffect(() => {
    latest.current = session;
  }, [session]);
  const value = useMemo<SessionState>(
    () => ({
      session,
      can: (permission) => session.permissions.includes(permission),
      has: (capability) => session.capabilities.includes(capability),
      refresh: () => client.refetchQueries({ queryKey: SESSION_KEY }),
      switchMembership: async (id) => {
        await keepEverything();
        await request('PUT', 'session/membership', { body: { membership_id: id } });
        // Another hat sees other things: start from nothing.
        window.location.assign(document.baseURI);
      },
      signOut: async () => {
        await keepEverything();
        await request('DELETE', 'session', { expectUnauthenticated: true }).catch(() => undefined);
        window.location.assign(document.baseURI);
      },
    }),
    [session, client],
  );
  return <SessionContext value={value}>{children}</SessionContext>;
}
