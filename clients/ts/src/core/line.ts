/** One connection as the session sees it, from `open` until it is gone: what was asked on it, what is read on it. */

import type { Follow } from "./follow.js";
import { Heartbeat } from "./heartbeat.js";
import type { Position } from "./positions.js";
import type { Welcome } from "./wire.js";

/**
 * What a connection delivers of one channel: the epoch last told there (M45), and how far it has come. Two connections
 * may stand at different places of one channel; what both bring goes through one cursor (M51).
 */
export interface Reading {
  readonly follow: Follow;
  epoch: string;
  offset: number;
  /** What was acknowledged here, at first the start (S10). */
  acked: Position;
}

/** A connection and where it stands; `number` counts the connections of a client from 1. */
export class Line {
  readonly heartbeat: Heartbeat = new Heartbeat();
  readonly readings: Map<string, Reading> = new Map();
  /** Channels asked for or restored here; another connection knows nothing of them. */
  readonly asked: Set<Follow> = new Set();
  /** Those of them whose other options await their answer here. */
  readonly renewing: Set<Follow> = new Set();
  welcome: Welcome | undefined;
  /** Subscribes that await their answer here. */
  unsettled = 0;
  /** It is opened to take over from one that still works, and the application shall see nothing of it. */
  isSecond = false;
  /** Another connection of ours has said a resume since: to be told `taken_over` is our own doing. */
  isContested = false;
  /** The hub goes away: it takes no subscribe here any more (section 14). */
  isDraining = false;
  isOpen = false;
  isResuming = false;
  isResumed = false;
  isRestoring = false;
  isRestored = false;
  /** Until when the welcome, and then the answers to what is restored, are awaited. */
  greetBy: number | undefined;
  /** Channels that the hub did not stop when it was asked to, and when it is asked again. */
  readonly unwanted: Set<string> = new Set();
  stopAt: number | undefined;
  stops = 0;
  /** Until when a connection that was replaced may finish what it had accepted. */
  leaveBy: number | undefined;

  constructor(readonly number: number) {}

  /** The hub delivers the channel here, from that place on. */
  read(follow: Follow, start: Position): void {
    this.asked.add(follow);
    this.readings.set(follow.channel, { follow, epoch: start.epoch, offset: start.offset, acked: start });
  }

  /** Whether the hub delivers this very subscription here. */
  reads(follow: Follow): boolean {
    return this.readings.get(follow.channel)?.follow === follow;
  }

  /** Nothing of it is asked for or delivered here any more. */
  forget(follow: Follow): void {
    this.asked.delete(follow);
    this.renewing.delete(follow);
    if (this.reads(follow)) this.readings.delete(follow.channel);
  }
}
