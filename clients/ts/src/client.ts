/** The client of NeuroGraph Hub as applications use it. */

import type { Ask } from "./batch.js";
import type { ReconnectionToken } from "./core/effects.js";
import { Closed, ProtocolViolation } from "./core/errors.js";
import type { State } from "./core/states.js";
import type { HubEvent, Message, Welcome } from "./core/wire.js";
import { Link } from "./link.js";
import { checkVector, checkWhole, given } from "./options.js";
import type { GapSubscription, Handler, Subscription } from "./subscription.js";
import type {
  ChannelMap,
  ClientEvents,
  ClientStats,
  Diagnosis,
  EmitOptions,
  EmitTextOptions,
  Emitted,
  Filter,
  HubOptions,
  MediaOptions,
  Published,
  PublishOptions,
  SubscribeOptions,
} from "./types.js";

/** The data of a channel. */
export type DataOf<C extends string> = C extends keyof ChannelMap ? ChannelMap[C] : unknown;

/**
 * One connection to a hub that keeps itself up, with the subscriptions and requests on it.
 *
 * Nothing secret stands in its messages or logs, or is found by looking into it.
 */
export default class NeurographWSClient {
  readonly #options: HubOptions;
  readonly #link: Link;
  readonly #midPrefix: string;
  #mids = 0;

  constructor(options: HubOptions) {
    const { url, signal } = options;
    if (typeof url !== "function" && !/^wss?:\/\/[^/]/.test(url)) {
      throw new TypeError(`url: expected one like ws://localhost:8000/ws, got ${String(url).split("?")[0]}`);
    }
    this.#options = options;
    this.#link = new Link(options);
    this.#midPrefix = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join("");
    signal?.addEventListener("abort", () => void this.close(), { once: true });
  }

  // -- connection

  /**
   * Connect and restore what is subscribed; without `retry` a first attempt that fails raises AuthError, Closed,
   * Disconnected, RequestTimeout or Misconfigured.
   */
  async connect({ retry = false }: { retry?: boolean } = {}): Promise<Welcome> {
    this.#link.run((session, now) => session.connect(now, retry));
    await this.ready();
    return this.welcome as Welcome;
  }

  /** Until it is connected; raises what closed it, or RequestTimeout. */
  async ready(timeoutMs?: number): Promise<void> {
    await this.#link.until((state) => state === "connected" || state === "closed", timeoutMs);
    if (this.state === "closed") throw this.#link.session.cause ?? new Closed("the client was closed");
  }

  /** While it waits to try again: try now. */
  tryNow(): void {
    this.#link.tryNow();
  }

  /**
   * Close; subscriptions end, unanswered calls raise Closed. `reconnectionToken` still restores the session elsewhere
   * until it expires, unless the hub is told to `forget` it (R15), which takes a connection.
   */
  async close(code = 1000, reason = "", { forget = false }: { forget?: boolean } = {}): Promise<void> {
    await (forget ? this.#link.close(1000, "forget") : this.#link.close(code, reason));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get state(): State {
    return this.#link.session.state;
  }

  /** The latest `welcome`. */
  get welcome(): Welcome | undefined {
    return this.#link.session.welcome;
  }

  get role(): string | undefined {
    return this.welcome?.role;
  }

  /** Milliseconds from the last ping to its answer. */
  get rtt(): number | undefined {
    const { rtt } = this.#link.session;
    return rtt === undefined ? rtt : rtt * 1000;
  }

  /** Where it last tried to connect; empty before. */
  get url(): string {
    return this.#link.sockets.url;
  }

  /**
   * Where each channel stands: everything up to here was handled or told as a gap. To be kept and given back. One that
   * is followed no more keeps its place until `forget`.
   */
  get positions(): Readonly<Record<string, string>> {
    return this.#link.positions();
  }

  /** The newest token that restores this session, here or in another process; secret, and good for minutes. */
  get reconnectionToken(): string | undefined {
    return this.#link.session.restoring.token;
  }

  /** Channels that the reconnection token restored and that nobody has subscribed to here yet. */
  get restored(): readonly string[] {
    const { follows } = this.#link.session;
    return [...follows.values()].filter((follow) => follow.isAdopted).map((follow) => follow.channel);
  }

  /** Be told; the result, called, ends it. Errors that nobody listens for go to the console. */
  on<K extends keyof ClientEvents>(event: K, handler: (value: ClientEvents[K]) => void): () => void {
    return this.#link.told.on(event, handler);
  }

  // -- channels

  /**
   * Follow a channel, now or as soon as there is a connection, and again after each reconnect. A handler gets the
   * events one at a time; without one, iterate the result. What is left out takes the channel's defaults at the hub.
   * Raises BadRequest for a name or an option that can never work.
   */
  subscribe<C extends keyof ChannelMap>(
    channel: C,
    handler: undefined,
    options: SubscribeOptions & { gaps: true },
  ): GapSubscription<ChannelMap[C]>;
  subscribe<C extends keyof ChannelMap>(
    channel: C,
    handler?: Handler<ChannelMap[C]>,
    options?: SubscribeOptions,
  ): Subscription<ChannelMap[C]>;
  subscribe<T = unknown>(
    channel: string,
    handler: undefined,
    options: SubscribeOptions & { gaps: true },
  ): GapSubscription<T>;
  subscribe<T = unknown>(channel: string, handler?: Handler<T>, options?: SubscribeOptions): Subscription<T>;
  subscribe(channel: string, handler?: Handler<never>, options: SubscribeOptions = {}): unknown {
    checkWhole("queueSize", options.queueSize, 2, Number.MAX_SAFE_INTEGER);
    return this.#link.subscribe(channel, handler as Handler<unknown> | undefined, options);
  }

  /** End the subscriptions of these channels, or all of them; resolves when the hub has stopped. */
  unsubscribe(...channels: string[]): Promise<void> {
    return this.#link.unsubscribe(channels.length ? channels : this.#link.subscriptions.keys());
  }

  /** Forget the positions of channels that are not subscribed, or of all of those. */
  forget(...channels: string[]): void {
    this.#link.forget(channels);
  }

  /** The newest `last` entries that are still kept, oldest first, over a short connection of its own. */
  async history<C extends string>(
    channel: C,
    { last = 100, filter }: { last?: number; filter?: Filter } = {},
  ): Promise<HubEvent<DataOf<C>>[]> {
    const part = await import("./history.js");
    const token = this.#link.session.credentials.token ?? this.#options.token;
    const { reconnectionToken, positions, getToken, ...options } = this.#options;
    const link = new Link({ ...options, ...(token ? { token } : { getToken }), autoReconnect: false }, true);
    return part.history(link, channel, last, filter);
  }

  // -- questions

  /**
   * Store an event; resolves with its position once it is stored (M30). With a `mid` (by default a new one) it is
   * repeated after a cut or a fault of the hub until its time-out, without being stored twice. Raises BadRequest, with the
   * `path` of what no message can hold, before anything is sent.
   */
  async publish(channel: string, data?: unknown, options: PublishOptions = {}): Promise<Published> {
    const { event = "message", ...more } = options;
    return this.#publish({ type: "publish", channel, event, data }, more);
  }

  /** Store bytes: an image, a sound, anything with a media type (B4-B10). */
  async publishMedia(channel: string, payload: Uint8Array | Blob, options: MediaOptions): Promise<Published> {
    const { event, contentType, meta, encoding, ...more } = options;
    // What few need is loaded when it is.
    const { mediaMessage } = await import("./media.js");
    const known = this.welcome?.encodings ?? [];
    return this.#publish(await mediaMessage(channel, payload, { event, contentType, meta, encoding }, known), more);
  }

  async #publish(message: Message, options: Omit<PublishOptions, "event">): Promise<Published> {
    const { mid = `${this.#midPrefix}-${++this.#mids}`, ...more } = options;
    const answer = await this.#ask(message, { ...more, mid: mid ?? undefined }, "positions");
    const position = (answer["positions"] as Record<string, string>)[message["channel"] as string] as string;
    return { position, duplicate: answer["duplicate"] === true };
  }

  /**
   * Send a signal through the SignalSystem: the answer says its token, whether it is novel, and what is near. Raises
   * BadRequest where the vector is no row of finite numbers; that there are 8 is the hub's to judge.
   */
  async emit(eventType: string, vector: ArrayLike<number>, options: EmitOptions = {}): Promise<Emitted> {
    const { priority, payload, ...more } = options;
    const message = { type: "emit", event_type: eventType, vector: checkVector("vector", vector) };
    const answer = await this.#ask({ ...message, ...given({ priority, payload }) }, more, "token_id");
    return answer as unknown as Emitted;
  }

  /** Send many signals; results in their order. More than `limits.emit_batch` go as several messages, one by one. */
  async emitBatch(
    eventType: string,
    vectors: readonly ArrayLike<number>[],
    options: EmitOptions = {},
  ): Promise<Emitted[]> {
    const most = this.welcome?.limits?.emit_batch ?? 1000;
    const ask: Ask = (message, sending) => this.#ask(message, sending, "results");
    return (await import("./batch.js")).emitBatch(ask, eventType, vectors, options, most);
  }

  /** Emit a text by the built-in encoder; the text itself leaves this process only with `includeText`. */
  async emitText(text: string, options: EmitTextOptions = {}): Promise<Emitted> {
    const { eventType = "signal.input.text", includeText, priority = 200, payload, ...more } = options;
    const sent = includeText ? { text } : payload;
    const { encodeText } = await import("./text.js");
    return this.emit(eventType, encodeText(text), { ...more, priority, payload: sent });
  }

  /** Milliseconds until the hub answered. */
  async ping(): Promise<number> {
    const { took } = await this.#link.request({ type: "ping", t: performance.now() });
    this.#link.session.rtt = took / 1000;
    return took;
  }

  /** Ask for a fresh reconnection token (R1); the client keeps the newest by itself. */
  async getReconnectionToken(): Promise<ReconnectionToken> {
    const { token, expires_in: seconds } = await this.#ask({ type: "get_reconnection_token" }, {});
    return { token: token as string, expiresIn: Number(seconds) * 1000 };
  }

  /** Write a message as it stands in PROTOCOL.md; an answer to it is not awaited. */
  send(message: object): void {
    this.#link.write(message as Message);
  }

  /** Write a message and return the one that answers it, raising its error; an `id` is given to it. */
  request(message: object, timeoutMs?: number): Promise<Message> {
    return this.#ask(message as Message, { timeout: timeoutMs });
  }

  /** Raises where the answer lacks what it is asked for. */
  async #ask(
    message: Message,
    { timeout, retry, ...members }: Partial<PublishOptions & EmitOptions>,
    wanted = "type",
  ): Promise<Message> {
    const { message: answer } = await this.#link.request({ ...message, ...given(members) }, timeout, retry);
    if (wanted in answer) return answer;
    throw new ProtocolViolation(`${message.type}: the answer has no ${wanted}`);
  }

  // -- figures

  /** Find out what stands between this client and its hub; in a sentence with the next thing to try. */
  async diagnose(): Promise<Diagnosis> {
    return (await import("./diagnose.js")).diagnose(this, this.#options);
  }

  /** What went in and out, what was missed, what waits. */
  stats(): ClientStats {
    const { session, subscriptions, sockets } = this.#link;
    const { messagesOut, bytesIn, bytesOut } = sockets;
    const { stream, asking, received, reconnects, switches, unreadable, requests } = session;
    return {
      state: this.state,
      connection: this.welcome?.conn,
      rtt: this.rtt,
      messagesIn: received,
      messagesOut,
      bytesIn,
      bytesOut,
      events: stream.events,
      duplicates: stream.duplicates,
      gaps: stream.gaps + asking.gaps,
      reconnects,
      switches,
      unreadable,
      awaiting: requests.size,
      subscriptions: Object.fromEntries([...subscriptions].map(([channel, one]) => [channel, one.stats()])),
    };
  }
}
