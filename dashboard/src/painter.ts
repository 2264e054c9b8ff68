/** When parts of the page are drawn: in animation frames, not more often than each needs, never in a hidden tab. */

/** Milliseconds of one frame for drawing: what is left over comes with the next, and no click waits for all of it. */
const BUDGET = 8;

interface Part {
  readonly draw: () => void;
  readonly every: number;
  drawnAt: number;
  isDue: boolean;
}

export class Painter {
  readonly #parts: Part[] = [];
  #frame: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#schedule());
  }

  /** A part that is drawn at most once in `every` milliseconds; the result, called, says that it has changed. */
  part(draw: () => void, every = 0): () => void {
    const part: Part = { draw, every, drawnAt: -Number.MAX_VALUE, isDue: false };
    this.#parts.push(part);
    return () => {
      part.isDue = true;
      this.#schedule();
    };
  }

  /** Draw everything anew. */
  all(): void {
    for (const part of this.#parts) part.isDue = true;
    this.#schedule();
  }

  #schedule(): void {
    if (document.hidden || this.#frame !== undefined || !this.#parts.some((part) => part.isDue)) return;
    clearTimeout(this.#timer);
    this.#frame = requestAnimationFrame((now) => this.#paint(now));
  }

  #paint(now: number): void {
    this.#frame = undefined;
    const began = performance.now();
    let wait = Number.POSITIVE_INFINITY;
    // What is over the budget is what was drawn last: no part waits for ever behind the others.
    const due = this.#parts.filter(({ isDue }) => isDue).sort((one, other) => one.drawnAt - other.drawnAt);
    for (const part of due) {
      const left = part.drawnAt + part.every - now;
      if (left > 0 || performance.now() - began > BUDGET) {
        wait = Math.min(wait, Math.max(left, 0));
        continue;
      }
      part.isDue = false;
      part.drawnAt = now;
      part.draw();
    }
    if (wait < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#schedule(), wait);
  }
}
