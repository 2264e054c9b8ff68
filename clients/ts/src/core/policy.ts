/** When to try again (X4, X5, M50): attempts in a row, with `now` and what is drawn given by the caller. */

import type { Remedy } from "./closing.js";

/** Full jitter: before attempt n a time drawn between 0 and min(cap, base·2ⁿ); here in seconds. */
export interface Backoff {
  readonly base: number;
  readonly cap: number;
  /** So long a connection has to be in order before the count starts again: who accepts and closes is not hammered. */
  readonly stableAfter: number;
  readonly maxAttempts: number;
}

export const BACKOFF: Backoff = { base: 0.5, cap: 30, stableAfter: 60, maxAttempts: Number.POSITIVE_INFINITY };

/** Without a `goaway` the clients of a draining node spread over this many seconds (X5). */
const WINDOW = 5;

export const delay = (backoff: Backoff, attempt: number, drawn: number, atLeast = 0): number =>
  Math.max(atLeast, drawn * Math.min(backoff.cap, backoff.base * 2 ** attempt));

/** Attempts in a row, and the time of the next one; one for the connection, one for that which is to replace it. */
export class Retries {
  at: number | undefined;
  private attempt = 0;
  private connectedAt: number | undefined;

  constructor(
    private readonly backoff: Backoff,
    private readonly draw: () => number,
  ) {}

  reset(): void {
    this.at = this.connectedAt = undefined;
    this.attempt = 0;
  }

  connected(now: number): void {
    this.connectedAt = now;
  }

  parted(now: number): void {
    if (this.connectedAt !== undefined && now - this.connectedAt >= this.backoff.stableAfter) this.attempt = 0;
    this.connectedAt = undefined;
  }

  /** Set the time of the next attempt. -> the wait in seconds, undefined when the attempts are used up */
  plan(now: number, remedy: Remedy, atLeast = 0, left?: number): number | undefined {
    if (this.attempt >= this.backoff.maxAttempts) return undefined;
    const least = remedy === "window" ? Math.max(atLeast, left ?? this.draw() * WINDOW) : atLeast;
    // A new credential is tried at once, unless the hub took it before and threw us out all the same.
    const wait = remedy === "credential" && !this.attempt ? 0 : delay(this.backoff, this.attempt, this.draw(), least);
    this.attempt++;
    this.at = now + wait;
    return wait;
  }

  /** Draw a time from the window of a `goaway`; what was drawn before stands. */
  within([low, high]: readonly [number, number], now: number): void {
    if (!(low >= 0 && low <= high))
      throw new RangeError(`reconnect_in: expected two rising numbers, got ${low}, ${high}`);
    this.at ??= now + low + this.draw() * (high - low);
  }

  /** The network is back: who waits for a next attempt waits for a first one. */
  hasten(now: number): void {
    if (this.at === undefined) return;
    this.attempt = 0;
    this.at = Math.min(this.at, now + delay(this.backoff, 0, this.draw()));
  }

  /** Whether the time has come; told once. */
  isDue(now: number): boolean {
    if (this.at === undefined || now < this.at) return false;
    this.at = undefined;
    return true;
  }
}
