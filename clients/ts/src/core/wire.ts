/** The messages of the protocol as they stand on the wire (PROTOCOL.md, section 3). */

import type { WireError } from "./errors.js";

/** Any message: an object with a `type`. */
export interface Message {
  readonly type: string;
  readonly id?: number | string;
  readonly [member: string]: unknown;
}

/** What the hub takes from this connection: bytes, counts, and rates as [capacity, refill per second]. */
export interface Limits {
  readonly message?: number;
  readonly control?: number;
  readonly decoded?: number;
  readonly subscriptions?: number;
  readonly in_flight?: number;
  readonly resume_events?: number;
  readonly emit_batch?: number;
  readonly rates?: Readonly<Record<string, readonly [number, number]>>;
}

/** What the hub tells a connection about itself (M41); times are in seconds, as on the wire. */
export interface Welcome extends Message {
  readonly type: "welcome";
  readonly conn: string;
  readonly session: string;
  readonly node: string;
  readonly version: string;
  readonly user?: string;
  readonly role: string;
  readonly resumed: boolean;
  readonly expires_in?: number;
  readonly heartbeat: { readonly interval: number; readonly timeout: number };
  readonly limits: Limits;
  readonly encodings: readonly string[];
  readonly channels: Readonly<Record<string, { readonly rights: readonly string[]; readonly message?: number }>>;
  readonly subscriptions?: Readonly<Record<string, Told>>;
  readonly errors?: Readonly<Record<string, WireError>>;
}

/** What the hub says of a subscription (M42). */
export interface Told {
  readonly position: string;
  readonly behind?: number;
  readonly delivery?: string;
  readonly on_slow?: string;
  readonly max_rate?: number;
  readonly ack?: number;
  readonly filter?: unknown;
}

/** One entry of a channel as it came (M44), with its position. */
export interface HubEvent<T = unknown> {
  readonly type: "event";
  readonly channel: string;
  /** Its name, like `signal.input.text`. */
  readonly event: string;
  /** What was published; the bytes themselves where it is media (B4). */
  readonly data: T;
  /** Its number within the epoch of its channel. */
  readonly offset: number;
  /** The place just after it, `epoch:offset`. */
  readonly position: string;
  /** The hub's wall clock at the append, in seconds; for display, it never decides order (M45). */
  readonly ts: number;
  readonly key?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly content_type?: string;
  readonly content_encoding?: string;
  readonly meta?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Entries after `from` up to and including `to` that did not come (M48). `missed` is null where the number cannot be
 * known. `reason` is one of the protocol's (M49), or the client's own: `reconnect` (published while the connection was
 * away), `client_queue` (dropped here because the handler was slower than the channel), `unreadable` (it came, and cannot
 * be read).
 */
export interface Gap {
  readonly type: "gap";
  readonly channel: string;
  readonly from: string;
  readonly to: string;
  readonly missed: number | null;
  readonly reason:
    | "epoch"
    | "retention"
    | "limit"
    | "slow"
    | "reconnect"
    | "client_queue"
    | "unreadable"
    | (string & {});
}

/** The place a subscription stands at without an event: its start, or a watermark (P4, P7). */
export interface Cursor {
  readonly type: "cursor";
  readonly channel: string;
  readonly position: string;
}

export type Item = HubEvent | Gap | Cursor;

/** Where an item ends. */
export const endOf = (item: Item): string => (item.type === "gap" ? item.to : item.position);
