/** Every channel the application wants, by name, and what the hub's answers do to them. */

import type { Effects } from "./effects.js";
import { BadRequest, errorFrom, type HubError, PermissionDenied } from "./errors.js";
import { Follow, type Options, type Start } from "./follow.js";
import type { Line } from "./line.js";
import { BACKOFF, delay } from "./policy.js";
import { type Position, parsePosition, reaches, textOf } from "./positions.js";
import type { Gap, Told, Welcome } from "./wire.js";

/** Whether a role has a right on a channel; a name that ends in `*` grants what begins so (C23). */
export const may = (welcome: Welcome, right: string, channel: string): boolean =>
  Object.entries(welcome.channels ?? {}).some(
    ([name, { rights }]) =>
      rights.includes(right) && (name.endsWith("*") ? channel.startsWith(name.slice(0, -1)) : channel === name),
  );

export class Follows extends Map<string, Follow> {
  /** Where channels stand that nobody follows now: what was given at first, and what was followed until it ended. */
  readonly places: Map<string, string>;
  /** Whether a channel that is followed anew goes on there, before any start. */
  private readonly goesOn: boolean;

  constructor(
    private readonly effects: Effects,
    positions?: Readonly<Record<string, string>>,
  ) {
    super();
    this.goesOn = !!positions;
    this.places = new Map(Object.entries(positions ?? {}));
    for (const text of this.places.values()) parsePosition(text);
  }

  /** Want a channel; one whose former subscription ended is replaced, one that was only restored is taken up. */
  add(channel: string, options: Options, start: Start): Follow {
    const known = this.get(channel);
    if (known?.isAdopted) {
      known.isAdopted = false;
      known.isStale = Object.keys(options).length > 0;
      if (known.isStale) known.options = options;
      return known;
    }
    if (known && known.state !== "ended") {
      throw new RangeError(`${channel} is subscribed already; unsubscribe it first, or use the subscription you have`);
    }
    const kept = this.goesOn ? this.places.get(channel) : undefined;
    this.places.delete(channel);
    const follow = new Follow(channel, options, kept ? parsePosition(kept) : start);
    this.set(channel, follow);
    return follow;
  }

  /** A channel that a reconnection token of a former client restored: followed until somebody takes it up. */
  adopt(channel: string, told: Told): Follow {
    const { position, behind, ...options } = told;
    const follow = this.add(channel, options, undefined);
    follow.isAdopted = true;
    return follow;
  }

  /** Want it no more. */
  remove(channel: string): Follow | undefined {
    const follow = this.get(channel);
    if (follow) follow.state = "ended";
    this.delete(channel);
    return follow;
  }

  /** Whether this very record is still the one for its channel. */
  isWanted(follow: Follow): boolean {
    return this.get(follow.channel) === follow;
  }

  /** Those that have not ended. */
  live(): Follow[] {
    return [...this.values()].filter((follow) => follow.state !== "ended");
  }

  /** The channels to be asked for on a connection now. */
  due(line: Line, now: number): Follow[] {
    return this.live().filter((follow) => !line.asked.has(follow) && follow.isDue(now));
  }

  /** Whether a hub delivers it by other options, unless their question is on its way; a draining one takes none. */
  isUnheard(follow: Follow, line: Line): boolean {
    return follow.isStale && !line.isDraining && !line.renewing.has(follow) && line.reads(follow);
  }

  /** The channels whose options the hub of a connection is to be told now. */
  stale(line: Line, now: number): Follow[] {
    return this.live().filter((follow) => this.isUnheard(follow, line) && follow.isDue(now));
  }

  /** The cursors that a resume presents (R8): what was handled, never what was merely received. */
  positions(isAdopting: boolean): Record<string, string> | undefined {
    const positions = new Map(isAdopting ? this.places : []);
    for (const follow of this.live()) {
      if (!follow.cursor) continue;
      follow.presented = follow.cursor;
      positions.set(follow.channel, textOf(follow.cursor));
    }
    return positions.size ? Object.fromEntries(positions) : undefined;
  }

  /** The connection is away, or another takes over: those that are not read there are suspended, their places safe. */
  suspend(line?: Line): void {
    for (const follow of this.values()) {
      // The next hub may take positions where the last one did not.
      if (!line) follow.knowsPositions = true;
      if (line?.reads(follow)) continue;
      follow.retryAt = undefined;
      if (follow.state === "active") {
        follow.state = "suspended";
        this.effects.sub(follow.channel, "suspended");
      }
    }
  }

  /** Whether every channel stands where its head was when the hub last told it. */
  isCaughtUp(): boolean {
    return this.live().every((follow) => reaches(follow.place, follow.head));
  }

  /** The client is closed: every subscription ends with it. */
  end(error: HubError | undefined): void {
    for (const follow of this.live()) this.ended(follow, error);
    this.clear();
  }

  /** Ask again for what ended for want of a right that is granted now (C17). */
  revive(welcome: Welcome, line: Line): void {
    for (const follow of this.values()) {
      if (follow.error instanceof PermissionDenied && may(welcome, "subscribe", follow.channel)) {
        line.forget(follow);
        this.beginAgain(follow);
      }
    }
  }

  /** What has ended is wanted again. */
  beginAgain(follow: Follow): void {
    if (follow.state !== "ended") return;
    follow.state = "pending";
    follow.error = undefined;
    this.effects.sub(follow.channel, "pending");
  }

  /**
   * The hub delivers the channel on a connection, from `position` on (P4). A larger cursor is kept. A start beyond it
   * that no `gap` of the hub accounts for is told all the same: a hub without the past must not make it disappear.
   * -> whether nothing is missing
   */
  subscribed(follow: Follow, told: Told, line: Line): boolean {
    const { channel, place: before } = follow;
    const wasActive = follow.state === "active";
    const start = follow.startsAt(told);
    line.read(follow, start);
    if (!wasActive) this.effects.sub(channel, "active");
    if (!before) {
      follow.cursor = start;
      this.moved(follow, start);
      return true;
    }
    const { presented } = follow;
    const isPresented = presented?.epoch === start.epoch && presented.offset === start.offset;
    // Also where what was received beyond the cursor is of a later epoch already.
    if (reaches(before, start) || isPresented || follow.past.includes(start.epoch)) return true;
    this.effects.deliver(between(channel, before, start));
    follow.standAt(start);
    return false;
  }

  /** Filter or options were replaced (M26): the place where the hub switched was settled up to. */
  updated(follow: Follow, told: Told, line: Line): void {
    const start = follow.startsAt(told);
    line.read(follow, start);
    if (start.epoch === follow.epoch && start.offset > follow.offset) this.moved(follow, start);
  }

  /** The place received moved without an event. */
  moved(follow: Follow, place: Position): void {
    follow.standAt(place);
    this.effects.deliver({ type: "cursor", channel: follow.channel, position: textOf(place) });
  }

  /** Asking did not work: what is temporary is asked for again, the rest ends the subscription. */
  failed(follow: Follow, error: HubError, line: Line, now: number, drawn: number): void {
    line.forget(follow);
    // Refused for good on another connection meanwhile.
    if (follow.state === "ended") return;
    const isAboutPositions = follow.cursor && error instanceof BadRequest && /^from(\.|$)/.test(error.path ?? "");
    if (isAboutPositions && follow.knowsPositions) {
      // A hub of an earlier version refuses the start rather than the subscription.
      follow.knowsPositions = false;
      follow.retryAt = now;
    } else if (error.temporary) this.putOff(follow, error, now, drawn);
    else this.ended(follow, error);
  }

  /** What could not be done now is asked for again, not before the hub says (L23). */
  putOff(follow: Follow, error: HubError, now: number, drawn: number): void {
    follow.retryAt = now + delay(BACKOFF, follow.repeats++, drawn, (error.retryAfter ?? 0) / 1000);
  }

  /** The hub ended the subscription (M43): 503 may be asked for again, 403 waits for the right. */
  withdrawn(channel: string, code: number, reason: string, line: Line, now: number, drawn: number): void {
    const follow = this.get(channel);
    // What is not read there yet was asked for later: the hub speaks of a former subscription.
    if (!follow || follow.state === "ended" || !line.reads(follow)) return;
    const temporary = code >= 500;
    const answer = { code, error: "unsubscribed", message: `${channel}: ${reason}`, temporary };
    follow.state = "suspended";
    if (temporary) this.effects.sub(channel, "suspended");
    this.failed(follow, errorFrom(answer, channel), line, now, drawn);
  }

  private ended(follow: Follow, error: HubError | undefined): void {
    follow.state = "ended";
    follow.error = error;
    follow.retryAt = undefined;
    this.effects.sub(follow.channel, "ended", error);
  }
}

/** What was stored while the connection was away and will not come. */
function between(channel: string, before: Position, start: Position): Gap {
  const isSame = before.epoch === start.epoch;
  return {
    type: "gap",
    channel,
    from: textOf(before),
    to: textOf(start),
    missed: isSame ? start.offset - before.offset : null,
    reason: isSame ? "reconnect" : "epoch",
  };
}
