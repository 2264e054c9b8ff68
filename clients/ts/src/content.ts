/** What an application gives to be sent: what the hub would refuse unread, or no message can hold, is refused here. */

import { BadRequest } from "./core/errors.js";
import { shown, tagOf } from "./core/positions.js";
import type { HubOptions } from "./types.js";

/** L12: containers within each other in one message, itself counted. */
const LEVELS = 32;

/** Half of a pair; read by code points, a whole one is no surrogate. */
const SURROGATE = /\p{Cs}/u;

/** What a name is, in words and as a test; `isOptional` where null says that there is none. */
interface Name {
  readonly expected: string;
  fits(name: string): boolean;
  readonly isOptional?: boolean;
}

const fitting = (pattern: RegExp) => (name: string) => pattern.test(name);

const EVENT: Name = {
  expected: "1 to 128 of A-Z a-z 0-9 _ : - in at most 16 segments joined by dots",
  fits: fitting(/^(?=.{1,128}$)[\w:-]+(?:\.[\w:-]+){0,15}$/),
};

/** M16, by the members that hold them. Ten messages in a row that break it end the connection for good (M15). */
const NAMES: Readonly<Record<string, Name>> = {
  channel: { expected: "1 to 64 of A-Z a-z 0-9 _ . : / -", fits: fitting(/^[\w.:/-]{1,64}$/) },
  event: EVENT,
  event_type: EVENT,
  key: {
    expected: "1 to 256 bytes without control characters",
    fits: (name) => /^\P{Cc}+$/u.test(name) && new TextEncoder().encode(name).length <= 256,
    isOptional: true,
  },
  mid: { expected: "1 to 64 visible ASCII characters", fits: fitting(/^[!-~]{1,64}$/), isOptional: true },
};

/** M16: at most so many, by names that fit, of texts of at most so many bytes. */
const areTags = (tags: object) =>
  !Array.isArray(tags) &&
  Object.keys(tags).length <= 16 &&
  Object.entries(tags).every(
    ([name, text]) =>
      /^[\w.-]{1,64}$/.test(name) && typeof text === "string" && new TextEncoder().encode(text).length <= 256,
  );

/** Smaller whole numbers are written as integers by `JSON.stringify`. */
const DIGITS = 1e21;

/** How it is written: a codec of the application's has its own bounds, and `bigint` a form only where it was asked for. */
export type Form = Pick<HubOptions, "bigint" | "codec">;

/** A value that cannot be sent, with the way that leads to it. */
interface Fault {
  path: string;
  readonly expected: string;
  readonly value: unknown;
}

/** Raise BadRequest for what came in place of what was expected. */
export function refuse(path: string, expected: string, value: unknown): never {
  throw new BadRequest(`${path}: expected ${expected}, got ${shown(value)}`, { error: "bad_message", path });
}

/**
 * Raise BadRequest, with its path (`data.x[3]`), for what a message cannot hold: what is no JSON value, NaN and
 * infinities, lone surrogates, integers beyond 64 bits, more than 32 levels, names that no channel, event or key has.
 */
export function checkContent(message: object, form: Form): void {
  for (const [name, value] of Object.entries(message)) {
    const isContent = name === "data" || name === "payload";
    // A member that is undefined is not there; bytes are the whole of `data` (B4).
    if (value === undefined || (name === "data" && value instanceof Uint8Array)) continue;
    const fault = faultIn(value, LEVELS - 1, form, isContent);
    if (fault) refuse(name + fault.path, fault.expected, fault.value);
    if (name === "tags" && value !== null && !(typeof value === "object" && areTags(value)))
      refuse(
        name,
        "an object of at most 16 strings of at most 256 bytes, by names of 1 to 64 of A-Z a-z 0-9 _ . -",
        value,
      );
    if (Object.hasOwn(NAMES, name) && !(value === null && NAMES[name]?.isOptional)) checkName(name, value);
  }
}

/** Raise BadRequest for what is no name of that kind. */
export function checkName(member: string, value: unknown): void {
  const { expected, fits } = NAMES[member] as Name;
  if (typeof value !== "string" || !fits(value)) refuse(member, expected, value);
}

function faultIn(given: unknown, levels: number, form: Form, isContent: boolean): Fault | undefined {
  const { toJSON } = (given ?? {}) as { toJSON?: unknown };
  const value: unknown = typeof toJSON === "function" ? toJSON.call(given) : given;
  const expected = missed(value, levels, form, isContent);
  if (expected) return { path: "", expected, value };
  if (!value || typeof value !== "object") return undefined;
  const isList = Array.isArray(value);
  for (const [name, member] of isList ? value.entries() : Object.entries(value)) {
    if (member === undefined && !isList) continue;
    const wrong = isList ? undefined : faultIn(name, 1, form, isContent);
    const fault = wrong ?? faultIn(member, levels - 1, form, isContent);
    if (!fault) continue;
    fault.path = (isList ? `[${name}]` : `.${name}`) + fault.path;
    return fault;
  }
  return undefined;
}

/** What was expected in place of a value that cannot be sent. */
function missed(value: unknown, levels: number, { bigint, codec }: Form, isContent: boolean): string | undefined {
  switch (typeof value) {
    case "string":
      return SURROGATE.test(value) ? "text without lone surrogates" : undefined;
    case "number":
      if (!Number.isFinite(value)) return "a finite number";
      return codec || Math.abs(value) >= DIGITS ? undefined : beyond(value, isContent);
    case "bigint":
      return bigint || codec ? beyond(value, isContent) : "a number, or the option bigint";
    case "boolean":
      return undefined;
    case "object":
      if (!value) return undefined;
      if (!["Object", "Array"].includes(tagOf(value))) return "a JSON value";
      return levels ? undefined : `at most ${LEVELS} levels of nesting in a message`;
  }
  return "a JSON value";
}

/** M13: which integers there are, inside content and outside. */
function beyond(value: number | bigint, isContent: boolean): string | undefined {
  const [low, high, text] = isContent
    ? [-(2 ** 63), 2 ** 64, "-2^63 to 2^64-1"]
    : [-(2 ** 53), 2 ** 53, "-(2^53-1) to 2^53-1"];
  // The number -2^63 is written by digits that are beyond it.
  return (typeof value === "bigint" && isContent ? value >= low : value > low) && value < high
    ? undefined
    : `an integer from ${text}`;
}
