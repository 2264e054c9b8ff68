/** Options of a subscription to the wire; what can never work is refused at the call. */

import { checkContent, type Form, refuse } from "./content.js";
import type { Options, Start } from "./core/follow.js";
import { parsePosition } from "./core/positions.js";
import type { SubscribeOptions, UpdateOptions } from "./types.js";

/** S10: how far ahead of the acknowledged position a hub may send. */
export const MAX_WINDOW = 10_000;

export function checkWhole(name: string, value: number | undefined, low: number, high: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) return;
  refuse(name, `a whole number from ${low} to ${high}`, value);
}

/** The members of a subscribe (M27), those that were given, as a client of this form can write them. */
export function wireOptions({ filter, delivery, onSlow, maxRate, ack }: UpdateOptions, form: Form): Options {
  checkWhole("ack", ack, 1, MAX_WINDOW);
  const options = given({ filter, delivery, on_slow: onSlow, max_rate: maxRate, ack });
  checkContent(options, form);
  return options;
}

/** Without the members that are undefined. */
export const given = (members: object): Options =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

/** Where a subscription starts (M24). */
export function wireStart(from: SubscribeOptions["from"]): Start {
  if (from === undefined || from === "new" || from === "snapshot") return from as Start;
  if (typeof from === "string") return parsePosition(from);
  if ("last" in from) {
    checkWhole("from.last", from.last, 1, Number.MAX_SAFE_INTEGER);
    return { last: from.last };
  }
  const since = Number(from.since) / (from.since instanceof Date ? 1000 : 1);
  if (!Number.isFinite(since)) refuse("from.since", "a Date, or seconds since 1970", from.since);
  return { since };
}

/** Numbers; that there are 8 is the hub's to judge. */
export function checkVector(path: string, vector: ArrayLike<number>): number[] {
  if (typeof vector !== "object" || !(vector?.length >= 0)) refuse(path, "8 numbers", vector);
  return Array.from(vector, (value, place) =>
    Number.isFinite(value) ? value : refuse(`${path}.${place}`, "a finite number", value),
  );
}
