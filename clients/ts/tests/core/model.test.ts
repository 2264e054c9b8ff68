/**
 * The session against a small model of a hub: loss, delay, several connections at once (so that across them order and
 * repetition are arbitrary), restarts of the hub with and without its past. Whatever happens, each entry is handled
 * once or lies within one gap, in order, and nothing is told as lost without need.
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Follow } from "../../src/core/follow.js";
import { parsePosition } from "../../src/core/positions.js";
import { Session } from "../../src/core/session.js";
import { endOf, type HubEvent, type Item, type Message } from "../../src/core/wire.js";
import { Recorder } from "../support/recorder.js";

const CHANNEL = "logs";
/** Entries that the hub keeps. */
const KEEP = 8;

interface Connection {
  conn: number;
  up: Message[];
  down: Message[];
  epoch: string;
  /** Sent up to here, and acknowledged. */
  sent: number;
  acked: number;
  window: number;
  isFollowing: boolean;
  isAlive: boolean;
  isSilent: boolean;
}

class World extends Recorder {
  readonly session: Session;
  now = 0;
  readonly connections: Connection[] = [];
  opening: number[] = [];
  queue: Item[] = [];
  readonly told: Item[] = [];
  cursor: string | undefined;
  /** The history of the hub: offsets by epoch, and what was ever stored. */
  epochs = ["aaaa0"];
  end = 0;
  isUp = true;
  tokens = new Map<string, { epoch: string; offset: number; window: number } | undefined>();
  owner: Connection | undefined;
  count = 0;

  constructor(
    readonly follow: { window: number },
    seed: number,
  ) {
    super();
    let drawn = seed;
    this.session = new Session(this, {
      draw: () => {
        drawn = (drawn * 16807 + 11) % 2147483647;
        return drawn / 2147483647;
      },
    });
    this.session.subscribe(CHANNEL, follow.window ? { ack: follow.window } : {});
    this.session.connect(0, true);
  }

  get record(): Follow | undefined {
    return this.session.follows.get(CHANNEL);
  }
  get epoch(): string {
    return this.epochs.at(-1) as string;
  }

  // -- the shell

  override open(conn: number): void {
    this.opening.push(conn);
  }
  override send(conn: number, messages: readonly Message[]): void {
    this.connections.find((one) => one.conn === conn)?.up.push(...structuredClone([...messages]));
  }
  override drop(conn: number): void {
    this.opening = this.opening.filter((one) => one !== conn);
    const gone = this.connections.find((one) => one.conn === conn);
    if (gone) this.cut(gone);
  }
  override deliver(item: Item): void {
    this.queue.push(item);
  }

  private cut(one: Connection): void {
    one.isAlive = false;
    this.connections.splice(this.connections.indexOf(one), 1);
    if (this.owner === one) this.owner = undefined;
  }

  // -- what may happen

  answer(isGood: boolean): void {
    const conn = this.opening.shift();
    if (conn === undefined) return;
    if (!isGood || !this.isUp) return this.session.failed(conn, "refused", this.now);
    const fresh = {
      up: [],
      down: [],
      sent: 0,
      acked: 0,
      window: 0,
      isFollowing: false,
      isAlive: true,
      isSilent: false,
    };
    const one: Connection = { conn, epoch: this.epoch, ...fresh };
    this.connections.push(one);
    one.down.push(this.welcome());
    this.session.opened(conn, this.now);
  }

  lose(which: number): void {
    const one = this.pick(which);
    if (!one) return;
    this.cut(one);
    this.session.closed(one.conn, 1006, "", this.now);
  }

  goAway(): void {
    for (const one of this.connections) {
      this.pushToken(one);
      one.down.push({ type: "goaway", reason: "draining", reconnect_in: [0, 1], deadline: 30 });
    }
  }

  publish(): void {
    if (!this.isUp) return;
    this.end++;
    for (const one of this.connections) this.pump(one);
  }

  /** The hub dies and comes back, with its log or without. */
  restart(keepsLog: boolean): void {
    for (const one of [...this.connections]) {
      this.cut(one);
      this.session.closed(one.conn, 1006, "", this.now);
    }
    this.tokens.clear();
    if (keepsLog) return;
    this.epochs.push(`aaaa${this.epochs.length}`);
    this.end = 0;
  }

  handle(most: number): void {
    for (const item of this.queue.splice(0, most)) {
      this.told.push(item);
      this.cursor = endOf(item);
      if (this.record) this.session.handled(this.record, parsePosition(this.cursor), this.now);
    }
  }

  up(which: number, most: number): void {
    const one = this.pick(which);
    for (const message of one?.up.splice(0, most) ?? []) if (one?.isAlive) this.asked(one, message);
  }

  down(which: number, most: number): void {
    const one = this.pick(which);
    for (const message of one?.down.splice(0, most) ?? []) {
      if (!one?.isAlive) return;
      if (message.type === "close") {
        this.cut(one);
        this.session.closed(one.conn, 4009, "taken_over", this.now);
      } else {
        this.session.heard(one.conn, this.now);
        this.session.receive(one.conn, message, this.now);
      }
    }
  }

  wait(seconds: number): void {
    const until = this.now + seconds;
    for (let step = 0; step < 200 && this.session.deadline() <= until; step++) {
      this.now = Math.max(this.now, this.session.deadline());
      for (const { conn } of this.connections) this.session.heard(conn, this.now);
      this.session.expired(this.now);
    }
    this.now = until;
  }

  private pick(which: number): Connection | undefined {
    return this.connections[which % Math.max(1, this.connections.length)];
  }

  // -- the hub

  private welcome(): Message {
    const limits = { decoded: 1000, in_flight: 9 };
    const heartbeat = { interval: 30, timeout: 10 };
    const channels = { [CHANNEL]: { rights: ["subscribe"] } };
    return { type: "welcome", role: "developer", resumed: false, heartbeat, limits, channels };
  }

  private asked(one: Connection, message: Message): void {
    const { type, id } = message;
    const named = id === undefined ? {} : { id };
    if (type === "get_reconnection_token") {
      this.owner = one;
      one.down.push({ ...this.token(one), ...named });
    } else if (type === "subscribe") {
      const { from, ack = 0 } = message as { from?: { positions: Record<string, string> }; ack?: number };
      one.window = ack;
      const text =
        from?.positions[CHANNEL] ?? (one.isFollowing ? `${one.epoch}:${one.sent}` : `${this.epoch}:${this.end}`);
      one.down.push({ type: "subscribed", ...named, channels: { [CHANNEL]: this.begin(one, text) } });
    } else if (type === "connect") {
      const { resume, positions } = message as unknown as { resume: string; positions?: Record<string, string> };
      const sealed = this.tokens.get(resume);
      if (!sealed) {
        one.down.push({ type: "error", ...named, code: 410, error: "resume_expired", message: "m", temporary: false });
        return;
      }
      const text = positions?.[CHANNEL] ?? `${sealed.epoch}:${sealed.offset}`;
      one.window = sealed.window;
      const former = this.owner;
      this.owner = one;
      const subscriptions = { [CHANNEL]: this.begin(one, text) };
      one.down.push({ ...this.welcome(), ...named, resumed: true, subscriptions });
      this.pushToken(one);
      if (former && former !== one) {
        former.isFollowing = false;
        former.down.push({ type: "close" });
      }
    } else if (type === "ack") {
      const [epoch, offset] = (message["positions"] as Record<string, string>)[CHANNEL]?.split(":") ?? [];
      if (epoch === one.epoch) one.acked = Math.max(one.acked, Math.min(Number(offset), one.sent));
    } else if (type === "ping") one.down.push({ type: "pong", ...named, t: message["t"] });
    this.pump(one);
  }

  private begin(one: Connection, text: string): object {
    const { epoch, offset } = parsePosition(text);
    Object.assign(one, { epoch, sent: offset, acked: offset, isFollowing: true });
    const behind = epoch === this.epoch ? this.end - offset : Math.min(this.end, KEEP);
    return { position: text, behind, delivery: "all", on_slow: "gap", ...(one.window ? { ack: one.window } : {}) };
  }

  private pump(one: Connection): void {
    if (!one.isFollowing) return;
    const gap = (to: string, missed: number | null, reason: string) => {
      one.down.push({ type: "gap", channel: CHANNEL, from: `${one.epoch}:${one.sent}`, to, missed, reason });
    };
    const first = Math.max(0, this.end - KEEP);
    if (one.epoch !== this.epoch) {
      gap(`${this.epoch}:${first}`, null, "epoch");
      Object.assign(one, { epoch: this.epoch, sent: first, acked: first });
    }
    if (one.sent < first) {
      gap(`${this.epoch}:${first}`, first - one.sent, "retention");
      one.sent = first;
    }
    while (one.sent < this.end && (!one.window || one.sent - one.acked < one.window)) {
      const offset = ++one.sent;
      one.down.push({ type: "event", channel: CHANNEL, offset, event: "x", ts: 1, data: `${this.epoch}:${offset}` });
    }
  }

  private token(one: Connection): Message {
    const token = `t${++this.count}`;
    this.tokens.set(token, { epoch: one.epoch, offset: one.sent, window: one.window });
    return { type: "reconnection_token", token, expires_in: 300 };
  }

  private pushToken(one: Connection): void {
    if (this.owner === one && one.isFollowing) one.down.push(this.token(one));
  }

  // -- what holds

  /** Everything that was told so far is in order, and leaves nothing out. */
  check(): void {
    let at: { epoch: string; offset: number } | undefined;
    for (const item of this.told) {
      const end = parsePosition(endOf(item));
      if (item.type === "event") {
        expect((item as HubEvent).data, "an event is what it is elsewhere").toBe(item.position);
        expect(at?.epoch, "an event is of the epoch that was told").toBe(end.epoch);
        expect(end.offset, "nothing is repeated, lost or out of order").toBe((at?.offset ?? 0) + 1);
      } else if (item.type === "gap") {
        expect(item.from, "a gap begins where the stream stood").toBe(at && `${at.epoch}:${at.offset}`);
        const isOn =
          end.epoch === at?.epoch
            ? end.offset > at.offset
            : this.epochs.indexOf(end.epoch) > this.epochs.indexOf(at?.epoch ?? "");
        expect(isOn, `a gap leads on: ${JSON.stringify(item)}`).toBe(true);
      }
      at = end;
    }
  }

  /** Everything that is on the way arrives. */
  arrive(): void {
    for (let round = 0; round < 6; round++) {
      while (this.opening.length) this.answer(true);
      for (const one of [...this.connections]) {
        this.up(this.connections.indexOf(one), 99);
        this.down(Math.max(0, this.connections.indexOf(one)), 99);
      }
    }
  }

  /** All faults end: the client catches up, and stands where the hub stands. */
  heal(): void {
    for (let round = 0; round < 80; round++) {
      this.wait(2);
      this.arrive();
      this.handle(99);
    }
    this.check();
    expect(this.session.state).toBe("connected");
    expect(this.cursor ?? `${this.record?.cursor?.epoch}:${this.record?.cursor?.offset}`).toBe(
      `${this.epoch}:${this.end}`,
    );
    expect(this.connections.length, "one connection is left").toBe(1);
  }
}

const which = fc.nat({ max: 2 });
const some = fc.integer({ min: 1, max: 4 });
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<[string]>(["publish"]) },
    { weight: 6, arbitrary: fc.tuple(fc.constant("down"), which, some) },
    { weight: 5, arbitrary: fc.tuple(fc.constant("up"), which, some) },
    { weight: 4, arbitrary: fc.tuple(fc.constant("handle"), some) },
    { weight: 4, arbitrary: fc.tuple(fc.constant("answer"), fc.boolean()) },
    { weight: 4, arbitrary: fc.tuple(fc.constant("wait"), fc.constantFrom(0.1, 1, 6, 45)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("lose"), which) },
    { weight: 2, arbitrary: fc.constant<[string]>(["arrive"]) },
    { weight: 2, arbitrary: fc.constant<[string]>(["goAway"]) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("restart"), fc.boolean()) },
  ),
  { minLength: 40, maxLength: 120, size: "max" },
);

describe("whatever happens between a client and its hub", () => {
  it("I1 I2 I3 I4 I5 P3 P6 P7 R8 M51: each entry is handled once or lies in one gap, and all comes in order", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 1, 3), fc.nat({ max: 99 }), (script, window, seed) => {
        const world = new World({ window }, seed);
        world.arrive();
        for (const [name, ...rest] of script) {
          (world[name as keyof World] as unknown as (...given: unknown[]) => void).apply(world, rest);
        }
        world.heal();
      }),
      { numRuns: Number(process.env["NG_RECOVERY_EXAMPLES"] ?? 300), ...(process.env["CI"] ? { seed: 7 } : {}) },
    );
  });
});
