/** Positions `"<epoch>:<offset>"`: the place just after an entry of a channel (P1, P2). */

export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

const FORM = /^([\w-]{4,16}):(0|[1-9]\d{0,15})$/;

/** Read a position; RangeError says what came. */
export function parsePosition(text: unknown): Position {
  const found = typeof text === "string" ? FORM.exec(text) : null;
  if (!found) throw new RangeError(`expected a position like k3Fq:902, got ${shown(text)}`);
  return { epoch: found[1] as string, offset: Number(found[2]) };
}

export const textOf = (place: Position): string => `${place.epoch}:${place.offset}`;

/** Whether a place is at or after another one; places of different epochs cannot be compared. */
export const reaches = (place: Position | undefined, other: Position | undefined): boolean =>
  !!place && !!other && place.epoch === other.epoch && place.offset >= other.offset;

/** What an object says it is: `Array`, `Map`, `Promise`. */
export const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** A value as messages show it. */
export function shown(value: unknown): string {
  if (Object(value) === value) return tagOf(value);
  return (typeof value === "string" ? JSON.stringify(value) : String(value)).slice(0, 80);
}
