/**
 * What the session asks its shell to do. An interface, not a list: the session is given one that carries out what
 * touches the socket at once, and what calls the application when the session has returned; a test gives one that
 * writes everything down. `conn` is the number of a connection.
 */

import type { TokenRequest } from "./credentials.js";
import type { HubError } from "./errors.js";
import type { State, SubState } from "./states.js";
import type { Item, Message, Welcome } from "./wire.js";

/** One step of the table of states; `retryIn` is in seconds here, undefined when nothing is tried by itself. */
export interface StateChange {
  readonly old: State;
  readonly new: State;
  readonly code?: number | undefined;
  readonly reason: string;
  readonly retryIn?: number | undefined;
}

/** A reconnect in figures: time away, events replayed (below the head at the welcome), gaps told. */
export interface Resumed {
  readonly downtime: number;
  readonly replayed: number;
  readonly gaps: number;
}

/** What restores a session on any node, for a time (R1, R2): secret. */
export interface ReconnectionToken {
  readonly token: string;
  readonly expiresIn: number;
}

/** A hub that goes away (M50) and why; another connection is opened within a time, if one is. */
export interface GoAway {
  readonly reason: string;
  readonly within?: number | undefined;
}

/** What is told, by name. */
export interface Tellings {
  state: StateChange;
  connected: Welcome;
  disconnected: HubError;
  resumed: Resumed;
  reconnectionToken: ReconnectionToken;
  error: HubError;
  goaway: GoAway;
  /** Another connection took over; whole where all that was stored until then has come, or was told as a gap. */
  switched: { readonly isWhole: boolean };
}

export interface Effects {
  /** Write these messages, in order, as one array where the connection takes arrays (M12); raises what it cannot write. */
  send(conn: number, messages: readonly Message[]): void;
  /** Open a connection of this number with the credential the session holds. */
  open(conn: number): void;
  /** End a connection; `isAbrupt` where no close frame would be answered any more. */
  drop(conn: number, code: number, reason: string, isAbrupt: boolean): void;
  /** No message from the hub is longer than this many bytes from now on (L11). */
  limit(conn: number, bytes: number): void;
  /** Ask the caller's token source, and tell the session what came. */
  ask(request: TokenRequest): void;
  /** A request was answered, `took` seconds after it was last sent, or failed. */
  settle(ticket: unknown, error: HubError | undefined, answer: Message | undefined, took: number): void;
  /** A subscription changed its state; `error` is what ended it. */
  sub(channel: string, state: SubState, error?: HubError): void;
  /** Whether a subscription missed nothing while the connection was away, as soon as it is known. */
  recovered(channel: string, isWhole: boolean): void;
  /** An event, a gap or a moved cursor for the queue of its channel. */
  deliver(item: Item): void;
  tell<K extends keyof Tellings>(name: K, value: Tellings[K]): void;
}
