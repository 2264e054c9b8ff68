/**
 * The hub's built-in text encoder, the same to the last bit: spelling as a place in signal space.
 *
 * Deterministic, no model: equal texts have equal vectors, texts with equal words and letters lie near. It knows
 * spelling, not meaning, and gives the axes none.
 */

import { refuse } from "./content.js";
import { checkVector } from "./options.js";
import type { Filter } from "./types.js";

const CENTRE = 0.5;
const REACH = 0.2;

/** The axes of the signal space by name, for vectors whose encoder gives them a meaning. */
export const Axis = {
  PHYSICAL: 0,
  SENSORY: 1,
  MOTOR: 2,
  EMOTIONAL: 3,
  COGNITIVE: 4,
  SOCIAL: 5,
  TEMPORAL: 6,
  ABSTRACT: 7,
} as const;

/** The vector of a text: 8 numbers from 0.3 to 0.7; the centre where it has no words; raises BadRequest. */
export function encodeText(text: string): number[] {
  if (typeof text !== "string") refuse("text", "a string", text);
  const weights = features(text);
  const sums: number[] = Array(8).fill(0);
  let total = 0;
  for (const [feature, weight] of weights) {
    const counted = Math.sqrt(weight);
    const mixed = hash(new TextEncoder().encode(feature));
    total += weight;
    for (let axis = 0; axis < 8; axis++) {
      const size = 0.5 + ((mixed >>> (8 + 3 * axis)) & 7) / 14;
      sums[axis] = (sums[axis] as number) + ((mixed >>> axis) & 1 ? counted * size : -counted * size);
    }
  }
  const norm = Math.sqrt(total) || 1;
  return sums.map((sum) => CENTRE + REACH * squash(sum / norm));
}

/** Words count 1, the letter trigrams of ^word$ count a half, added up over repeats. */
function features(text: string): Map<string, number> {
  const weights = new Map<string, number>();
  const add = (feature: string, weight: number) => weights.set(feature, (weights.get(feature) ?? 0) + weight);
  // Letters, marks and numbers make words.
  for (const [word] of text
    .normalize("NFKC")
    .toLowerCase()
    .matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    add(word, 1);
    const framed = [..."^", ...word, "$"];
    for (let start = 0; start < framed.length - 2; start++) add(framed.slice(start, start + 3).join(""), 0.5);
  }
  return weights;
}

/** FNV-1a in 32 bits with a final mix, so that every bit depends on every letter. */
function hash(feature: Uint8Array): number {
  let mixed = 0x811c9dc5;
  for (const byte of feature) mixed = Math.imul(mixed ^ byte, 0x01000193);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

const squash = (value: number): number => value / (1 + Math.abs(value));

/** A filter for signals within a distance of a vector, or of the vector of a text (F7); raises BadRequest. */
export function near(to: ArrayLike<number> | string, radius: number): Filter {
  if (!(Number.isFinite(radius) && radius >= 0)) refuse("radius", "a number of at least 0", radius);
  const center = typeof to === "string" ? encodeText(to) : checkVector("near", to);
  return { "data.vector": { near: { center, radius } } };
}
