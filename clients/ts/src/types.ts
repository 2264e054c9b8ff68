/** What an application gives and gets. Times that the client takes or measures are in milliseconds. */

import type { TokenRequest } from "./core/credentials.js";
import type { GoAway, ReconnectionToken, Resumed, StateChange } from "./core/effects.js";
import type { HubError } from "./core/errors.js";
import type { State } from "./core/states.js";
import type { Gap, Message, Welcome } from "./core/wire.js";

/** A form of all frames of a connection (C2). */
export interface Codec {
  readonly subprotocol: string;
  /** Write a message or an array of them; raises what has no such form. */
  encode(message: Message | readonly Message[]): string | Uint8Array<ArrayBuffer>;
  /** Read a payload; raises where it cannot be read. */
  decode(payload: string | ArrayBuffer): unknown;
  /**
   * What `decode` refused, by parts, each message by itself. Without it nothing is known of such a payload: the connection
   * ends, and the next one goes on at what was handled.
   */
  salvage?(payload: string | ArrayBuffer, why: string): readonly Salvaged[];
}

/** A message of a payload that does not decode as a whole. */
export type Salvaged = { readonly message: unknown } | Unread;

/** In place of a message that cannot be read: those of its members that tell what it was, and what is wrong. */
export interface Unread {
  readonly seen: Partial<Message>;
  readonly why: string;
  /** It cannot be told where it ends: nothing is known of what came behind it in the same array. */
  readonly isEndless?: boolean;
}

/** The part of a WebSocket that is used. */
export interface Socket {
  binaryType: string;
  readonly protocol: string;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** A class like the browser's `WebSocket`; on Node 20 that of `ws`. */
export type WebSocketLike = new (url: string, protocols: string[]) => Socket;

export interface HubOptions {
  /** Where the hub is, or who names it for each attempt: of several nodes any is as good. */
  url: string | (() => string | Promise<string>);
  /** A JWT or an API key. */
  token?: string | undefined;
  /** Asked for a credential when one is needed. */
  getToken?: ((request: TokenRequest) => string | Promise<string>) | undefined;
  /** Goes on with the session of a former client; belongs together with `positions`. */
  reconnectionToken?: string | undefined;
  /** Where each channel goes on when it is subscribed, before any `from`. */
  positions?: Readonly<Record<string, string>> | undefined;
  /** Come back by itself after a lost connection; default true. */
  autoReconnect?: boolean | undefined;
  /** Full jitter between 0 and min(cap, base·2ⁿ); by default 500, 30,000 and 60,000 ms, and no end of attempts. */
  backoff?: { base?: number; cap?: number; stableAfter?: number; maxAttempts?: number } | undefined;
  /** The form of frames; default JSON. */
  codec?: Codec | undefined;
  /** Until the connection is open, and until the hub has said `welcome`; default 10,000. */
  connectTimeout?: number | undefined;
  /** Until a request has its answer; default 5,000. */
  timeout?: number | undefined;
  /** How many publishes with `mid` may wait for a connection; default 0: they are refused. */
  sendQueue?: number | undefined;
  /** Shown to operators (M21). */
  name?: string | undefined;
  version?: string | undefined;
  /** The class to connect with; default the global one. */
  webSocket?: WebSocketLike | Promise<WebSocketLike> | undefined;
  /** Ping at once when the network is back or a tab becomes visible, close on `pagehide`; default true where there is a page. */
  networkEvents?: boolean | undefined;
  /** Keep timers going in background tabs, by a worker. */
  heartbeatWorker?: boolean | undefined;
  /** Integers beyond 2^53 inside `data` as `bigint`. */
  bigint?: boolean | undefined;
  /** Closes the client. */
  signal?: AbortSignal | undefined;
  /** Each message in and out as a line, without secrets; true writes to the console. */
  debug?: boolean | ((line: string) => void) | undefined;
}

export type Literal = string | number | bigint | boolean | null;

/** The operators of a field (F3). */
export interface Condition {
  eq?: Literal;
  ne?: Literal;
  in?: readonly Literal[];
  nin?: readonly Literal[];
  gt?: number | bigint | string;
  gte?: number | bigint | string;
  lt?: number | bigint | string;
  lte?: number | bigint | string;
  exists?: boolean;
  prefix?: string;
  contains?: Literal;
  glob?: string;
  near?: { center: readonly number[]; radius: number };
}

/** What a subscription lets through (F1): fields with conditions, and `all`, `any`, `not`. */
export interface Filter {
  all?: readonly Filter[];
  any?: readonly Filter[];
  not?: Filter;
  [field: string]: Literal | Condition | Filter | readonly Filter[] | undefined;
}

/** The options that `update` can replace. */
export interface UpdateOptions {
  filter?: Filter | undefined;
  /** Every owed entry in order, or of each key the newest where the reader is slower (S2, S3). */
  delivery?: "all" | "latest" | undefined;
  /** What the hub does where this reader is overrun (S9). */
  onSlow?: "gap" | "close" | undefined;
  /** Events per second, 0.1 to 1,000, with `latest`. */
  maxRate?: number | undefined;
  /** The hub sends at most so many events beyond what was handled here (S10), 1 to 10,000. */
  ack?: number | undefined;
}

export interface SubscribeOptions extends UpdateOptions {
  /** Where it starts (M24); `since` is a Date, or seconds like `event.ts`; a string is a position. */
  from?: "new" | "snapshot" | { last: number } | { since: number | Date } | (string & {}) | undefined;
  /** Items that may wait for the handler or the iterator; default 1,000. */
  queueSize?: number | undefined;
  /** Full: drop the oldest and tell a gap, let the hub wait (by a window of at most `queueSize`), or end. */
  onFull?: "gap" | "wait" | "error" | undefined;
  /** What happens when the handler raises; default `continue`. */
  onError?: "continue" | "stop" | undefined;
  /** Give gaps to the iterator and the handler too. */
  gaps?: boolean | undefined;
  /** Ends the subscription. */
  signal?: AbortSignal | undefined;
}

interface Sending {
  key?: string | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
  traceparent?: string | undefined;
  /** Milliseconds; default the client's `timeout`. */
  timeout?: number | undefined;
  /** Wait once where the hub says that it came too fast. */
  retry?: boolean | undefined;
}

export interface PublishOptions extends Sending {
  /** The name of the event; default `message`. */
  event?: string | undefined;
  /** Makes a repeat safe (M31); by default a new one, null for none. */
  mid?: string | null | undefined;
}

export interface MediaOptions extends PublishOptions {
  event: string;
  contentType: string;
  meta?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** How the payload is encoded here; `auto` (the default) by B10, null not at all. */
  encoding?: "auto" | "gzip" | "zlib" | "deflate" | null | undefined;
}

export interface EmitOptions extends Sending {
  /** 0 to 255; default 128, of `emitText` 200. */
  priority?: number | undefined;
  payload?: unknown;
  /** With one the answer waits for the store and carries the position (M35). */
  mid?: string | undefined;
}

export interface EmitTextOptions extends EmitOptions {
  /** Default `signal.input.text`. */
  eventType?: string | undefined;
  /** The text itself leaves only with this, as `payload.text`. */
  includeText?: boolean | undefined;
}

/** A stored publish: its position, and whether an earlier one with the same `mid` is the one stored (M31). */
export interface Published {
  readonly position: string;
  readonly duplicate: boolean;
}

/** What the SignalSystem said about one signal, as on the wire (M46); `neighbors` by rising distance. */
export interface Emitted {
  readonly token_id: number;
  readonly is_novel: boolean;
  readonly neighbors: readonly { readonly token_id: number; readonly distance: number }[];
  readonly processing_time_us?: number;
  readonly position?: string;
  readonly duplicate?: boolean;
}

export interface SubscriptionStats {
  readonly state: string;
  readonly position: string | undefined;
  readonly queued: number;
  readonly dropped: number;
  readonly handled: number;
  readonly failures: number;
}

/** Figures since the client was made. */
export interface ClientStats {
  readonly state: State;
  readonly connection: string | undefined;
  readonly rtt: number | undefined;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Of text: characters. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly events: number;
  readonly duplicates: number;
  readonly gaps: number;
  readonly reconnects: number;
  /** Connections that were replaced before they ended, unseen by the application (M51). */
  readonly switches: number;
  readonly unreadable: number;
  readonly awaiting: number;
  readonly subscriptions: Readonly<Record<string, SubscriptionStats>>;
}

/** What `on` tells, by name. */
export interface ClientEvents {
  state: StateChange;
  connected: Welcome;
  disconnected: HubError;
  resumed: Resumed;
  gap: Gap;
  /** Errors that nobody awaits; unheard ones go to the console. */
  error: unknown;
  reconnectionToken: ReconnectionToken;
  goaway: GoAway;
  switched: { readonly isWhole: boolean };
}

/** One step of `diagnose`. */
export interface Check {
  readonly name: string;
  readonly isGood: boolean;
  readonly text: string;
}

/** What stands between this client and its hub: a sentence with the next thing to try, and what was looked at. */
export interface Diagnosis {
  readonly isGood: boolean;
  readonly summary: string;
  readonly checks: readonly Check[];
}

/** Data of `metrics`: one series of figures (C21), of the host, of the SignalSystem or of the hub. */
export interface MetricsData {
  readonly cpu_percent?: number;
  readonly memory_mb?: number;
  readonly connections?: number;
  readonly events_per_sec?: number;
  readonly total_tokens?: number;
  readonly novel_ratio?: number;
  readonly p50_us?: number;
  readonly p99_us?: number;
  readonly messages_in_per_sec?: number;
  readonly events_in_per_sec?: number;
  readonly events_out_per_sec?: number;
  readonly latency_p50_ms?: number | null;
  readonly latency_p99_ms?: number | null;
  readonly [figure: string]: unknown;
}

/** Data of `signals`: one processed signal. */
export interface SignalData {
  readonly token_id: number;
  readonly vector: readonly number[];
  readonly priority: number;
  readonly is_novel: boolean;
  readonly neighbors: readonly { readonly token_id: number; readonly distance: number }[];
  readonly node: string;
  readonly payload?: unknown;
}

/** Data of `logs`: one record of the hub. */
export interface LogData {
  readonly ts: number;
  readonly level: string;
  readonly event: string;
  readonly node: string;
  readonly [member: string]: unknown;
}

/** Data of `status`: the health of one component. */
export interface StatusData {
  readonly component: string;
  readonly state: string;
  readonly since: number;
  readonly node: string;
  readonly detail?: string;
}

/** Data of `connections`: one WebSocket (C22). */
export interface ConnectionData {
  readonly user?: string;
  readonly role: string;
  readonly node: string;
  readonly address?: string;
  readonly client?: unknown;
  readonly since: number;
}

/** Data by channel; an application adds its own channels by declaration merging. */
export interface ChannelMap {
  metrics: MetricsData;
  signals: SignalData;
  actions: unknown;
  logs: LogData;
  status: StatusData;
  connections: ConnectionData;
}
