/** What keeps a client connected: carries out what the session asks for, and ends with the client. */

import { watchPage } from "./browser.js";
import { Clock, now, TIMERS } from "./clock.js";
import { checkContent, checkName, type Form } from "./content.js";
import type { TokenRequest } from "./core/credentials.js";
import type { Effects, Tellings } from "./core/effects.js";
import { AuthError, Closed, Disconnected, type HubError, RequestTimeout } from "./core/errors.js";
import type { Options } from "./core/follow.js";
import type { Backoff } from "./core/policy.js";
import { parsePosition, textOf } from "./core/positions.js";
import { Request } from "./core/requests.js";
import { Session } from "./core/session.js";
import type { State, SubState } from "./core/states.js";
import type { Item, Message } from "./core/wire.js";
import { given, wireOptions, wireStart } from "./options.js";
import { checked, type Dialler, Sockets } from "./sockets.js";
import { type Handler, type Owner, Subscription } from "./subscription.js";
import { Told } from "./told.js";
import type { HubOptions, SubscribeOptions, Unread } from "./types.js";

/** What the session counts in seconds, by its names. */
const SECONDS = ["retryIn", "downtime", "expiresIn", "within"];

/** An answer; `took` is in milliseconds. */
export interface Answer {
  readonly message: Message;
  readonly took: number;
}

/** Who waits for one. */
interface Ticket {
  resolve(answer: Answer): void;
  reject(error: HubError): void;
}

export class Link implements Effects, Owner, Dialler {
  readonly session: Session;
  readonly subscriptions: Map<string, Subscription> = new Map();
  readonly told: Told = new Told();
  readonly sockets: Sockets;
  readonly #options: HubOptions;
  readonly #clock: Clock;
  /** Which subscription of a channel was the last one: it may go on handling what it had in hand when it ended. */
  readonly #ended: Map<string, Subscription> = new Map();
  #unwatch: (() => void) | undefined;
  #isFlushDue = false;
  #waiters: (() => void)[] = [];

  constructor(options: HubOptions, isShort: boolean = false) {
    const { backoff, token, connectTimeout = 10_000, timeout = 5_000 } = options;
    const timers = { ...TIMERS };
    const client = given({ name: options.name, version: options.version }) as Record<string, string>;
    const inSeconds = Object.entries(backoff ?? {}).map(([name, value]) => [name, value / 1000]);
    this.#options = options;
    this.sockets = new Sockets(options, timers, this);
    this.#clock = new Clock(timers, (hasSlept) => this.#rang(hasSlept));
    this.session = new Session(this, {
      ...options,
      draw: Math.random,
      backoff: {
        ...(Object.fromEntries(inSeconds) as Partial<Backoff>),
        ...given({ maxAttempts: backoff?.maxAttempts }),
      },
      token: token === undefined ? token : checked(token),
      isRenewable: !!options.getToken,
      connectTimeout: connectTimeout / 1000,
      timeout: timeout / 1000,
      client: Object.keys(client).length ? client : undefined,
      isResumable: !isShort,
    });
  }

  /** Let the session do something, then tell the application what came of it. */
  run(work: (session: Session, now: number) => void): void {
    try {
      work(this.session, now());
    } finally {
      this.#clock.set(this.session.deadline());
      this.told.flush();
    }
  }

  // -- what the client asks

  /** Ask the hub and wait for its answer; BadRequest for what no message can hold. */
  request(
    message: Message,
    timeout: number = this.#options.timeout ?? 5_000,
    isPatient: boolean = false,
  ): Promise<Answer> {
    const isRepeatable = message["mid"] !== undefined;
    checkContent(message, this.#options);
    // What was subscribed before goes before.
    this.#flush();
    return this.#answered((ticket, session, at) =>
      session.submit(new Request(message, ticket, at + timeout / 1000, isRepeatable, isPatient), at),
    );
  }

  #answered(ask: (ticket: Ticket, session: Session, at: number) => void): Promise<Answer> {
    return new Promise((resolve, reject) => this.run((session, at) => ask({ resolve, reject }, session, at)));
  }

  /** Write a message as it is. */
  write(message: Message): void {
    const { conn, state, cause } = this.session;
    checkContent(message, this.#options);
    if (conn === undefined) throw cause ?? new Disconnected(`not connected (${state})`, { temporary: true });
    this.send(conn, [message]);
  }

  subscribe<T>(channel: string, handler: Handler<T> | undefined, options: SubscribeOptions): Subscription<T> {
    const { signal, onFull, queueSize = 1000 } = options;
    signal?.throwIfAborted();
    checkName("channel", channel);
    // A WebSocket of a browser cannot be paused: the hub is told how much may come.
    const ack = options.ack ?? (onFull === "wait" ? Math.min(queueSize, 10_000) : undefined);
    const follow = this.session.subscribe(
      channel,
      wireOptions({ ...options, ack }, this.form),
      wireStart(options.from),
    );
    const known = this.subscriptions.get(channel);
    const isRestored = known && known.state === follow.state && known.state !== "ended";
    const subscription = isRestored ? known : this.#begin(channel);
    subscription.takeUp(handler as Handler<unknown> | undefined, options, ack !== undefined);
    signal?.addEventListener("abort", () => subscription.leave(), { once: true });
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
    return subscription as Subscription<T>;
  }

  /** Ask for new subscriptions: those of one turn go in one message. */
  #flush(): void {
    const isDue = this.#isFlushDue && this.session.state === "connected";
    this.#isFlushDue = false;
    if (isDue) this.run((session, at) => session.flush(at));
  }

  #begin(channel: string): Subscription {
    const cursor = this.session.follows.get(channel)?.cursor;
    const subscription = new Subscription(channel, this, cursor && textOf(cursor));
    this.#ended.delete(channel);
    this.subscriptions.set(channel, subscription);
    return subscription;
  }

  /** End subscriptions; resolves when the hub has stopped. */
  async unsubscribe(channels: Iterable<string>): Promise<void> {
    const names: string[] = [];
    for (const channel of [...channels]) {
      const subscription = this.subscriptions.get(channel);
      if (!subscription) continue;
      names.push(channel);
      this.subscriptions.delete(channel);
      subscription.discard();
      this.#keepPlace(subscription);
    }
    try {
      await this.#answered((ticket, session, at) => session.unsubscribe(names, ticket, at));
    } catch (error) {
      // Without the connection nothing comes, and no later one will ask for them.
      if (!(error instanceof Disconnected || error instanceof Closed)) throw error;
    }
  }

  /** Until a state is one that was wanted. */
  async until(isReached: (state: State) => boolean, timeout?: number): Promise<void> {
    let isLate = false;
    const late = () => {
      isLate = true;
      this.#wake();
    };
    const timer = timeout === undefined ? timeout : this.#clock.timers.set(late, timeout);
    while (!isReached(this.session.state)) {
      if (isLate)
        throw new RequestTimeout(`the client is ${this.session.state} after ${timeout} ms`, { temporary: true });
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    this.#clock.timers.clear(timer);
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** End it all, and leave no socket and no timer. */
  async close(code: number, reason: string): Promise<void> {
    this.run((session) => session.close(code, reason));
    await this.sockets.finish();
  }

  /** The page goes away, perhaps to come back as it is: nothing is open meanwhile. */
  leavePage(): void {
    for (const [conn] of this.sockets.heard()) {
      this.drop(conn, 1000, "", false);
      this.closed(conn, 1001, "the page was left");
    }
  }

  /** The network changed, sleep ended, or the page is seen again (H6). */
  nudge(): void {
    this.run((session, at) => {
      session.nudge(at);
      session.expired(at);
    });
  }

  /** Who waits for the next attempt waits no longer. */
  tryNow(): void {
    this.run((session, at) => {
      session.tryNow(at);
      session.expired(at);
    });
  }

  // -- places

  /** Where each channel stands, also one that is followed no more. */
  positions(): Record<string, string> {
    const positions = new Map(this.session.follows.places);
    for (const { channel, position } of this.subscriptions.values()) if (position) positions.set(channel, position);
    return Object.fromEntries(positions);
  }

  /** Forget where channels stand that nobody follows. */
  forget(channels: readonly string[]): void {
    const { follows } = this.session;
    const followed = channels.find((channel) => follows.has(channel));
    if (followed) throw new RangeError(`${followed} is subscribed: unsubscribe it before its position is forgotten`);
    for (const channel of channels.length ? channels : [...follows.places.keys(), ...this.subscriptions.keys()]) {
      if (follows.has(channel)) continue;
      follows.places.delete(channel);
      this.subscriptions.delete(channel);
      this.#ended.delete(channel);
    }
  }

  #keepPlace(subscription: Subscription): void {
    const { channel, position } = subscription;
    this.#ended.set(channel, subscription);
    if (position) this.session.follows.places.set(channel, position);
  }

  #moveCursor(channel: string, position: string): void {
    const follow = this.session.follows.get(channel);
    if (!follow) return;
    this.session.handled(follow, parsePosition(position), now());
    if (this.session.acks.dueAt !== undefined) this.#clock.set(this.session.acks.dueAt);
  }

  // -- Owner of subscriptions

  get form(): Form {
    return this.#options;
  }

  async leave(subscription: Subscription): Promise<void> {
    if (this.subscriptions.get(subscription.channel) === subscription) await this.unsubscribe([subscription.channel]);
  }

  async update(subscription: Subscription, options: Options): Promise<void> {
    const { channel } = subscription;
    if (this.subscriptions.get(channel) !== subscription || !this.session.follows.has(channel)) {
      throw new Closed(`${channel} was unsubscribed`);
    }
    await this.#answered((ticket, session, at) => session.update(channel, options, ticket, at));
  }

  handled(subscription: Subscription, position: string): void {
    const { channel } = subscription;
    if (subscription.state === "ended" && this.#ended.get(channel) === subscription) {
      this.session.follows.places.set(channel, position);
    }
    // One that outlives its subscription says nothing of the next one, which may stand further back (P5).
    if (this.subscriptions.get(channel) === subscription) this.#moveCursor(channel, position);
  }

  report(error: unknown): void {
    this.told.push(() => this.told.tell("error", error));
    this.told.flush();
  }

  // -- what the sockets bring

  isWanted(conn: number): boolean {
    return this.session.lines.has(conn);
  }

  opened(conn: number): void {
    // What follows presents the cursors (R8); elsewhere they are told when it matters.
    for (const { channel, position } of this.subscriptions.values()) if (position) this.#moveCursor(channel, position);
    this.run((session, at) => session.opened(conn, at));
  }

  failed(conn: number, text: string, status: number, isFinal: boolean): void {
    this.run((session, at) => {
      if (status) session.refused(conn, status, "", at);
      else session.failed(conn, text, at, isFinal);
    });
  }

  closed(conn: number, code: number, reason: string): void {
    this.run((session, at) => session.closed(conn, code, reason, at));
  }

  unread(conn: number, what: Unread, at: number): void {
    this.run((session) => session.unread(conn, what, at));
  }

  received(conn: number, message: unknown, at: number): void {
    // An envelope has no prototype: nothing that was not sent is found in it.
    const envelope = message && typeof message === "object" ? { __proto__: null, ...message } : message;
    this.session.receive(conn, envelope, at);
    // An event brings no deadline nearer.
    const isEvent = (envelope as Message | null)?.type === "event";
    if (!isEvent || this.session.acks.dueAt !== undefined) this.#clock.set(this.session.deadline());
    this.told.flush();
  }

  // -- effects

  send(conn: number, messages: readonly Message[]): void {
    this.sockets.send(conn, messages);
  }

  open(conn: number): void {
    void this.sockets.open(conn, () => this.session.credentials.token);
  }

  drop(conn: number, code: number, reason: string, isAbrupt: boolean): void {
    this.sockets.drop(conn, code, reason, isAbrupt);
  }

  limit(conn: number, bytes: number): void {
    this.sockets.limit(conn, bytes);
    this.sockets.longest = this.session.lines.get(conn)?.welcome?.limits?.message ?? Number.POSITIVE_INFINITY;
  }

  ask(request: TokenRequest): void {
    const answer = async () => {
      const token = await this.#options.getToken?.(request);
      return token ? checked(token) : "";
    };
    answer().then(
      (token) => this.run((session, at) => session.tokenReady(token, at)),
      (cause: unknown) => {
        const error = new AuthError(`getToken failed: ${cause}`, { temporary: true, cause });
        this.run((session, at) => session.tokenFailed(error, at));
      },
    );
  }

  settle(ticket: unknown, error: HubError | undefined, message: Message | undefined, took: number): void {
    if (error) (ticket as Ticket).reject(error);
    else (ticket as Ticket).resolve({ message: message as Message, took: took * 1000 });
  }

  sub(channel: string, state: SubState, error?: HubError): void {
    let one = this.subscriptions.get(channel);
    // Restored by the token of a former client: what comes is kept for who takes it up.
    if (!one && state === "active") {
      one = this.#begin(channel);
      one.takeUp(undefined, {}, false);
    }
    const subscription = one;
    if (!subscription) return;
    this.told.push(() => {
      subscription.change(state, error);
      if (state === "ended") this.#keepPlace(subscription);
    });
  }

  recovered(channel: string, isWhole: boolean): void {
    const subscription = this.subscriptions.get(channel);
    this.told.push(() => subscription && Object.assign(subscription, { recovered: isWhole }));
  }

  deliver(item: Item): void {
    const subscription = this.subscriptions.get(item.channel);
    if (subscription) this.told.push(() => subscription.deliver(item));
    if (item.type === "gap") this.told.push(() => this.told.tell("gap", item));
  }

  tell<K extends keyof Tellings>(name: K, value: Tellings[K]): void {
    if (name === "state") this.#moved((value as Tellings["state"]).new);
    const isAsItIs = name === "connected" || value instanceof Error;
    const converted = Object.entries(value).map(([member, one]) => {
      return [member, SECONDS.includes(member) && typeof one === "number" ? one * 1000 : one];
    });
    this.told.push(() => this.told.tell(name, (isAsItIs ? value : Object.fromEntries(converted)) as never));
  }

  #moved(state: State): void {
    this.#wake();
    if (state === "closed") {
      this.#unwatch?.();
      this.#unwatch = undefined;
    } else if (this.#options.networkEvents ?? true) this.#unwatch ??= watchPage(this);
  }

  #rang(hasSlept: boolean): void {
    for (const [conn, at] of this.sockets.heard()) this.session.heard(conn, at);
    if (hasSlept) this.nudge();
    else this.run((session, at) => session.expired(at));
  }
}
