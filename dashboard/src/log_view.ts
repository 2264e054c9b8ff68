/** The hub's log, newest first: a bounded list, and the level from which records are let through. */

import type { Filter, Gap, HubEvent, LogData } from "neurograph-ws-client";
import { byId, make, say } from "./dom.js";
import { clock, missing, reason } from "./words.js";

/** Records that are listed. */
export const RECORDS = 200;

/** What each choice lets through; the level stands in the tags. */
const FROM: Readonly<Record<string, Filter>> = {
  warning: { "tags.level": { in: ["warning", "error", "critical"] } },
  error: { "tags.level": { in: ["error", "critical"] } },
};

/** Members that have a place of their own in a row. */
const OWN = ["ts", "level", "event", "node"];
/** Characters of a record's other members that are shown. */
const LETTERS = 400;

export class LogView {
  readonly #size: number;
  readonly #list = byId("log");
  #fresh: HTMLElement[] = [];
  #silence = "";

  constructor(size: number, sieve: (filter: Filter) => Promise<void>) {
    this.#size = size;
    const select = byId<HTMLSelectElement>("log-level");
    select.addEventListener("change", () => {
      sieve(FROM[select.value] ?? {}).then(
        () => say(byId("log-note"), `From here on: ${select.selectedOptions[0]?.textContent}`),
        (fault: unknown) => say(byId("log-note"), fault instanceof Error ? fault.message : String(fault)),
      );
    });
  }

  /** Why there are no records; empty where there are. */
  set silence(text: string) {
    this.#silence = text;
  }

  add({ ts, data }: HubEvent<LogData>): void {
    const rest = Object.entries(data).filter(([name]) => !OWN.includes(name));
    const about = rest.map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
    const row = make(
      "li",
      "",
      make("span", "about", clock(ts)),
      make("span", "level", data.level),
      make("span", "", make("b", "", data.event), ` ${about.join(" ").slice(0, LETTERS)}`),
    );
    row.dataset["level"] = data.level;
    this.#put(row);
  }

  miss(gap: Gap): void {
    this.#put(make("li", "missing", make("b", "", "Not delivered"), ` ${missing(gap)}: ${reason(gap)}`));
  }

  clear(): void {
    this.#fresh = [];
    this.#list.replaceChildren();
  }

  draw(): void {
    if (this.#silence) say(byId("log-note"), this.#silence);
    this.#list.prepend(...this.#fresh.splice(0).reverse());
    while (this.#list.childElementCount > this.#size) this.#list.lastElementChild?.remove();
  }

  #put(row: HTMLElement): void {
    this.#fresh.push(row);
    if (this.#fresh.length > this.#size) this.#fresh.shift();
  }
}
