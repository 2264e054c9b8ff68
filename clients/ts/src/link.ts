/** What keeps a client connected: carries out what the session asks for. It owns every socket and timer of the client. */

import { watchPage } from "./browser.js";
import { type Json, jsonCodec } from "./codec.js";
import type { TokenRequest } from "./core/credentials.js";
import type { Effects, Tellings } from "./core/effects.js";
import { AuthError, Closed, Disconnected, type HubError, Misconfigured, RequestTimeout, TooLarge } from "./core/errors.js";
import type { Options } from "./core/follow.js";
import { parsePosition } from "./core/positions.js";
import { Request } from "./core/requests.js";
import { Session } from "./core/session.js";
import type { State, SubState } from "./core/states.js";
import type { Item, Message } from "./core/wire.js";
import { given, wireOptions, wireStart } from "./options.js";
import { type Handler, type Owner, Subscription } from "./subscription.js";
import type { ClientEvents, Codec, HubOptions, Socket, SubscribeOptions, WebSocketLike } from "./types.js";

/** How long a close frame of ours may go unanswered (X6). */
const CLOSE_WAIT = 2_000;
/** The longest time a timer takes. */
const LONGEST = 2 ** 31 - 1;
/** A timer that rings so many milliseconds late has slept. */
const SLEPT = 5_000;

interface Timers {
  set(ring: () => void, wait: number): unknown;
  clear(timer: unknown): void;
}

const now = (): number => performance.now() / 1000;
const seconds = (ms: number | undefined, standard: number): number => (ms === undefined ? standard : ms / 1000);

/** The URL without credentials, for messages. */
export const masked = (url: string): string =>
  url.replace(/([?&](?:reconnection_)?token=)[^&#]*/g, "$1***").replace(/\/\/[^/@]*@/, "//***@");

/** A JWT or an API key (C7); what came is secret. */
function checked(token: string): string {
  if (/^[\w.-]{1,4096}$/.test(token)) return token;
  throw new AuthError(`token: expected a JWT or an API key, got ${token.length} characters that are neither`);
}

interface Wire {
  readonly socket: Socket;
  readonly codec: Codec;
  limit: number;
  heardAt: number;
}

/** Who waits for an answer; `took` is in milliseconds. */
interface Ticket {
  resolve(answer: { message: Message; took: number }): void;
  reject(error: HubError): void;
}

export class Link implements Effects, Owner {
  readonly session: Session;
  readonly subscriptions: Map<string, Subscription> = new Map();
  url = "";
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #options: HubOptions;
  readonly #codec: Codec;
  readonly #json: Codec;
  /** As they are, until something else is loaded. */
  readonly #parts: Json = { parse: JSON.parse, stringify: JSON.stringify };
  readonly #timers: Timers = {
    set: (ring, wait) => setTimeout(ring, wait),
    clear: (timer) => clearTimeout(timer as number),
  };
  readonly #listeners: Map<string, ((value: never) => unknown)[]> = new Map();
  readonly #wires: Map<number, Wire> = new Map();
  readonly #ending: Set<Promise<void>> = new Set();
  /** Which subscription of a channel was the last one: it may go on handling what it had in hand when it ended. */
  readonly #ended: Map<string, Subscription> = new Map();
  /** What calls the application, when the session has returned. */
  #later: (() => void)[] = [];
  #isTelling = false;
  #unwatch: (() => void) | undefined;
  #timer: unknown;
  #timerAt = Number.POSITIVE_INFINITY;
  #wakeAt = 0;
  #isFlushDue = false;
  #waiters: (() => void)[] = [];

  constructor(options: HubOptions, isShort = false) {
    const { backoff, token, name, version } = options;
    this.#options = options;
    this.#json = jsonCodec(this.#parts);
    this.#codec = options.codec ?? this.#json;
    this.session = new Session(this, {
      draw: Math.random,
      backoff: given({
        base: backoff?.base && backoff.base / 1000,
        cap: backoff?.cap && backoff.cap / 1000,
        stableAfter: backoff?.stableAfter && backoff.stableAfter / 1000,
        maxAttempts: backoff?.maxAttempts,
      }),
      token: token === undefined ? token : checked(token),
      isRenewable: !!options.getToken,
      autoReconnect: options.autoReconnect ?? true,
      connectTimeout: seconds(options.connectTimeout, 10),
      timeout: seconds(options.timeout, 5),
      sendQueue: options.sendQueue ?? 0,
      client: name === undefined && version === undefined ? undefined : (given({ name, version }) as Record<string, string>),
      reconnectionToken: options.reconnectionToken,
      isResumable: !isShort,
      positions: options.positions,
    });
  }

  /** Let the session do something, then tell the application what came of it. */
  run(work: (session: Session, now: number) => void): void {
    try {
      work(this.session, now());
    } finally {
      this.#schedule();
      this.#tellAll();
    }
  }

  #tellAll(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (let told = 0; told < this.#later.length; told++) this.#later[told]?.();
    } finally {
      this.#later = [];
      this.#isTelling = false;
    }
  }

  // -- what the client asks

  /** Ask the hub and wait for its answer. */
  request(message: Message, timeout = this.#options.timeout ?? 5_000, isPatient = false): Promise<{ message: Message; took: number }> {
    return new Promise((resolve, reject) => {
      const ticket: Ticket = { resolve, reject };
      const isRepeatable = message["mid"] !== undefined;
      this.run((session, at) => session.submit(new Request(message, ticket, at + timeout / 1000, isRepeatable, isPatient), at));
    });
  }

  /** Write a message as it is. */
  write(message: Message): void {
    const { conn, state, cause } = this.session;
    if (conn === undefined) throw cause ?? new Disconnected(`not connected (${state})`, { temporary: true });
    this.send(conn, [message]);
  }

  subscribe<T>(channel: string, handler: Handler<T> | undefined, options: SubscribeOptions): Subscription<T> {
    const { signal, onFull, queueSize = 1000 } = options;
    signal?.throwIfAborted();
    // A WebSocket of a browser cannot be paused: the hub is told how much may come.
    const ack = options.ack ?? (onFull === "wait" ? Math.min(queueSize, 10_000) : undefined);
    const follow = this.session.subscribe(channel, wireOptions({ ...options, ack }), wireStart(options.from));
    let subscription = this.subscriptions.get(channel);
    if (!subscription || subscription.state === "ended" || subscription.state !== follow.state) {
      subscription = this.#begin(channel);
    }
    subscription.takeUp(handler as Handler<unknown> | undefined, options, ack !== undefined);
    signal?.addEventListener("abort", () => void subscription.unsubscribe(), { once: true });
    // Those of one turn go in one message.
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(() => {
        this.#isFlushDue = false;
        if (this.session.state === "connected") this.run((session, at) => session.flush(at));
      });
    }
    return subscription as Subscription<T>;
  }

  #begin(channel: string): Subscription {
    const cursor = this.session.follows.get(channel)?.cursor;
    const subscription = new Subscription(channel, this, cursor && `${cursor.epoch}:${cursor.offset}`);
    this.#ended.delete(channel);
    this.subscriptions.set(channel, subscription);
    return subscription;
  }

  /** End subscriptions; resolves when the hub has stopped. */
  async unsubscribe(channels: Iterable<string>): Promise<void> {
    const names = [...channels].filter((channel) => this.subscriptions.has(channel));
    for (const channel of names) {
      const subscription = this.subscriptions.get(channel) as Subscription;
      this.subscriptions.delete(channel);
      subscription.discard();
      this.#keepPlace(subscription);
    }
    try {
      await new Promise((resolve, reject) => {
        this.run((session, at) => session.unsubscribe(names, { resolve, reject }, at));
      });
    } catch (error) {
      // Without the connection nothing comes, and no later one will ask for them.
      if (!(error instanceof Disconnected || error instanceof Closed)) throw error;
    }
  }

  /** Until a state is one that was wanted. */
  async until(isReached: (state: State) => boolean, timeout?: number): Promise<void> {
    const timer = timeout === undefined ? undefined : this.#timers.set(() => this.#wake(), timeout);
    const ends = performance.now() + (timeout ?? Number.POSITIVE_INFINITY);
    try {
      while (!isReached(this.session.state)) {
        if (performance.now() >= ends) {
          const text = `the client is ${this.session.state} after ${timeout} ms`;
          throw new RequestTimeout(text, { temporary: true });
        }
        await new Promise<void>((resolve) => this.#waiters.push(resolve));
      }
    } finally {
      this.#timers.clear(timer);
    }
  }

  /** End it all, and leave no socket and no timer. */
  async close(code: number, reason: string): Promise<void> {
    this.run((session) => session.close(code, reason));
    await Promise.all(this.#ending);
  }

  on(name: string, listener: (value: never) => unknown): () => void {
    const listeners = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, [...listeners, listener]);
    return () => this.#listeners.set(name, (this.#listeners.get(name) ?? []).filter((one) => one !== listener));
  }

  /** The page goes away, perhaps to come back as it is: nothing is open meanwhile. */
  leavePage(): void {
    for (const conn of [...this.#wires.keys()]) {
      this.drop(conn, 1000, "", false);
      this.run((session, at) => session.closed(conn, 1001, "the page was left", at));
    }
  }

  // -- Owner of subscriptions

  async leave(subscription: Subscription): Promise<void> {
    if (this.subscriptions.get(subscription.channel) === subscription) await this.unsubscribe([subscription.channel]);
  }

  async update(subscription: Subscription, options: Options): Promise<void> {
    const { channel } = subscription;
    if (this.subscriptions.get(channel) !== subscription || !this.session.follows.has(channel)) {
      throw new Closed(`${channel} was unsubscribed`);
    }
    await new Promise((resolve, reject) => {
      this.run((session, at) => session.update(channel, options, { resolve, reject }, at));
    });
  }

  handled(subscription: Subscription, position: string): void {
    const { channel } = subscription;
    if (subscription.state === "ended" && this.#ended.get(channel) === subscription) {
      this.session.follows.places.set(channel, position);
    }
    // One that outlives its subscription says nothing of the next one, which may stand further back (P5).
    if (this.subscriptions.get(channel) === subscription) this.#moveCursor(channel, position);
  }

  #moveCursor(channel: string, position: string): void {
    const follow = this.session.follows.get(channel);
    if (follow) this.run((session, at) => session.handled(follow, parsePosition(position), at));
  }

  #keepPlace(subscription: Subscription): void {
    const { channel, position } = subscription;
    this.#ended.set(channel, subscription);
    if (position) this.session.follows.places.set(channel, position);
  }

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

  report(error: unknown): void {
    this.#later.push(() => this.#call("error", error));
    this.#tellAll();
  }

  // -- effects

  send(conn: number, messages: readonly Message[]): void {
    const wire = this.#wires.get(conn);
    if (!wire) return;
    const { socket, codec } = wire;
    const isArray = messages.length > 1 && socket.protocol !== "";
    for (const message of isArray ? [messages] : messages) {
      const payload = codec.encode(message);
      const limit = this.session.welcome?.limits?.message ?? Number.POSITIVE_INFINITY;
      if (payload.length > limit) {
        const text = `the message is ${payload.length} bytes, the hub takes ${limit}`;
        throw new TooLarge(text, { error: "too_large", limit });
      }
      this.#log(">", message);
      socket.send(payload);
      this.messagesOut++;
      this.bytesOut += payload.length;
    }
  }

  drop(conn: number, code: number, reason: string, isAbrupt: boolean): void {
    const wire = this.#wires.get(conn);
    if (!wire || !this.#wires.delete(conn)) return;
    const { socket } = wire;
    let end: () => void = () => {};
    const ending = new Promise<void>((resolve) => {
      end = resolve;
    });
    const timer = this.#timers.set(end, CLOSE_WAIT);
    this.#ending.add(ending);
    void ending.then(() => {
      this.#timers.clear(timer);
      this.#ending.delete(ending);
      (socket as { terminate?(): void }).terminate?.();
    });
    socket.onopen = () => socket.close();
    socket.onmessage = null;
    socket.onerror = socket.onclose = () => end();
    socket.close(code, reason);
    if (isAbrupt) end();
  }

  limit(conn: number, bytes: number): void {
    const wire = this.#wires.get(conn);
    if (wire) wire.limit = bytes;
  }

  settle(ticket: unknown, error: HubError | undefined, message: Message | undefined, took: number): void {
    if (error) (ticket as Ticket).reject(error);
    else (ticket as Ticket).resolve({ message: message as Message, took: took * 1000 });
  }

  sub(channel: string, state: SubState, error?: HubError): void {
    let subscription = this.subscriptions.get(channel);
    // Restored by the token of a former client: what comes is kept for who takes it up.
    if (!subscription && state === "active") {
      subscription = this.#begin(channel);
      subscription.takeUp(undefined, {}, false);
    }
    if (!subscription) return;
    const one = subscription;
    this.#later.push(() => {
      one.change(state, error);
      if (state === "ended") this.#keepPlace(one);
    });
  }

  recovered(channel: string, isWhole: boolean): void {
    const subscription = this.subscriptions.get(channel);
    if (!subscription) return;
    this.#later.push(() => {
      subscription.recovered = isWhole;
    });
  }

  deliver(item: Item): void {
    const subscription = this.subscriptions.get(item.channel);
    if (subscription) this.#later.push(() => subscription.deliver(item));
    if (item.type === "gap") this.#later.push(() => this.#call("gap", item));
  }

  tell<K extends keyof Tellings>(name: K, value: Tellings[K]): void {
    if (name === "state") this.#moved((value as Tellings["state"]).new);
    const told: Record<string, unknown> = { ...value };
    // The session counts in seconds.
    for (const member of ["retryIn", "downtime", "expiresIn", "within"]) {
      if (typeof told[member] === "number") told[member] *= 1000;
    }
    const isValue = name === "connected" || value instanceof Error;
    this.#later.push(() => this.#call(name, (isValue ? value : told) as never));
  }

  #moved(state: State): void {
    this.#wake();
    if (state === "closed") {
      this.#unwatch?.();
      this.#unwatch = undefined;
    } else if (this.#options.networkEvents ?? true) this.#unwatch ??= watchPage(this);
  }

  #call<K extends keyof ClientEvents>(name: K, value: ClientEvents[K]): void {
    const listeners = this.#listeners.get(name) ?? [];
    if (name === "error" && !listeners.length) console.error("neurograph-ws-client:", value);
    for (const listener of listeners) {
      try {
        void listener(value as never);
      } catch (fault) {
        console.error(`neurograph-ws-client: a listener for ${name} raised`, fault);
      }
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  ask(request: TokenRequest): void {
    const answer = async () => checked(await (this.#options.getToken?.(request) ?? ""));
    answer().then(
      (token) => this.run((session, at) => session.tokenReady(token, at)),
      (cause: unknown) => {
        const error = new AuthError(`getToken failed: ${cause}`, { temporary: true, cause });
        this.run((session, at) => session.tokenFailed(error, at));
      },
    );
  }

  open(conn: number): void {
    void this.#open(conn);
  }

  async #open(conn: number): Promise<void> {
    const { url, webSocket = (globalThis as { WebSocket?: unknown }).WebSocket, connectTimeout = 10_000 } = this.#options;
    let socket: Socket;
    try {
      const Made = (await webSocket) as WebSocketLike | undefined;
      if (!Made) throw new Misconfigured('there is no WebSocket here: import "neurograph-ws-client/node", or give a class');
      this.url = typeof url === "string" ? url : await url();
      await this.#load();
      if (!this.session.lines.has(conn)) return;
      const { token } = this.session.credentials;
      const names = [this.#codec.subprotocol, this.#json.subprotocol, ...(token ? [`ng-ws.bearer.${token}`] : [])];
      socket = new Made(this.url, [...new Set(names)]);
    } catch (fault) {
      this.run((session, at) => session.failed(conn, this.#cannot(fault), at, typeof url === "string"));
      return;
    }
    this.#take(conn, socket, connectTimeout);
  }

  /** What few need is loaded when it is. */
  async #load(): Promise<void> {
    const { bigint, heartbeatWorker } = this.#options;
    if (bigint) Object.assign(this.#parts, (await import("./bigint.js")).json);
    if (heartbeatWorker) Object.assign(this.#timers, (await import("./worker.js")).timers());
  }

  #cannot(why: unknown): string {
    return `cannot connect to ${masked(this.url)}: ${why instanceof Error ? why.message : why}`;
  }

  /** From here on the socket speaks; `drop` may silence it at any time. */
  #take(conn: number, socket: Socket, connectTimeout: number): void {
    let why = "the connection was refused, or ended before it was open";
    let isOpen = false;
    const failed = (text: string) => {
      if (!this.#wires.delete(conn)) return;
      const status = Number(/response: (\d{3})/.exec(text)?.[1]);
      this.run((session, at) => {
        if (status) session.refused(conn, status, "", at);
        else session.failed(conn, this.#cannot(text), at);
      });
    };
    const timer = this.#timers.set(() => {
      failed("no answer in time");
      socket.close();
    }, connectTimeout);
    const wire: Wire = { socket, codec: this.#codec, limit: Number.POSITIVE_INFINITY, heardAt: 0 };
    this.#wires.set(conn, wire);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#timers.clear(timer);
      isOpen = true;
      // The hub may know JSON only.
      if (socket.protocol !== this.#codec.subprotocol) this.#wires.set(conn, { ...wire, codec: this.#json });
      for (const { channel, position } of this.subscriptions.values()) if (position) this.#moveCursor(channel, position);
      this.run((session, at) => session.opened(conn, at));
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => this.#received(conn, data);
    socket.onerror = (event: { message?: string }) => {
      why = event.message || why;
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.#timers.clear(timer);
      if (!isOpen) failed(why);
      else if (this.#wires.delete(conn)) this.run((session, at) => session.closed(conn, code, reason, at));
    };
  }

  #received(conn: number, data: string | ArrayBuffer): void {
    const wire = this.#wires.get(conn);
    if (!wire) return;
    const size = typeof data === "string" ? data.length : data.byteLength;
    this.bytesIn += size;
    wire.heardAt = now();
    if (size > wire.limit) {
      this.drop(conn, 1000, "", false);
      const text = `a message of ${size} bytes, where at most ${wire.limit} may come`;
      return this.run((session, at) => session.closed(conn, 1009, text, at));
    }
    let decoded: unknown;
    try {
      decoded = wire.codec.decode(data);
    } catch (fault) {
      return this.run((session) => session.misread(String(fault)));
    }
    for (const message of Array.isArray(decoded) ? decoded : [decoded]) {
      this.#log("<", message);
      // An envelope has no prototype: nothing that was not sent is found in it.
      const envelope = message && typeof message === "object" ? { __proto__: null, ...message } : message;
      this.session.receive(conn, envelope, wire.heardAt);
      // An event brings no deadline nearer.
      if (envelope?.type !== "event" || this.session.acks.dueAt !== undefined) this.#schedule();
    }
    this.#tellAll();
  }

  #log(sign: string, message: unknown): void {
    const { debug } = this.#options;
    if (!debug) return;
    const write = typeof debug === "function" ? debug : console.debug;
    const hide = (name: string, value: unknown) => {
      if (value instanceof Uint8Array) return `${value.length} bytes`;
      return name === "token" || name === "resume" ? "***" : value;
    };
    for (const one of Array.isArray(message) ? message : [message]) write(`${sign} ${JSON.stringify(one, hide)}`);
  }

  // -- time

  #schedule(): void {
    const at = this.session.deadline();
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timers.clear(this.#timer);
    this.#timer = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    const wait = Math.min(Math.max(0, (at - now()) * 1000), LONGEST);
    this.#timerAt = at;
    this.#wakeAt = Date.now() + wait;
    this.#timer = this.#timers.set(() => this.#expired(), wait);
  }

  #expired(): void {
    this.#timer = undefined;
    for (const [conn, { heardAt }] of this.#wires) this.session.heard(conn, heardAt);
    // Timers that ring late by the wall clock mean that the machine slept (H6).
    if (Date.now() - this.#wakeAt > SLEPT) this.nudge();
    else this.run((session, at) => session.expired(at));
  }

  /** The network changed, sleep ended, or the page is seen again (H6). */
  nudge(): void {
    this.run((session, at) => {
      session.nudge(at);
      session.expired(at);
    });
  }
}
