/** The line at the top: how the connection is, in words, and what happened to it. */

import type { Gap, Resumed, StateChange, Welcome } from "neurograph-ws-client";
import { byId, say } from "./dom.js";
import type { Known } from "./known.js";
import { summary } from "./missed.js";
import { cause, count, span } from "./words.js";

const NAMES: Readonly<Record<StateChange["new"], string>> = {
  idle: "Not connected",
  connecting: "Connecting",
  connected: "Connected",
  reconnecting: "Reconnecting",
  closed: "Closed",
};

/** Gaps that one notice names. */
const NAMED = 6;

export class StateView {
  readonly #state = byId("state");
  readonly #notice = byId("notice");
  readonly #known: Known;
  #gaps: Gap[] = [];

  constructor(known: Known) {
    this.#known = known;
  }

  /** Whether it waits to try again. */
  get isWaiting(): boolean {
    return this.#state.dataset["state"] === "reconnecting";
  }

  change({ new: now, code, reason, retryIn }: StateChange): void {
    this.#state.dataset["state"] = now;
    byId("board").dataset["state"] = now;
    say(byId("state-text"), NAMES[now]);
    byId("again").hidden = now !== "closed" && now !== "reconnecting";
    say(byId("again"), now === "closed" ? "Connect again" : "Try now");
    const why = cause(code, reason);
    const { since } = this.#known;
    const old = since ? ` Not connected since ${since}: all below is as it was then.` : "";
    if (now === "reconnecting") {
      const next = retryIn ? `Trying again in ${span(retryIn)}` : "Trying again";
      const owed = since ? "; what was published since then is asked for when the hub is back." : ".";
      this.notice("lost", `${since ? "Connection lost" : "No connection"} (${why}).${old} ${next}${owed}`);
    } else if (now === "closed" && why) this.notice("lost", `Closed: ${why}${old && `.${old}`}`);
  }

  connected({ user, role, node }: Welcome): void {
    const name = user && user !== role ? `${user} as ${role}` : role;
    say(byId("who"), `${name} · node ${node}`);
    if (this.#notice.dataset["kind"] === "lost") this.notice("good", "Connected again; what was missed is coming.");
  }

  /** A gap, for the notice that sums up a reconnect. */
  gap(gap: Gap): void {
    this.#gaps = [...this.#gaps, gap].slice(-NAMED);
  }

  /** The connection is away, or new: gaps told before have nothing to do with it. */
  forgetGaps(): void {
    this.#gaps = [];
  }

  /** Back: how long it was away, what was replayed, what was not. */
  resumed({ downtime, replayed, gaps }: Resumed): void {
    // In a log that began anew is what was stored since: nothing of what is missing comes again.
    const isNew = this.#gaps.some((gap) => gap.reason === "epoch");
    const came = isNew ? `${count(replayed, "event")} stored meanwhile came.` : `${count(replayed, "event")} replayed.`;
    const back = `Connected again after ${span(downtime)}. ${came}`;
    const told = summary(this.#gaps);
    const rest = gaps > this.#gaps.length ? ` and ${gaps - this.#gaps.length} more` : "";
    this.notice(
      gaps ? "warn" : "good",
      gaps ? `${back} Not delivered: ${told}${rest}.` : `${back} Nothing is missing.`,
    );
  }

  notice(kind: "good" | "warn" | "lost", text: string): void {
    this.#notice.dataset["kind"] = kind;
    this.#notice.hidden = false;
    say(this.#notice, text);
  }
}
