/** Uploading with progress: fetch cannot tell how much has been sent. */
import { ApiError, refusalOf, tellIfLost } from './client';

export interface UploadHandle {
  abort: () => void;
}

/**
 * Sends a file or pasted text. `onProgress` gets 0–1 while sending and null once the server works.
 * Rejects with an {@link ApiError} (`offline`, `too_large`, `aborted` …).
 */
export function upload<T>(
  href: string,
  body: FormData | object,
  onProgress: (sent: number | null) => void,
): UploadHandle & { result: Promise<T> } {
  const call = new XMLHttpRequest();
  const result = new Promise<T>((resolve, reject) => {
    call.open('POST', href);
    call.setRequestHeader('Accept', 'application/json');
    call.setRequestHeader('X-Musubi', '1');
    call.upload.onprogress = (event) =>
      onProgress(event.lengthComputable ? event.loaded / event.total : null);
    call.upload.onload = () => onProgress(null);
    call.onerror = () => reject(new ApiError(0, 'offline'));
    call.onabort = () => reject(new ApiError(0, 'aborted'));
    call.onload = () => {
      let answer: unknown = null;
      try {
        answer = JSON.parse(call.responseText);
      } catch {
        // A gateway's own page: the status decides.
      }
      if (call.status >= 200 && call.status < 300 && answer !== null) resolve(answer as T);
      else {
        tellIfLost(call.status);
        reject(refused(call, answer));
      }
    };
    if (body instanceof FormData) call.send(body);
    else {
      call.setRequestHeader('Content-Type', 'application/json');
      call.send(JSON.stringify(body));
    }
  });
  return { abort: () => call.abort(), result };
}

/** Where a gateway refuses with a page of its own, the status says why. */
function refused(call: XMLHttpRequest, answer: unknown): ApiError {
  const body =
    typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
  if (typeof body.code !== 'string') {
    if (call.status === 413) return new ApiError(413, 'too_large');
    if (call.status === 403) return new ApiError(403, 'forbidden');
  }
  return refusalOf(call.status, body, call.getResponseHeader('Retry-After'));
}
