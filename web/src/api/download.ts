import { ApiError, apiUrl, problemOf, tellIfLost } from './client';

/**
 * Fetches a file and saves it. A link with `download` would save a refusal as if it were the file,
 * or say nothing at all; this throws {@link ApiError} instead. The server's name wins over `name`.
 */
export async function saveFile(href: string, name: string): Promise<void> {
  await save(href, {}, name);
}

/** As {@link saveFile}, for a file that is made from what is sent (JSON, under `api/v1`). */
export async function sendForFile(path: string, body: unknown, name: string): Promise<void> {
  const headers = { 'Content-Type': 'application/json', 'X-Musubi': '1' };
  await save(apiUrl(path).href, { method: 'POST', headers, body: JSON.stringify(body) }, name);
}

async function save(href: string, request: RequestInit, name: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(href, { ...request, credentials: 'same-origin', cache: 'no-store' });
  } catch {
    throw new ApiError(0, 'offline');
  }
  if (!response.ok) {
    tellIfLost(response.status);
    throw await problemOf(response);
  }
  let content: Blob;
  try {
    content = await response.blob();
  } catch {
    // Broken off by the server or on the way: half a file is no file.
    throw new ApiError(0, 'broken_off');
  }
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = nameOf(response.headers.get('Content-Disposition')) ?? name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads it after this task.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The file name of a Content-Disposition: the encoded one (RFC 6266) before the plain one. */
export function nameOf(header: string | null): string | null {
  if (!header) return null;
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(header)?.[1];
  if (encoded) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      // Badly encoded: the plain name is still there.
    }
  }
  return /filename="?([^";]+)"?/i.exec(header)?.[1] ?? null;
}
