/** Asking the hub for channels, and acting on its answers: between `Follows` (what is wanted) and `Requests`. */

import type { Effects } from "./effects.js";
import { Disconnected, errorFrom, type HubError, type WireError } from "./errors.js";
import { type Follow, isPosition, type Options } from "./follow.js";
import type { Follows } from "./follows.js";
import type { Line } from "./line.js";
import { BACKOFF, delay } from "./policy.js";
import { parsePosition, textOf } from "./positions.js";
import type { Recovery } from "./recovery.js";
import { Own, Request, type Requests } from "./requests.js";
import { keyOf } from "./same.js";
import type { Message, Told } from "./wire.js";

/** The largest number of channels in one subscribe (M22). */
const MAX_CHANNELS = 64;

/** The hub goes away, and the next connection is to be asked. */
const DRAINING = "draining";

type Errors = Readonly<Record<string, WireError>> | undefined;

/** What the answer to a subscribe says of each channel (M23), and the options that it speaks of; raises what it cannot. */
class Said {
  readonly told: ReadonlyMap<string, Told>;
  private readonly errors: ReadonlyMap<string, WireError>;

  constructor(
    private readonly sent: ReadonlyMap<Follow, Options>,
    private readonly error: HubError | undefined,
    answer: Message | undefined,
  ) {
    this.told = new Map(Object.entries((answer?.["channels"] ?? {}) as Record<string, Told>));
    for (const { position } of this.told.values()) parsePosition(position);
    this.errors = new Map(Object.entries((answer?.["errors"] ?? {}) as Record<string, WireError>));
  }

  /** Where it starts; undefined where it does not. */
  of({ channel }: Follow): Told | undefined {
    return this.told.get(channel);
  }

  /** Whether the options are still those that were sent. */
  isOf(follow: Follow): boolean {
    return this.sent.get(follow) === follow.options;
  }

  why({ channel }: Follow): HubError {
    const nothing = { code: 500, message: `no answer about ${channel}` };
    if (this.error) return this.error.byChannel?.[channel] ?? this.error;
    return errorFrom(this.errors.get(channel) ?? nothing, channel);
  }
}

export class Asking {
  /** Stretches that no hub accounted for and that were told as missing here. */
  gaps = 0;

  constructor(
    private readonly effects: Effects,
    private readonly follows: Follows,
    private readonly requests: Requests,
    private readonly recovery: Recovery,
    private readonly draw: () => number,
    private readonly timeout: number,
    /** An answer came: everything may be followed now. */
    private readonly answered: (line: Line, now: number) => void,
  ) {}

  /** Send a question of our own on a connection. */
  submit(line: Line, message: Message, own: Own, now: number): void {
    this.requests.submit(new Request(message, own, now + this.timeout, false, false, line.number), now);
  }

  /** Subscribe to what is wanted and due, equal options in one message. */
  ask(line: Line, now: number): void {
    for (const group of grouped(this.follows.due(line, now), false)) {
      for (const follow of group) line.asked.add(follow);
      line.unsettled++;
      const settle = (said: Said, at: number) => {
        line.unsettled--;
        this.settle(line, group, said, at);
        // What was changed while the answer was on its way.
        this.renew(line, at);
        this.answered(line, at);
      };
      this.submitGroup(line, group, false, settle, now);
    }
  }

  /** Tell the hub of options that were changed or taken up while it could not be told, and that are due (M26). */
  renew(line: Line, now: number): void {
    for (const group of grouped(this.follows.stale(line, now), true)) {
      for (const follow of group) line.renewing.add(follow);
      const settle = (said: Said, at: number) => {
        for (const follow of group) this.renewed(follow, said, line, at);
        this.renew(line, at);
      };
      this.submitGroup(line, group, true, settle, now);
    }
  }

  private submitGroup(
    line: Line,
    group: readonly Follow[],
    keepsCursor: boolean,
    settle: (said: Said, now: number) => void,
    now: number,
  ): void {
    const message = subscribeTo(group, keepsCursor);
    const sent = new Map(group.map((follow) => [follow, follow.options]));
    for (const follow of group) follow.retryAt = undefined;
    const own = new Own((error, answer, at) => {
      const said = new Said(sent, error, answer);
      for (const follow of group) if (said.of(follow) && said.isOf(follow)) follow.isStale = false;
      settle(said, at);
    });
    this.submit(line, message, own, now);
  }

  /** Act on the answer to a subscribe; a hub that takes no positions is asked again at once without them. */
  private settle(line: Line, group: readonly Follow[], said: Said, now: number): void {
    // It was unsubscribed here before the hub had answered.
    const unwanted = [...said.told.keys()].filter((channel) => !this.follows.has(channel));
    this.stop(unwanted, undefined, line, now);
    for (const follow of group) {
      const told = said.of(follow);
      if (told && this.follows.isWanted(follow)) this.started(follow, told, line, now);
    }
    for (const follow of group) if (!said.of(follow)) this.refused(follow, said.why(follow), line, now);
    if (group.some((follow) => !follow.knowsPositions && !line.asked.has(follow))) this.ask(line, now);
  }

  /**
   * The hub knows the options, or is told again when it may take them. Those it never takes end the subscription as they
   * would end a subscribe: nobody awaits this answer, and what comes by the former ones is not what is wanted.
   */
  private renewed(follow: Follow, said: Said, line: Line, now: number): void {
    line.renewing.delete(follow);
    const told = said.of(follow);
    if (told) return this.replaced(follow, told, line, now);
    // One that the hub has ended meanwhile is asked for again with what it is to have.
    if (!this.follows.isWanted(follow) || !line.reads(follow)) return;
    const error = said.why(follow);
    follow.isStale = true;
    line.isDraining ||= error.error === DRAINING;
    if (error.temporary) this.follows.putOff(follow, error, now, this.draw());
    else if (said.isOf(follow)) {
      this.refused(follow, error, line, now);
      this.stop([follow.channel], undefined, line, now);
    }
  }

  /** The hub delivers a channel on a connection; what goes on from a cursor is watched until it is whole. */
  started(follow: Follow, told: Told, line: Line, now: number): void {
    const goesOn = follow.place && !line.isSecond;
    const isWhole = this.follows.subscribed(follow, told, line);
    if (!isWhole) this.gaps++;
    if (goesOn) this.recovery.started(follow, now, isWhole);
  }

  /** The hub does not deliver these. */
  refuse(errors: Errors, line: Line, now: number): void {
    for (const [channel, error] of Object.entries(errors ?? {})) {
      const follow = this.follows.get(channel);
      if (follow) this.refused(follow, errorFrom(error, channel), line, now);
    }
  }

  private refused(follow: Follow, error: HubError, line: Line, now: number): void {
    if (!this.follows.isWanted(follow)) return;
    this.follows.failed(follow, error, line, now, this.draw());
    this.recovery.left(follow);
  }

  /** Replace the options of a channel that is followed (M26); they are kept for the next connection where this one ends. */
  update(follow: Follow, options: Options, ticket: unknown, line: Line, now: number): void {
    const { channel } = follow;
    const answer = (error: HubError | undefined, answer?: Message, took = 0) =>
      this.effects.settle(ticket, error, answer, took);
    const failed = (error: HubError) => {
      const isDraining = error.error === DRAINING;
      line.isDraining ||= isDraining;
      if (!isDraining && !(error instanceof Disconnected)) return answer(error);
      follow.options = options;
      follow.isStale = true;
      answer(undefined);
    };
    const settle = (error: HubError | undefined, said: Message, at: number, took: number) => {
      if (error) return failed(error);
      follow.options = options;
      follow.isStale = false;
      const told = (said["channels"] as Record<string, Told>)[channel];
      if (told) this.replaced(follow, told, line, at);
      answer(undefined, said, took);
    };
    this.submit(line, { type: "subscribe", channel, ...options }, new Own(settle, failed), now);
  }

  /** The hub has switched; what was unsubscribed meanwhile is read no more, though its events may still come. */
  private replaced(follow: Follow, told: Told, line: Line, now: number): void {
    if (!this.follows.isWanted(follow)) return;
    if (line.reads(follow)) return this.follows.updated(follow, told, line);
    // The hub had ended it before it read the update, and began another at its head: ask for it from its own place.
    if (!line.asked.has(follow)) this.follows.beginAgain(follow);
    this.ask(line, now);
  }

  /**
   * Tell the hub that channels are wanted no more, and again where it does not stop: what it goes on to send, nobody
   * wants. The ticket, if anybody has one, gets the first answer.
   */
  stop(channels: readonly string[], ticket: unknown, line: Line, now: number): void {
    if (!channels.length) return;
    const answer = (error?: HubError, answer?: Message, took = 0) =>
      ticket !== undefined && this.effects.settle(ticket, error, answer, took);
    const settle = (error: HubError | undefined, said: Message, at: number, took: number) => {
      if (!error) line.stops = 0;
      else if (error.temporary) {
        for (const channel of channels) line.unwanted.add(channel);
        line.stopAt = at + delay(BACKOFF, line.stops++, this.draw(), (error.retryAfter ?? 0) / 1000);
      }
      answer(error, said, took);
    };
    this.submit(line, { type: "unsubscribe", channels }, new Own(settle, answer), now);
  }

  /** Ask once more for what the hub has not stopped, unless it is wanted again. */
  stopAgain(line: Line, now: number): void {
    if (line.stopAt === undefined || now < line.stopAt) return;
    const wanted = new Set([...line.asked].map((follow) => follow.channel));
    const channels = [...line.unwanted].filter((channel) => !wanted.has(channel));
    line.stopAt = undefined;
    line.unwanted.clear();
    this.stop(channels, undefined, line, now);
  }
}

const hasPositions = (start: unknown): boolean => !!start && typeof start === "object" && "positions" in start;

/** Those that can be asked for in one message. */
function grouped(follows: readonly Follow[], keepsCursor: boolean): Follow[][] {
  const groups: Follow[][] = [];
  const open = new Map<string, Follow[]>();
  for (const follow of follows) {
    const start = keepsCursor || follow.from();
    const key = keyOf([follow.options, hasPositions(start) ? 0 : start]);
    let group = open.get(key);
    if (!group || group.length >= MAX_CHANNELS) {
      group = [];
      open.set(key, group);
      groups.push(group);
    }
    group.push(follow);
  }
  return groups;
}

/** One subscribe; each channel goes on at its own position (R14), or where the hub is (M26). */
function subscribeTo(group: readonly Follow[], keepsCursor: boolean): Message {
  const [first] = group as [Follow];
  let from = keepsCursor ? undefined : first.from();
  if (hasPositions(from)) {
    const positions = group.flatMap(({ channel, cursor }) => (cursor ? [[channel, textOf(cursor)]] : []));
    from = { positions: Object.fromEntries(positions) };
  }
  return {
    type: "subscribe",
    ...(group.length > 1 ? { channels: group.map((follow) => follow.channel) } : { channel: first.channel }),
    ...first.options,
    ...(from === undefined || isPosition(from as never) ? {} : { from }),
  };
}
