import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';

interface TitleParts {
  setPage: (change: (title: string) => string) => void;
  setErrors: (change: (count: number) => number) => void;
}

const TitleContext = createContext<TitleParts>({
  setPage: () => undefined,
  setErrors: () => undefined,
});

/** Writes document.title: 「エラー：<page>｜結（むすび）」. */
export function TitleProvider({ children }: { children: ReactNode }) {
  const [page, setPage] = useState('');
  const [errors, setErrors] = useState(0);
  useEffect(() => {
    const name = page === '' ? '結（むすび）' : `${page}｜結（むすび）`;
    document.title = errors > 0 ? `エラー：${name}` : name;
  }, [page, errors]);
  const value = useMemo(() => ({ setPage, setErrors }), []);
  return <TitleContext value={value}>{children}</TitleContext>;
}

/** Names the page in the title. Never put a client's name here: titles end up in histories. */
export function useTitle(title: string): void {
  const { setPage } = useContext(TitleContext);
  useEffect(() => {
    let before = '';
    setPage((shown) => {
      before = shown;
      return title;
    });
    // What was covered for a while (signing in again) gets its name back, unless another has come.
    return () => setPage((shown) => (shown === title ? before : shown));
  }, [setPage, title]);
}

/** Prefixes the title with エラー： while `present`. */
export function useErrorTitle(present: boolean): void {
  const { setErrors } = useContext(TitleContext);
  useEffect(() => {
    if (!present) return;
    setErrors((count) => count + 1);
    return () => setErrors((count) => count - 1);
  }, [present, setErrors]);
}
