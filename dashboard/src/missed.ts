/** What this page was owed and did not get: the newest gaps, and how many entries they stand for. */

import type { Gap } from "neurograph-ws-client";
import { count, missing, reason } from "./words.js";

export interface Miss {
  readonly at: number;
  readonly gap: Gap;
}

export class Missed {
  readonly #size: number;
  #list: Miss[] = [];
  #counted = 0;
  #uncounted = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Newest first. */
  get list(): readonly Miss[] {
    return this.#list;
  }

  /** Take a gap; `at` in seconds since 1970. */
  add(gap: Gap, at: number): void {
    this.#list = [{ at, gap }, ...this.#list].slice(0, this.#size);
    if (gap.missed === null) this.#uncounted++;
    else this.#counted += gap.missed;
  }

  /** The sum, with a plus where some stretches could not be counted. */
  get total(): string {
    if (this.#uncounted && !this.#counted) return "unknown";
    return `${new Intl.NumberFormat("en").format(this.#counted)}${this.#uncounted ? "+" : ""}`;
  }

  /** What the sum is made of. */
  get note(): string {
    if (!this.#uncounted) return this.#counted ? "told as gaps" : "to this page";
    return `${count(this.#uncounted, "gap")} without a count`;
  }
}

/** `metrics, status: 12 events each (the hub no longer keeps them); …`: the channels of which the same is true together. */
export function summary(gaps: readonly Gap[]): string {
  const alike = new Map<string, Gap[]>();
  for (const gap of gaps) {
    const key = `${gap.missed} ${gap.reason}`;
    alike.set(key, [...(alike.get(key) ?? []), gap]);
  }
  return [...alike.values()].map(sentence).join("; ");
}

function sentence(gaps: readonly Gap[]): string {
  const [gap] = gaps;
  if (!gap) return "";
  const channels = gaps.map(({ channel }) => channel).join(", ");
  return `${channels}: ${missing(gap)}${gaps.length > 1 ? " each" : ""} (${reason(gap)})`;
}
