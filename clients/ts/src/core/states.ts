/**
 * The states of a client and of its subscriptions, and the one table that leads from state to state.
 *
 * Two rules: every pair of state and happening stands in the table, and nothing else changes a state.
 */

/** Where a client stands towards its hub. */
export type State = "idle" | "connecting" | "connected" | "reconnecting" | "closed";

/** Where a subscription stands; suspended: the connection is away, the cursor is safe. */
export type SubState = "pending" | "active" | "suspended" | "ended";

/** What can happen to a client. */
export const HAPPENINGS = [
  "connect()",
  "welcome",
  "connection lost, 42xx, 43xx",
  "41xx, error 401",
  "40xx, 1000 from the hub, attempts used up",
  "close()",
] as const;

/** Their places in a row of the table. */
export const CONNECT = 0;
export const WELCOME = 1;
export const LOST = 2;
export const REJECTED = 3;
export const STOPPED = 4;
export const CLOSE = 5;
export type Happening = 0 | 1 | 2 | 3 | 4 | 5;

/** Read a row as: in this state, CONNECT, WELCOME, LOST, REJECTED, STOPPED, CLOSE lead to … */
export const TRANSITIONS: Readonly<Record<State, readonly [State, State, State, State, State, State]>> = {
  idle: ["connecting", "idle", "idle", "idle", "idle", "closed"],
  connecting: ["connecting", "connected", "reconnecting", "connecting", "closed", "closed"],
  connected: ["connected", "connected", "reconnecting", "reconnecting", "closed", "closed"],
  reconnecting: ["reconnecting", "connected", "reconnecting", "reconnecting", "closed", "closed"],
  // What a dying socket still says to a closed client changes nothing.
  closed: ["connecting", "closed", "closed", "closed", "closed", "closed"],
};
