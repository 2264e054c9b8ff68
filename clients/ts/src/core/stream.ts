/**
 * What comes of the channels, on whatever connection: every event and gap goes once through the cursor of its channel.
 *
 * A connection tells its own epochs (M45) and may be ahead of another or behind; the place received is one for all of
 * them, so that two connections bring each entry once and in order (M51).
 */

import type { Acks } from "./acks.js";
import type { Effects } from "./effects.js";
import { ProtocolViolation } from "./errors.js";
import type { Follow } from "./follow.js";
import type { Follows } from "./follows.js";
import type { Line, Reading } from "./line.js";
import { type Position, parsePosition, reaches, textOf } from "./positions.js";
import type { Recovery } from "./recovery.js";
import type { Gap, HubEvent } from "./wire.js";

export class Stream {
  events = 0;
  duplicates = 0;
  gaps = 0;

  constructor(
    private readonly effects: Effects,
    private readonly follows: Follows,
    private readonly acks: Acks,
    private readonly recovery: Recovery,
  ) {}

  /** What is read of a channel on a connection, if it is wanted. */
  private reading(line: Line, channel: string): Reading | undefined {
    const reading = line.readings.get(channel);
    return reading?.follow.state === "active" ? reading : undefined;
  }

  /** What is read of a channel to which an entry came, unless it is a repeat (P6), or of a channel that is not wanted. */
  private news(line: Line, channel: string, offset: number, now: number): Reading | undefined {
    const reading = this.reading(line, channel);
    if (!reading) return undefined;
    const { follow, epoch } = reading;
    if (offset > reading.offset) reading.offset = offset;
    if (epoch !== follow.epoch || offset <= follow.offset) {
      this.duplicates++;
      // A repeat of what was handled fills the window of its connection like the first, and is acknowledged too.
      if (reaches(follow.cursor, { epoch, offset })) this.acks.count(follow, now);
      return undefined;
    }
    follow.offset = offset;
    return reading;
  }

  event(line: Line, message: HubEvent & { position: string }, now: number): void {
    const { channel, offset } = message;
    if (!Number.isSafeInteger(offset)) throw new TypeError(`offset: expected a whole number, got ${offset}`);
    const reading = this.news(line, channel, offset, now);
    if (!reading) return;
    this.events++;
    message.position = textOf({ epoch: reading.epoch, offset });
    this.effects.deliver(message);
    this.recovery.event(reading.follow);
  }

  /**
   * An entry came that cannot be read, now or another time: a gap stands in its place. Where its offset cannot be told, it
   * stands right behind what came on that connection, or further on. -> whether it was news
   */
  unread(line: Line, channel: string, told: unknown, why: string, now: number): boolean {
    const isTold = Number.isSafeInteger(told) && (told as number) > 0;
    const offset = isTold ? (told as number) : (line.readings.get(channel)?.offset ?? 0) + 1;
    const reading = this.news(line, channel, offset, now);
    if (!reading) return false;
    const { epoch, follow } = reading;
    const to = textOf({ epoch, offset });
    const from = textOf({ epoch, offset: offset - 1 });
    const text = `${channel}: the event at ${to} cannot be read: ${why}`;
    this.gaps++;
    this.effects.tell("error", new ProtocolViolation(text, { channel }));
    this.effects.deliver({ type: "gap", channel, from, to, missed: 1, reason: "unreadable" });
    this.recovery.gap(follow, { epoch, offset });
    return true;
  }

  /** Entries that will not come (P7). */
  gap(line: Line, message: Gap): void {
    const reading = this.reading(line, message.channel);
    if (!reading) return;
    const { follow } = reading;
    let { missed } = message;
    let start = parsePosition(message.from);
    const end = parsePosition(message.to);
    reading.epoch = end.epoch;
    reading.offset = end.offset;
    if (start.epoch !== follow.epoch) {
      // Another connection, or the queue, has crossed this boundary before.
      if (!isNews(follow, start, end)) {
        if (follow.isRecovering) this.recovery.shifted(follow, end);
        return;
      }
      missed = null;
      start = follow.place ?? start;
    }
    const isSame = end.epoch === follow.epoch;
    if (isSame && end.offset <= follow.offset && end.offset >= start.offset) {
      this.duplicates++;
      return;
    }
    if (start.offset < follow.offset && (follow.offset <= end.offset || end.epoch !== start.epoch)) {
      // What was received from within its stretch is not missing; which of the owed ones were cannot be known where a
      // filter makes holes.
      const isAll = end.epoch === start.epoch && missed === end.offset - start.offset;
      missed = isAll ? end.offset - follow.offset : null;
      start = { epoch: start.epoch, offset: follow.offset };
    }
    const { channel, reason } = message;
    this.effects.deliver({ type: "gap", channel, from: textOf(start), to: textOf(end), missed, reason: `${reason}` });
    follow.standAt(end);
    this.gaps++;
    this.recovery.gap(follow, end);
  }

  /** The hub has settled everything up to here (P9). */
  watermark(line: Line, positions: Readonly<Record<string, string>>): void {
    for (const [channel, text] of Object.entries(positions)) {
      const place = parsePosition(text);
      const reading = this.reading(line, channel);
      if (place.epoch !== reading?.epoch) continue;
      const { follow } = reading;
      reading.offset = Math.max(reading.offset, place.offset);
      if (place.epoch === follow.epoch && place.offset > follow.offset) {
        this.follows.moved(follow, place);
        this.recovery.moved(follow);
      }
    }
  }
}

/** Whether a gap from another epoch than ours leads beyond what was received: further in ours, or to a newer one. */
const isNews = (follow: Follow, start: Position, end: Position): boolean =>
  end.epoch === follow.epoch
    ? end.offset > follow.offset
    : start.epoch !== end.epoch && !follow.past.includes(end.epoch);
