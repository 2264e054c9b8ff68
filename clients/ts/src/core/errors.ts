/**
 * What can go wrong, one class per class of code, so that `instanceof` says what to do.
 *
 * HubError
 * ├── BadRequest          400, 409, 415, 422   the caller's message is wrong (`path`)
 * ├── AuthError           401, close 41xx      no usable credential
 * ├── PermissionDenied    403                  the role lacks the right
 * ├── UnknownChannel      404                  not configured
 * ├── ResumeExpired       410                  a reconnection token is no longer good
 * ├── TooLarge            413                  over a size limit (`limit`)
 * ├── RateLimited         429                  too fast (`retryAfter`)
 * ├── ServerError         500                  a fault of the hub
 * │   └── Unavailable     503, 504             not now
 * ├── Closed              close 40xx, close()  this client is over, nothing is tried again by itself
 * ├── Misconfigured       -                    the options of the client can never work
 * ├── Disconnected        -                    no connection at the moment
 * ├── RequestTimeout      -                    no answer in time
 * ├── QueueOverflow       -                    `onFull: "error"` and the handler was too slow
 * └── ProtocolViolation   -                    the hub said what the protocol does not know
 */

/** The members of an error beside its message (E1, E2). */
export interface ErrorDetails {
  /** The code of the protocol, a close code or an HTTP status; 0 where there is none. */
  code?: number;
  /** The stable name, like `rate_limited`. */
  error?: string;
  /** Whether the same message may succeed later. */
  temporary?: boolean;
  /** Milliseconds after which it may. */
  retryAfter?: number | undefined;
  path?: string | undefined;
  limit?: number | undefined;
  channel?: string | undefined;
  /** Where several channels were refused at once, the error of each (M23). */
  byChannel?: Record<string, HubError> | undefined;
  cause?: unknown;
}

/** An error of the hub, or of the way to it. */
export class HubError extends Error implements ErrorDetails {
  code = 0;
  error = "";
  temporary = false;
  retryAfter?: number | undefined;
  path?: string | undefined;
  limit?: number | undefined;
  channel?: string | undefined;
  byChannel?: Record<string, HubError> | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message);
    Object.assign(this, details);
  }
}

/** The message is not as the protocol says, or its content is not acceptable: `path` names the member. */
export class BadRequest extends HubError {}
/** No usable credential, or the one presented was refused. */
export class AuthError extends HubError {}
/** The role lacks the right; a subscription starts again when a `welcome` grants it. */
export class PermissionDenied extends HubError {}
/** The hub has no such channel. */
export class UnknownChannel extends HubError {}
/** The reconnection token is no longer good. */
export class ResumeExpired extends HubError {}
/** The message is over a size limit, told as `limit`. */
export class TooLarge extends HubError {}
/** Too fast: the same message may succeed after `retryAfter` milliseconds. */
export class RateLimited extends HubError {}
/** A fault of the hub. */
export class ServerError extends HubError {}
/** It cannot be done now. */
export class Unavailable extends ServerError {}
/** The client is closed; `code` is the close code or HTTP status that ended it. */
export class Closed extends HubError {}
/** No connection can come of the options that the client was made with. */
export class Misconfigured extends HubError {}
/** There is no connection to the hub at the moment, or it went away before the answer. */
export class Disconnected extends HubError {}
/** No answer came within the time-out. */
export class RequestTimeout extends HubError {}
/** The bounded queue of a subscription with `onFull: "error"` was full. */
export class QueueOverflow extends HubError {}
/** The hub sent what the protocol does not allow; the message was ignored. */
export class ProtocolViolation extends HubError {}

const CLASSES = {
  HubError,
  BadRequest,
  AuthError,
  PermissionDenied,
  UnknownChannel,
  ResumeExpired,
  TooLarge,
  RateLimited,
  ServerError,
  Unavailable,
  Closed,
  Misconfigured,
  Disconnected,
  RequestTimeout,
  QueueOverflow,
  ProtocolViolation,
};

// A bundler gives classes other names: theirs, and that of their errors, is said here.
for (const [value, { prototype }] of Object.entries(CLASSES)) {
  prototype.name = value;
  Object.defineProperty(prototype.constructor, "name", { value });
}

const BY_CODE: Readonly<Record<number, typeof HubError>> = {
  401: AuthError,
  403: PermissionDenied,
  404: UnknownChannel,
  410: ResumeExpired,
  413: TooLarge,
  429: RateLimited,
  503: Unavailable,
  504: Unavailable,
};

/** An `error` message, or a member of an `errors` map, as it stands on the wire. */
export interface WireError {
  readonly code?: unknown;
  readonly error?: unknown;
  readonly message?: unknown;
  readonly temporary?: unknown;
  readonly retry_after?: unknown;
  readonly path?: unknown;
  readonly limit?: unknown;
  readonly channel?: unknown;
  readonly errors?: unknown;
}

const numeric = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
const textual = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** The error of a class by code for what the hub answered. */
export function errorFrom(answer: WireError, channel?: string): HubError {
  const code = numeric(answer.code) ?? 500;
  const wait = numeric(answer.retry_after);
  const each = Object.entries(answer.errors ?? {}) as [string, WireError][];
  return new (BY_CODE[code] ?? (code < 500 ? BadRequest : ServerError))(textual(answer.message) ?? "no message", {
    code,
    error: textual(answer.error) ?? "",
    temporary: answer.temporary === true,
    retryAfter: wait === undefined ? wait : wait * 1000,
    path: textual(answer.path),
    limit: numeric(answer.limit),
    channel: textual(answer.channel) ?? channel,
    byChannel: each.length ? Object.fromEntries(each.map(([name, one]) => [name, errorFrom(one, name)])) : undefined,
  });
}
