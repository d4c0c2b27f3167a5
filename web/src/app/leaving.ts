/** What has to be done before somebody is signed out: keeping drafts on the server. */
const before = new Set<() => Promise<void>>();

/** Longest that signing out waits for drafts, in ms. */
const PATIENCE = 3_000;

/** Runs `keep` before the session ends. Returns the off switch. */
export function beforeLeaving(keep: () => Promise<void>): () => void {
  before.add(keep);
  return () => before.delete(keep);
}

/** Waits until everything is kept, but not for ever. */
export async function keepEverything(): Promise<void> {
  const all = Promise.allSettled([...before].map((keep) => keep()));
  await Promise.race([all, new Promise((done) => setTimeout(done, PATIENCE))]);
}
