/** What a close code or a refused handshake asks of the client (X1, X2). */

import { AuthError, Closed, Disconnected, type HubError } from "./errors.js";

/** What the client does after a connection ended; `window` is that of a `goaway`. */
export type Remedy = "stop" | "finished" | "credential" | "back off" | "window";

/** By the hundreds of a code; what stands in neither table is treated as 42xx. */
const BY_HUNDRED: Readonly<Record<number, Remedy>> = { 40: "stop", 41: "credential", 43: "window" };
const BY_CODE: Readonly<Record<number, Remedy>> = {
  1000: "finished",
  1002: "stop",
  1003: "stop",
  1007: "stop",
  1008: "stop",
  1009: "stop",
  1010: "stop",
};

/** A newer connection of the session took over: of another process, unless it was ours (R11). */
export const TAKEN_OVER = 4009;

export const remedyOfClose = (code: number): Remedy =>
  BY_CODE[code] ?? BY_HUNDRED[Math.floor(code / 100)] ?? "back off";

export const remedyOfRefusal = (status: number): Remedy => (status === 429 || status >= 500 ? "back off" : "stop");

/** What the application is told of a connection that ended so. */
export function errorOf(remedy: Remedy, code: number, text: string): HubError {
  if (remedy === "credential") return new AuthError(`login refused: ${text}`, { code });
  if (remedy === "stop" || remedy === "finished") return new Closed(`the hub ended it: ${text}`, { code });
  return new Disconnected(text, { code, temporary: true });
}
