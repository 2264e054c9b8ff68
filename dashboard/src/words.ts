/** What the page says: numbers, times, codes and reasons in words. */

import type { Gap } from "neurograph-ws-client";
import closeCodes from "./close_codes.json";

const CLOSES: Readonly<Record<string, { readonly slug: string; readonly meaning: string }>> = closeCodes;

/** Why entries did not come (M49, and the client's own). */
const REASONS: Readonly<Record<string, string>> = {
  epoch: "the hub's log began anew",
  retention: "the hub no longer keeps them",
  limit: "more than the hub replays at once",
  slow: "the hub was ahead of this page",
  reconnect: "published while the connection was away",
  client_queue: "this page was slower than the channel",
  unreadable: "what came cannot be read",
};

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** A figure, as short as it stays true; an en dash where there is none. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100_000) return compact.format(value);
  return Math.abs(value) >= 100 ? whole.format(Math.round(value)) : short.format(value);
}

/** `1 event`, `2,060 events`. */
export const count = (value: number, noun: string): string =>
  `${whole.format(value)} ${value === 1 ? noun : `${noun}s`}`;

/** A time span of so many milliseconds. */
export function span(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

/** A moment, in seconds since 1970, as the clock of this place shows it. */
export const clock = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString("en-GB");

export const reason = (gap: Pick<Gap, "reason">): string => REASONS[gap.reason] ?? gap.reason;

/** How many entries a gap stands for. */
export const missing = (gap: Pick<Gap, "missed">): string =>
  gap.missed === null ? "an unknown number of events" : count(gap.missed, "event");

/** A close code of the protocol with what it means (X2); undefined for others. */
export function closeCode(code: number | undefined): string | undefined {
  const known = code === undefined ? undefined : CLOSES[code];
  return known && `${code} ${known.slug}: ${known.meaning}`;
}

/** Why a connection is away: the code in words, else what the client said. */
export const cause = (code: number | undefined, text: string): string => closeCode(code) ?? text;

export const rights = (given: readonly string[]): string => (given.length ? given.join(", ") : "nothing");
