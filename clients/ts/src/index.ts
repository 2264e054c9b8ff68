/** The client of NeuroGraph Hub: one WebSocket that keeps itself up, subscriptions that know what they missed. */

export { type DataOf, default, default as NeurographWSClient } from "./client.js";
export type { TokenRequest } from "./core/credentials.js";
export type { GoAway, ReconnectionToken, Resumed, StateChange } from "./core/effects.js";
export {
  AuthError,
  BadRequest,
  Closed,
  Disconnected,
  type ErrorDetails,
  HubError,
  Misconfigured,
  PermissionDenied,
  ProtocolViolation,
  QueueOverflow,
  RateLimited,
  RequestTimeout,
  ResumeExpired,
  ServerError,
  TooLarge,
  Unavailable,
  UnknownChannel,
} from "./core/errors.js";
export type { State, SubState } from "./core/states.js";
export type { Gap, HubEvent, Limits, Message, Welcome } from "./core/wire.js";
export { Axis, encodeText, near } from "./encoder.js";
export type { GapSubscription, Handler, Subscription } from "./subscription.js";
export type * from "./types.js";
