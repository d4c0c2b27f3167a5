import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Suspense, useEffect, useRef } from 'react';
import { matchRoute, Router, useLocation, useRouter } from 'wouter';
import { ApiError } from '../api/client';
import { problemText } from '../i18n/problems';
import { Button, Empty, LinkButton, Notice, Progress, ToastProvider } from '../ui';
import { ErrorBoundary } from './ErrorBoundary';
import { pageComponent } from './pages';
import { ROUTES, SIGN_IN_PAGE, type RouteDefinition } from './routes';
import { SessionGate, useSession } from './session';
import { Shell } from './Shell';
import { TitleProvider, useTitle } from './title';

/** Under what path the app lives: the path of <base href> without its last slash. */
export function basePath(): string {
  return new URL(document.baseURI).pathname.replace(/\/[^/]*$/, '');
}

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // Only what may get better by itself is tried again.
      retry: (count, error) =>
        count < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 502),
    },
  },
});

/** The whole app. */
export function App() {
  return (
    <QueryClientProvider client={queries}>
      <TitleProvider>
        <Router base={basePath()}>
          <SessionGate
            loading={<PageLoading />}
            failed={(error, retry) => (
              <main className="page-loading">
                <Notice
                  tone="error"
                  live
                  title="読み込めませんでした"
                  actions={
                    <Button size="s" onClick={retry}>
                      もう一度試す
                    </Button>
                  }
                >
                  {problemText(error)}
                </Notice>
              </main>
            )}
            signIn={(again) => <SignIn again={again} />}
          >
            <ToastProvider>
              <Pages />
            </ToastProvider>
          </SessionGate>
        </Router>
      </TitleProvider>
    </QueryClientProvider>
  );
}

/** `again`: the session ran out; the screens wait behind, with everything typed in them. */
function SignIn({ again }: { again: boolean }) {
  const Page = pageComponent(SIGN_IN_PAGE);
  return (
    <Suspense fallback={<PageLoading />}>
      <Page params={again ? { again: '1' } : {}} />
    </Suspense>
  );
}

function PageLoading() {
  return (
    <div className="page-loading">
      <Progress label="読み込んでいます" />
    </div>
  );
}

/** The route for an address, with the values of its placeholders. */
function useMatch(): { route: RouteDefinition; params: Record<string, string | undefined> } | null {
  const { parser } = useRouter();
  const [location] = useLocation();
  for (const route of ROUTES) {
    const [matched, params] = matchRoute(parser, route.path, location);
    if (matched) return { route, params };
  }
  return null;
}

function Pages() {
  const match = useMatch();
  const [location] = useLocation();
  const { can } = useSession();
  const first = useRef(true);
  const page = match?.route.page;
  // A new page takes the focus at its top, as a page load would; tabs of one page do not.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo(0, 0);
    document.getElementById('main')?.focus({ preventScroll: true });
  }, [page]);
  const allowed = !match?.route.needs || match.route.needs.some(can);
  return (
    <Shell nav={match?.route.nav}>
      <ErrorBoundary resetKey={location}>
        <Suspense fallback={<PageLoading />}>
          {!match ? (
            <Missing />
          ) : allowed ? (
            <Page route={match.route} params={match.params} />
          ) : (
            <NotAllowed title={match.route.title} />
          )}
        </Suspense>
      </ErrorBoundary>
    </Shell>
  );
}

function Page({
  route,
  params,
}: {
  route: RouteDefinition;
  params: Record<string, string | undefined>;
}) {
  useTitle(route.title);
  const Component = pageComponent(route.page);
  return <Component params={params} />;
}

function Missing() {
  useTitle('ページが見つかりません');
  return (
    <Empty
      page
      icon="search"
      title="ページが見つかりません"
      action={<LinkButton href="/">ホームへ</LinkButton>}
    >
      アドレスが変わったか、削除された可能性があります。
    </Empty>
  );
}

function NotAllowed({ title }: { title: string }) {
  const { session } = useSession();
  useTitle(`${title}（開けません）`);
  return (
    <Empty
      page
      icon="lock"
      title={`「${title}」を開く権限がありません`}
      action={<LinkButton href="/">ホームへ</LinkButton>}
    >
      {session.memberships.length > 1
        ? '所属を切り替えると開ける場合があります。右上の氏名から切り替えてください。'
        : 'お仕事に必要なときは、所属の管理者にご相談ください。'}
    </Empty>
  );
}
