/** The one timer of a client. */

/** Timers of the runtime, or of a worker. */
export interface Timers {
  set(ring: () => void, wait: number): unknown;
  clear(timer: unknown): void;
}

export const TIMERS: Timers = {
  set: (ring, wait) => setTimeout(ring, wait),
  clear: (timer) => clearTimeout(timer as number),
};

/** The longest time a timer takes. */
const LONGEST = 2 ** 31 - 1;
/** A timer that rings so many milliseconds late has slept. */
const SLEPT = 5_000;

/** Seconds of a monotonic clock. */
export const now = (): number => performance.now() / 1000;

/** Rings at a time, or before: it is set anew then. One that is never to ring keeps no process alive. */
export class Clock {
  #timer: unknown;
  #at = 0;
  #wakesAt = 0;

  constructor(
    readonly timers: Timers,
    /** Late by the wall clock means that the machine slept. */
    private readonly ring: (hasSlept: boolean) => void,
  ) {}

  set(at: number): void {
    const isNever = at === Number.POSITIVE_INFINITY;
    if (this.#timer !== undefined && this.#at <= at && !isNever) return;
    this.timers.clear(this.#timer);
    this.#timer = undefined;
    if (isNever) return;
    const wait = Math.min(Math.max(0, (at - now()) * 1000), LONGEST);
    this.#at = at;
    this.#wakesAt = Date.now() + wait;
    this.#timer = this.timers.set(() => {
      this.#timer = undefined;
      this.ring(Date.now() - this.#wakesAt > SLEPT);
    }, wait);
  }
}
