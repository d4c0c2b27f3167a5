/** Uploading with progress: fetch cannot tell how much has been sent. */
import { ApiError, tellIfLost } from './client';

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
        reject(new ApiError(call.status, codeOf(answer, call.status), [], bodyOf(answer)));
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

function bodyOf(answer: unknown): Record<string, unknown> {
  return typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
}

function codeOf(answer: unknown, status: number): string {
  if (typeof answer === 'object' && answer !== null && 'code' in answer) {
    const { code } = answer;
    if (typeof code === 'string') return code;
  }
  if (status === 413) return 'too_large';
  if (status === 403) return 'forbidden';
  return `http_${status}`;
}
