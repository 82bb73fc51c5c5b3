// Freshness: how old the numbers are by the server's clock, and what is wrong if they are old.
//
// A frozen board that looks alive is the worst a wallboard can do. Whatever happens, one of these
// words is true, and the page shows it.
import type { Store } from "./store.ts";

/**
 * - `connecting`: nothing came yet.
 * - `lost`: the server cannot be heard.
 * - `stopped`: the server is heard, and the engine does not go on.
 * - `behind`: the engine goes on, and is not at the present yet.
 */
export type Trouble = "connecting" | "lost" | "stopped" | "behind" | null;

/** From this age on numbers are not of now. A centre at rest has an age of a second or two. */
const OLD_MS = 15_000;
/** An engine that did not go on for so long has stopped: it says once a second how far it is. */
const STILL_MS = 6_000;

export interface Freshness {
  trouble: Trouble;
  /** Up to when everything is in, ms. */
  asOf: number | null;
  ageMs: number | null;
  silent: string[];
}

export function freshness(store: Store, connected: boolean, now: number | null, stopwatch: number): Freshness {
  const { asOf } = store;
  const ageMs = asOf === null || now === null ? null : Math.max(0, now - asOf);
  const isOld = ageMs !== null && OLD_MS < ageMs;
  const isStill = STILL_MS < stopwatch - store.asOfMoved;
  const trouble =
    !store.live ? (connected || asOf === null ? "connecting" : "lost")
    : !connected ? "lost"
    : asOf === null ? "connecting"
    : isOld ? (isStill ? "stopped" : "behind")
    : null;
  return { trouble, asOf, ageMs, silent: store.silent() };
}

/** The server's clock, carried on by the page's stopwatch. What took long to arrive says less, so the latest time told by any recent word counts. */
export class ServerClock {
  private offsets: number[] = [];

  hear(now: string, stopwatch: number): void {
    const at = Date.parse(now);
    if (Number.isNaN(at)) return;
    const offset = at - stopwatch;
    // A clock that was set starts afresh.
    if (0 < this.offsets.length && 5_000 < Math.abs(offset - Math.max(...this.offsets))) this.offsets = [];
    this.offsets.push(offset);
    if (15 < this.offsets.length) this.offsets.shift();
  }

  now(stopwatch: number): number | null {
    return this.offsets.length === 0 ? null : stopwatch + Math.max(...this.offsets);
  }
}
