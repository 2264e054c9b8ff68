/**
 * One channel the application wants to follow. `epoch` and `offset` are what was received, on whichever connection, and
 * decide what is a repeat (P6) and what is missing; `cursor` is what was handled (P5), and is all that the hub is ever
 * told (R8, S10).
 */

import type { HubError } from "./errors.js";
import { type Position, parsePosition, reaches, textOf } from "./positions.js";
import type { SubState } from "./states.js";
import type { Told } from "./wire.js";

/** Options of a subscribe as they stand on the wire. */
export type Options = Readonly<Record<string, unknown>>;

/** Where a subscription starts: the member `from`, or a position. */
export type Start = "new" | "snapshot" | { readonly last: number } | { readonly since: number } | Position | undefined;

/** Epochs that a channel may have changed since the oldest place that is still handled or read somewhere. */
const MAX_PASSED = 64;

export const isPosition = (start: Start): start is Position => !!start && typeof start === "object" && "epoch" in start;

export class Follow {
  state: SubState = "pending";
  epoch: string | undefined;
  offset = 0;
  /** Epochs that were left: names are never used again (P1), so that a lagging connection is told from a newer one. */
  readonly past: string[] = [];
  cursor: Position | undefined;
  /** The cursor as the hub was last told it: what was received beyond it waits here and is not asked for by it. */
  presented: Position | undefined;
  /** The head when the hub last said where it starts, and how much lay before it. */
  head: Position | undefined;
  behind = 0;
  isLatest: boolean;
  isAdopted = false;
  /** Whether a hub has ever said that it delivers this very subscription. */
  isKnown = false;
  isRecovering = false;
  isWhole = true;
  /** Options that the hub may not have seen yet. */
  isStale = false;
  /** Whether this hub takes positions as a start. */
  knowsPositions = true;
  retryAt: number | undefined;
  repeats = 0;
  window: number | undefined;
  unacked = 0;
  error: HubError | undefined;

  constructor(
    readonly channel: string,
    public options: Options,
    private readonly start: Start,
  ) {
    this.isLatest = options["delivery"] === "latest";
    if (isPosition(start)) {
      this.cursor = start;
      this.standAt(start);
    }
  }

  /** Up to where entries were received. */
  get place(): Position | undefined {
    return this.epoch === undefined ? undefined : { epoch: this.epoch, offset: this.offset };
  }

  /** Everything up to here was received or is known to be missing. */
  standAt({ epoch, offset }: Position): void {
    if (this.epoch !== undefined && this.epoch !== epoch && this.past.push(this.epoch) > MAX_PASSED) this.past.shift();
    this.epoch = epoch;
    this.offset = offset;
  }

  /** Take what the hub says of the subscription (M42). -> where it starts */
  startsAt(told: Told): Position {
    const start = parsePosition(told.position);
    this.behind = told.behind ?? 0;
    this.head = { epoch: start.epoch, offset: start.offset + this.behind };
    this.isLatest = told.delivery === "latest";
    this.window = told.ack;
    this.state = "active";
    this.retryAt = undefined;
    this.repeats = 0;
    this.isKnown = true;
    return start;
  }

  /** Whether it waits for no time that is still to come. */
  isDue(now: number): boolean {
    return !(this.retryAt !== undefined && this.retryAt > now);
  }

  /** Whether it begins at a place that no resume has said, before the one where the hub goes on. */
  beginsBefore(told: Told): boolean {
    return this.cursor !== undefined && !this.presented && !reaches(this.cursor, parsePosition(told.position));
  }

  /**
   * The member `from` of a subscribe: after what was handled, else where the application wants to start. At a hub that
   * takes no positions a channel goes on at its snapshot or head, and what lies between is a gap.
   */
  from(): unknown {
    if (!this.cursor) return this.start;
    if (!this.knowsPositions) return this.isLatest ? "snapshot" : "new";
    this.presented = this.cursor;
    return { positions: { [this.channel]: textOf(this.cursor) } };
  }
}
