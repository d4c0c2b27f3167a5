import { ApiError, problemOf, tellIfLost } from './client';

/**
 * Fetches a file and saves it. A link with `download` would save a refusal as if it were the file,
 * or say nothing at all; this throws {@link ApiError} instead. The server's name wins over `name`.
 */
export async function saveFile(href: string, name: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(href, { credentials: 'same-origin', cache: 'no-store' });
  } catch {
    throw new ApiError(0, 'offline');
  }
  if (!response.ok) {
    tellIfLost(response.status);
    throw await problemOf(response);
  }
  const address = URL.createObjectURL(await response.blob());
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
