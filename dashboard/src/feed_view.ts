/** The list of signals, newest first, at most `ROWS` of them; pausing keeps it still while signals go on coming. */

import { byId, make, say } from "./dom.js";
import type { Feed, Near, Row, SignalRow } from "./feed.js";
import { clock, count, missing, reason } from "./words.js";

export const ROWS = 100;

export class FeedView {
  readonly #feed: Feed;
  readonly #list = byId("feed");
  readonly #pause = byId<HTMLButtonElement>("pause");
  #isPaused = false;
  /** What is listed, newest first. */
  #shown: readonly Row[] = [];
  #silence = "";

  constructor(feed: Feed, changed: () => void) {
    this.#feed = feed;
    this.#pause.addEventListener("click", () => {
      this.#isPaused = !this.#isPaused;
      this.#pause.setAttribute("aria-pressed", String(this.#isPaused));
      say(this.#pause, this.#isPaused ? "Go on" : "Pause");
      changed();
    });
  }

  /** Why there are no signals; empty where there are. */
  set silence(text: string) {
    this.#silence = text;
  }

  /** Forget all signals. */
  clear(): void {
    this.#feed.clear();
    this.#shown = [];
    this.#list.replaceChildren();
  }

  draw(): void {
    const { seen, novel } = this.#feed.counts;
    say(
      byId("feed-note"),
      this.#silence || `${count(seen, "signal")}, ${novel} new${this.#isPaused ? ", paused" : ""}`,
    );
    if (this.#isPaused) return;
    const { rows, skipped } = this.#feed.take();
    if (!rows.length) return;
    const fresh: Row[] = skipped ? [{ kind: "skipped", count: skipped }, ...rows] : [...rows];
    this.#shown = [...fresh.reverse(), ...this.#shown].slice(0, ROWS);
    // All of them anew: rows that are pushed down would count as a page whose layout shifts under the reader.
    this.#list.replaceChildren(...this.#shown.map(item));
  }
}

function item(row: Row): HTMLElement {
  if (row.kind === "signal") return signal(row);
  if (row.kind === "note") return make("li", "turn", row.text);
  if (row.kind === "skipped") return make("li", "skipped", `${count(row.count, "signal")} came and are not listed`);
  const { gap } = row;
  return make("li", "missing", make("b", "", "Not delivered"), ` ${missing(gap)}: ${reason(gap)}`);
}

function signal(row: SignalRow): HTMLElement {
  const badge = make("span", `badge ${row.isNovel ? "new" : "known"}`, row.isNovel ? "◆ New" : "○ Known");
  const words = make("span", row.text === undefined ? "text event" : "text", row.text ?? row.event);
  const about = `token ${row.token} · priority ${row.priority} · ${clock(row.ts)}`;
  const near = row.near.length ? make("span", "near", `like ${row.near.map(neighbour).join(", ")}`) : "";
  return make("li", row.isNovel ? "signal novel" : "signal", badge, words, make("span", "about", about), near);
}

/** `839 “edge3 memory is slow” (0.078)`. */
export const neighbour = ({ token, distance, text }: Near): string =>
  `${token}${text === undefined ? "" : ` “${text}”`} (${distance.toFixed(3)})`;
