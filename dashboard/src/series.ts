/** Figures over time, with what is missing among them: the columns of a chart, and the stretches that are marked. */

export type Value = number | null;

/** A stretch, in seconds since 1970, over which there are no figures, and why. */
export interface Hole {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** A pause of so many usual intervals means that figures are missing, though nobody has said so. */
const PAUSE = 3;
/** Intervals of which the usual one is the middle. */
const USUAL = 9;
/** A clock that is set back by more seconds than this begins a new chart. */
const SET_BACK = 60;

/** At most `size` moments of some figures each; the oldest go first. */
export class Series {
  readonly #size: number;
  #columns: [number[], ...Value[][]];
  #holes: Hole[] = [];
  #pending: string[] = [];
  #steps: number[] = [];

  constructor(names: readonly string[], size: number) {
    this.#size = size;
    this.#columns = [[], ...names.map((): Value[] => [])];
  }

  /** Moments in seconds since 1970, then a column for each figure; null where there is none. */
  get columns(): readonly [readonly number[], ...(readonly Value[])[]] {
    return this.#columns;
  }

  get holes(): readonly Hole[] {
    return this.#holes;
  }

  /** Something did not come: where the next figures begin, a hole ends. */
  miss(text: string): void {
    if (!this.#pending.includes(text)) this.#pending = [...this.#pending, text].slice(-3);
  }

  /** Take the figures of a moment. One that is not after the last is of a second teller, and left out. */
  push(at: number, values: readonly (number | null | undefined)[]): void {
    const last = this.#columns[0].at(-1);
    if (last !== undefined && at <= last) {
      if (last - at <= SET_BACK) return;
      this.#forget(Number.POSITIVE_INFINITY);
    } else if (last !== undefined) {
      this.#join(last, at);
    }
    this.#pending = [];
    this.#append(
      at,
      values.map((value) => value ?? null),
    );
  }

  #join(last: number, at: number): void {
    const step = at - last;
    const usual = [...this.#steps].sort((a, b) => a - b)[this.#steps.length >> 1];
    const isPause = usual !== undefined && this.#steps.length > 2 && step > PAUSE * usual;
    if (!this.#pending.length && !isPause) {
      this.#steps = [...this.#steps, step].slice(-USUAL);
      return;
    }
    this.#holes.push({ from: last, to: at, text: this.#pending.join("; ") || "no figures" });
    // A row of nothing is where the line breaks.
    this.#append((last + at) / 2, []);
  }

  #append(at: number, values: readonly Value[]): void {
    const [moments, ...figures] = this.#columns;
    moments.push(at);
    for (const [index, column] of figures.entries()) column.push(values[index] ?? null);
    if (moments.length > this.#size) this.#forget(moments.length - this.#size);
  }

  #forget(rows: number): void {
    for (const column of this.#columns) column.splice(0, rows);
    const first = this.#columns[0][0];
    this.#holes = first === undefined ? [] : this.#holes.filter((hole) => hole.to > first);
  }
}
