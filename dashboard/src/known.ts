/** Whether this page knows what it was owed: not before it was connected, and not since it is away. */

import type { State } from "neurograph-ws-client";
import { clock } from "./words.js";

export class Known {
  #state: State = "idle";
  #since: number | undefined;
  #isComing = false;

  /** The connection changed, at so many seconds since 1970. */
  change(now: State, at: number): void {
    if (this.#state === "connected" && now !== "connected") this.#since = at;
    this.#isComing = now === "connected" && this.#since !== undefined && this.#state === "reconnecting";
    if (now === "connected") this.#since = undefined;
    this.#state = now;
  }

  /** What was missed while it was away has come, or was told as missing. */
  resumed(): void {
    this.#isComing = false;
  }

  /** Since when it is away; undefined while it is connected, and where it never was. */
  get since(): string | undefined {
    return this.#since === undefined ? undefined : clock(this.#since);
  }

  /** What is not known, as a sentence; empty where all is. */
  get gap(): string {
    if (this.#state !== "connected") {
      if (this.since === undefined) return "Not connected yet: what this page is owed is not known.";
      return `Not connected since ${this.since}: what was published since then is not known here.`;
    }
    return this.#isComing ? "Connected again: what was missed meanwhile is still coming." : "";
  }
}
