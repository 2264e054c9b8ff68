/** What a reconnect brought back: how long it took, what was replayed, what is gone, and when that is known. */

import type { Effects } from "./effects.js";
import type { Follow } from "./follow.js";
import { type Position, reaches } from "./positions.js";

/** A gap stands before the replay (M9): a channel that seems to be at its head waits so many seconds for one. */
const SETTLE_AFTER = 0.1;

/** A replay that the hub does not show the end of (filters, conflation) is told after so many. */
const TELL_WITHIN = 5;

/** The replays after one reconnect, each until the head its channel had at the welcome. */
export class Recovery {
  private lostAt: number | undefined;
  private downtime: number | undefined;
  private tellBy: number | undefined;
  private settleAt: number | undefined;
  private readonly open: Set<Follow> = new Set();
  private replayed = 0;
  private gaps = 0;

  constructor(private readonly effects: Effects) {}

  /** The connection is gone; a reconnect that follows another is told with it. */
  lost(now: number): void {
    if (this.lostAt === undefined) {
      this.lostAt = now;
      this.replayed = this.gaps = 0;
    }
    for (const follow of this.open) follow.isRecovering = false;
    this.open.clear();
    this.downtime = this.tellBy = this.settleAt = undefined;
  }

  /** The application ended it. */
  reset(): void {
    this.lost(0);
    this.lostAt = undefined;
  }

  /** A channel goes on from its cursor, or beyond it; it is whole when its head of this moment is reached. */
  started(follow: Follow, now: number, isWhole: boolean): void {
    follow.isRecovering = true;
    follow.isWhole = isWhole;
    this.open.add(follow);
    this.settleAt = now + SETTLE_AFTER;
    if (isWhole) return;
    this.gaps++;
    this.effects.recovered(follow.channel, false);
  }

  /** The connection is in order. */
  connected(now: number): void {
    if (this.lostAt === undefined) return;
    this.downtime = now - this.lostAt;
    this.lostAt = undefined;
    this.tellBy = now + TELL_WITHIN;
    this.tellIfDone();
  }

  /** An event came; `follow` stands at it. */
  event(follow: Follow): void {
    if (!follow.isRecovering) return;
    if (reaches(follow.head, follow.place)) this.replayed++;
    this.moved(follow);
  }

  /** Something of it will not come. */
  gap(follow: Follow, end: Position): void {
    if (!follow.isRecovering) return;
    this.gaps++;
    if (follow.isWhole) this.effects.recovered(follow.channel, false);
    follow.isWhole = false;
    this.shifted(follow, end);
  }

  /** The replay goes on in another epoch: the hub counted what is behind from its start there (P10). */
  shifted(follow: Follow, end: Position): void {
    if (follow.head && follow.head.epoch !== end.epoch) {
      follow.head = { epoch: end.epoch, offset: end.offset + follow.behind };
    }
    this.moved(follow);
  }

  /** The place of a channel moved. */
  moved(follow: Follow): void {
    if (!follow.isRecovering || !reaches(follow.place, follow.head)) return;
    this.open.delete(follow);
    follow.isRecovering = false;
    if (follow.isWhole) this.effects.recovered(follow.channel, true);
    this.tellIfDone();
  }

  /** The channel is followed no more, or not now. */
  left(follow: Follow): void {
    follow.isRecovering = false;
    this.open.delete(follow);
    this.tellIfDone();
  }

  /** When to look again. */
  deadline(): number | undefined {
    return this.settleAt ?? this.tellBy;
  }

  /** Settle what had nothing to replay; tell what is known, though a channel may not have shown its end. */
  expired(now: number): void {
    if (this.settleAt !== undefined && now >= this.settleAt) {
      this.settleAt = undefined;
      for (const follow of [...this.open]) this.moved(follow);
    }
    if (this.tellBy !== undefined && now >= this.tellBy) this.tell();
  }

  private tellIfDone(): void {
    if (this.downtime !== undefined && !this.open.size) this.tell();
  }

  private tell(): void {
    const downtime = this.downtime ?? 0;
    this.downtime = this.tellBy = undefined;
    this.effects.tell("resumed", { downtime, replayed: this.replayed, gaps: this.gaps });
  }
}
