/** The newest signals as points of the eight-dimensional space, seen along two of its axes. */

import type { SignalData } from "neurograph-ws-client";

/** The axes in their order (`Axis` of the client). */
export const AXES = [
  "physical",
  "sensory",
  "motor",
  "emotional",
  "cognitive",
  "social",
  "temporal",
  "abstract",
] as const;

/** A point on the picture: both coordinates and its age from 0 (just now) to 1 (the oldest). */
export interface Spot {
  readonly x: number;
  readonly y: number;
  readonly age: number;
  readonly isNovel: boolean;
}

/** What the picture shows of an axis. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

interface Point {
  readonly vector: readonly number[];
  readonly isNovel: boolean;
}

/** Free room at each end of a range, as a share of it. */
const MARGIN = 0.06;

export class Space {
  readonly #size: number;
  #points: Point[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  add({ vector, is_novel: isNovel }: SignalData): void {
    if (!Array.isArray(vector) || vector.length !== AXES.length) return;
    this.#points.push({ vector, isNovel: isNovel === true });
    if (this.#points.length > 2 * this.#size) this.#points = this.#points.slice(-this.#size);
  }

  clear(): void {
    this.#points = [];
  }

  /** The newest points, oldest first, each coordinate from 0 to 1 within the range that holds all of them. */
  seen(across: number, up: number): { readonly spots: readonly Spot[]; readonly x: Range; readonly y: Range } {
    const points = this.#points.slice(-this.#size);
    const [x, y] = [across, up].map((axis) => rangeOf(points.map(({ vector }) => vector[axis] ?? 0))) as [Range, Range];
    const spots = points.map(({ vector, isNovel }, index) => ({
      x: share(vector[across] ?? 0, x),
      y: share(vector[up] ?? 0, y),
      age: points.length > 1 ? 1 - index / (points.length - 1) : 0,
      isNovel,
    }));
    return { spots, x, y };
  }
}

function rangeOf(values: readonly number[]): Range {
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (!(high > low)) return { low: Number.isFinite(low) ? low - 0.5 : 0, high: Number.isFinite(low) ? low + 0.5 : 1 };
  const room = MARGIN * (high - low);
  return { low: low - room, high: high + room };
}

const share = (value: number, { low, high }: Range): number => (value - low) / (high - low);
