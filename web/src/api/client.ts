/** Everything that goes to the server over HTTP goes through here. */

/** A problem+json answer, or the network failing (`code: "offline"`). */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    /** Stable code; Japanese wording is in `i18n/problems.ts`. */
    readonly code: string,
    /** Fields that were refused, by path, with their own codes. */
    readonly fields: readonly { path: string; code: string }[] = [],
    /** The whole answer, for codes that carry more (e.g. consent_confirmation_required). */
    readonly body: Readonly<Record<string, unknown>> = {},
    /** Seconds to wait before trying again, when the server says so. */
    readonly retryAfter?: number,
  ) {
    super(code);
  }
}

/** Address of something under the app's base, whatever `--base-path` is. */
export function appUrl(path: string): URL {
  return new URL(path.replace(/^\//, ''), document.baseURI);
}

/** Address under `api/v1`. Undefined and empty query values are left out. */
export function apiUrl(
  path: string,
  query?: Record<string, string | number | boolean | undefined>,
): URL {
  const url = appUrl(`api/v1/${path.replace(/^\//, '')}`);
  for (const [key, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== '') url.searchParams.set(key, String(value));
  return url;
}

type Listener = () => void;
const lostSession = new Set<Listener>();

/** Calls back when the server says that nobody is signed in any more. Returns the off switch. */
export function onSessionLost(listener: Listener): () => void {
  lostSession.add(listener);
  return () => lostSession.delete(listener);
}

/** Options of {@link request}. */
export interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>;
  /** JSON value, or FormData for uploads. */
  body?: unknown;
  signal?: AbortSignal;
  /** 401 is an ordinary answer here (asking for the session itself, signing in). */
  expectUnauthenticated?: boolean;
}

/** Sends a request and reads JSON. `undefined` for 204. Throws {@link ApiError}. */
export async function request<T>(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  options: RequestOptions = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET') headers['X-Musubi'] = '1';
  let body: BodyInit | null = null;
  if (options.body instanceof FormData) body = options.body;
  else if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json';
    body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(apiUrl(path, options.query), {
      method,
      headers,
      body,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: options.signal ?? null,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'offline');
  }
  if (response.ok) {
    if (response.status === 204) return undefined as T;
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
  const error = await problemOf(response);
  if (!options.expectUnauthenticated) tellIfLost(error.status);
  throw error;
}

/** For requests that cannot go through {@link request}: 401 means that nobody is signed in. */
export function tellIfLost(status: number): void {
  if (status === 401) for (const listener of lostSession) listener();
}

/** Reads what a refusal says. */
export async function problemOf(response: Response): Promise<ApiError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy's own error page: the status is all there is.
  }
  return refusalOf(response.status, body, response.headers.get('Retry-After'));
}

/** A refusal from what was answered; `wait` is what the header Retry-After says. */
export function refusalOf(
  status: number,
  body: Readonly<Record<string, unknown>>,
  wait: string | null,
): ApiError {
  const retry = Number(body.retry_after ?? wait ?? Number.NaN);
  return new ApiError(
    status,
    typeof body.code === 'string' ? body.code : `http_${status}`,
    Array.isArray(body.fields) ? (body.fields as { path: string; code: string }[]) : [],
    body,
    Number.isFinite(retry) ? retry : undefined,
  );
}

/** Reads text that is no JSON (a picture). Throws {@link ApiError}. */
export async function fetchText(
  path: string,
  query?: RequestOptions['query'],
  signal?: AbortSignal,
): Promise<string> {
  let response: Response;
  try {
    response = await fetch(apiUrl(path, query), {
      credentials: 'same-origin',
      cache: 'no-store',
      signal: signal ?? null,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'offline');
  }
  if (response.ok) return response.text();
  tellIfLost(response.status);
  throw await problemOf(response);
}

/** Short forms of {@link request}. */
export const api = {
  get: <T>(path: string, query?: RequestOptions['query'], signal?: AbortSignal) =>
    request<T>('GET', path, { ...(query ? { query } : {}), ...(signal ? { signal } : {}) }),
  post: <T>(path: string, body?: unknown) => request<T>('POST', path, { body }),
  put: <T>(path: string, body?: unknown) => request<T>('PUT', path, { body }),
  patch: <T>(path: string, body?: unknown) => request<T>('PATCH', path, { body }),
  delete: <T>(path: string) => request<T>('DELETE', path),
};
