/** The newest signals, with the gaps among them where they stand; bounded, whatever comes. */

import type { Gap, HubEvent, SignalData } from "neurograph-ws-client";

export interface SignalRow {
  readonly kind: "signal";
  readonly ts: number;
  readonly event: string;
  readonly token: number;
  readonly isNovel: boolean;
  readonly priority: number;
  readonly text: string | undefined;
  readonly near: readonly Near[];
}

/** A neighbour: its token, its distance, and its words where this page has seen them. */
export interface Near {
  readonly token: number;
  readonly distance: number;
  readonly text: string | undefined;
}

export interface GapRow {
  readonly kind: "gap";
  readonly gap: Gap;
}

/** A word about what comes from here on. */
export interface NoteRow {
  readonly kind: "note";
  readonly text: string;
}

/** Signals that came too fast to be listed. */
export interface SkippedRow {
  readonly kind: "skipped";
  readonly count: number;
}

export type Row = SignalRow | GapRow | NoteRow | SkippedRow;

/** Neighbours that are shown of one signal. */
const NEIGHBOURS = 3;
/** Characters of a text that are kept. */
const LETTERS = 200;

export class Feed {
  readonly #size: number;
  readonly #known: number;
  #fresh: Row[] = [];
  #texts = new Map<number, string>();
  #seen = 0;
  #novel = 0;
  #skipped = 0;

  /** `size`: rows that wait to be shown; `known`: texts that are remembered for those whose neighbours they are. */
  constructor(size: number, known: number) {
    this.#size = size;
    this.#known = known;
  }

  /** Signals since the page was opened, and how many of them were new. */
  get counts(): { readonly seen: number; readonly novel: number } {
    return { seen: this.#seen, novel: this.#novel };
  }

  clear(): void {
    this.take();
    this.#texts.clear();
  }

  add(event: HubEvent<SignalData>): void {
    const { data } = event;
    if (typeof data?.token_id !== "number" || !Array.isArray(data.neighbors)) return; // token.deleted and the like
    const text = textOf(data.payload);
    this.#seen++;
    if (data.is_novel) this.#novel++;
    this.#put({
      kind: "signal",
      ts: event.ts,
      event: event.event,
      token: data.token_id,
      isNovel: data.is_novel === true,
      priority: data.priority,
      text,
      near: this.near(data.neighbors),
    });
    if (text !== undefined) this.remember(data.token_id, text);
  }

  miss(gap: Gap): void {
    // Tokens of another life of the hub have the same numbers.
    if (gap.reason === "epoch") this.#texts.clear();
    this.#put({ kind: "gap", gap });
  }

  note(text: string): void {
    this.#put({ kind: "note", text });
  }

  /** The nearest of some neighbours. */
  near(neighbors: SignalData["neighbors"]): readonly Near[] {
    const nearest = neighbors.slice(0, NEIGHBOURS);
    return nearest.map((one) => ({ token: one.token_id, distance: one.distance, text: this.#texts.get(one.token_id) }));
  }

  /** The words that a token was made of. */
  remember(token: number, text: string): void {
    this.#texts.set(token, text.slice(0, LETTERS));
    for (const oldest of this.#texts.keys()) {
      if (this.#texts.size <= this.#known) break;
      this.#texts.delete(oldest);
    }
  }

  /** What came since the last time, oldest first; of more than fit the newest, and how many were left out. */
  take(): { readonly rows: readonly Row[]; readonly skipped: number } {
    const skipped = this.#skipped + Math.max(0, this.#fresh.length - this.#size);
    const rows = this.#fresh.slice(-this.#size);
    this.#fresh = [];
    this.#skipped = 0;
    return { rows, skipped };
  }

  #put(row: Row): void {
    this.#fresh.push(row);
    if (this.#fresh.length <= 2 * this.#size) return;
    this.#skipped += this.#fresh.length - this.#size;
    this.#fresh = this.#fresh.slice(-this.#size);
  }
}

function textOf(payload: unknown): string | undefined {
  const text = (payload as { text?: unknown } | null | undefined)?.text;
  return typeof text === "string" ? text.slice(0, LETTERS) : undefined;
}
