/** From what stands in the filter box to a filter (PROTOCOL.md F). */

import { type Filter, near } from "neurograph-ws-client";

/** How near signals must be to words that are typed in. */
export const RADIUS = 0.12;

/** A filter with what it does; raises a sentence for the box. An empty box lets everything through. */
export function readFilter(text: string): { readonly filter: Filter; readonly says: string } {
  const given = text.trim();
  if (!given) return { filter: {}, says: "all signals" };
  if (!given.startsWith("{")) return { filter: near(given, RADIUS), says: `signals within ${RADIUS} of “${given}”` };
  let parsed: unknown;
  try {
    parsed = JSON.parse(given);
  } catch (fault) {
    throw new SyntaxError(`Not JSON: ${(fault as Error).message}`);
  }
  return { filter: parsed as Filter, says: `signals with ${given}` };
}
