/**
 * Cases opened on this machine, per account. Opaque ids only: a shared office PC must not keep
 * names. Lost storage (private mode, a cleaned profile) only means an emptier list.
 */
const KEEP = 8;

function key(account: string): string {
  return `musubi.recent.${account}`;
}

export function readRecent(account: string): string[] {
  try {
    const parsed: unknown = JSON.parse(localStorage.getItem(key(account)) ?? '[]');
    return Array.isArray(parsed)
      ? parsed.filter((id): id is string => typeof id === 'string').slice(0, KEEP)
      : [];
  } catch {
    return [];
  }
}

export function rememberCase(account: string, id: string): void {
  write(account, [id, ...readRecent(account).filter((other) => other !== id)].slice(0, KEEP));
}

/** Drops ids that are no longer visible, when the whole list is known. */
export function forgetMissing(
  account: string,
  visible: readonly string[],
  complete: boolean,
): void {
  if (!complete) return;
  const before = readRecent(account);
  const after = before.filter((id) => visible.includes(id));
  if (after.length !== before.length) write(account, after);
}

function write(account: string, ids: readonly string[]): void {
  try {
    localStorage.setItem(key(account), JSON.stringify(ids));
  } catch {
    // Full or forbidden storage: the list is a convenience.
  }
}
