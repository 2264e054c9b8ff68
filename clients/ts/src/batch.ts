/** Many signals in few messages (M32, M33); loaded with the first `emitBatch`. */

import { refuse } from "./content.js";
import type { Message } from "./core/wire.js";
import { checkVector, given } from "./options.js";
import type { EmitOptions, Emitted } from "./types.js";

/** Ask the hub; the answer has `results`. */
export type Ask = (message: Message, options: EmitOptions) => Promise<Message>;

/** -> results in the order of the vectors; more than `most` of them go as several messages, one by one */
export async function emitBatch(
  ask: Ask,
  eventType: string,
  vectors: readonly ArrayLike<number>[],
  options: EmitOptions,
  most: number,
): Promise<Emitted[]> {
  const { priority, payload, mid, retry = false, ...more } = options;
  if (!Array.isArray(vectors)) refuse("vectors", "vectors of 8 numbers", vectors);
  const rows = Array.from(vectors, (vector, row) => checkVector(`vectors.${row}`, vector));
  const emitted: Emitted[] = [];
  for (let start = 0; start < rows.length; start += most) {
    const message = { type: "emit", event_type: eventType, vectors: rows.slice(start, start + most) };
    const named = mid === undefined || rows.length <= most ? mid : `${mid}.${start}`;
    // The later ones wait when the hub asks for it.
    const sending = { ...more, mid: named, retry: retry || start > 0 };
    const { results, type, id, ...about } = await ask({ ...message, ...given({ priority, payload }) }, sending);
    emitted.push(...(results as Emitted[]).map((result) => ({ ...about, ...result })));
  }
  return emitted;
}
