/** How long to leave the WebSocket alone after it failed: first and longest, ms. */
const PAUSE_FIRST = 5 * 60_000;
const PAUSE_MOST = 40 * 60_000;

/**
 * What this page has learned about the way to the server. Shared by all its documents, so that only
 * the first one has to find out.
 */
export class Route {
  /** Something on the way holds streams of events back: ask for frames instead. */
  heldBack = false;
  #pause = 0;
  #since = 0;

  /** The WebSocket does not get through. */
  get avoidsSocket(): boolean {
    return this.#pause > 0;
  }

  /** It got through. */
  socketWorks(): void {
    this.#pause = 0;
  }

  /** It did not; it is left alone for a while, longer each time. */
  socketFails(now: number): void {
    this.#pause = Math.min(PAUSE_MOST, this.#pause === 0 ? PAUSE_FIRST : this.#pause * 2);
    this.#since = now;
  }

  /** How long until the WebSocket is worth another attempt, ms; not everybody at the same time. */
  nextAttempt(now: number, random: () => number): number {
    return Math.max(0, this.#since + this.#pause - now) + random() * PAUSE_FIRST;
  }
}

/** The way from this page. */
export const route = new Route();
