/** Acknowledgements of windows (S10): handled positions, once per half a window or per second, all in one message. */

import type { Follow } from "./follow.js";
import type { Line } from "./line.js";
import { reaches, textOf } from "./positions.js";

/** What was handled is acknowledged so many seconds after the first of it. */
const EVERY = 1;

/** What was handled and not acknowledged yet, of the subscriptions that have a window. */
export class Acks {
  /** When the next one is due. */
  dueAt: number | undefined;
  /** In the order in which they were handled, so that what is said is the same each time. */
  private readonly pending: Set<Follow> = new Set();

  /** One more was handled. -> whether the acknowledgement is due at once */
  count(follow: Follow, now: number): boolean {
    if (follow.window === undefined) return false;
    this.pending.add(follow);
    this.dueAt ??= now + EVERY;
    return ++follow.unacked * 2 >= follow.window;
  }

  /**
   * The positions to acknowledge on a connection. Never beyond what came on that very connection: the hub ignores what
   * it has not sent there (M36), and its window would stay shut. What was handled from elsewhere is counted again when
   * it comes as a repeat.
   */
  take(line: Line): Record<string, string> | undefined {
    const positions: [string, string][] = [];
    for (const follow of this.pending) {
      const { cursor, channel } = follow;
      const reading = line.readings.get(channel);
      if (reading?.follow !== follow || cursor?.epoch !== reading.epoch) continue;
      const place = { epoch: cursor.epoch, offset: Math.min(cursor.offset, reading.offset) };
      if (reaches(reading.acked, place)) continue;
      reading.acked = place;
      positions.push([channel, textOf(place)]);
    }
    this.forget();
    return positions.length ? Object.fromEntries(positions) : undefined;
  }

  /** The connection is gone; a resume presents the positions themselves (R8). */
  forget(): void {
    for (const follow of this.pending) follow.unacked = 0;
    this.pending.clear();
    this.dueAt = undefined;
  }
}
