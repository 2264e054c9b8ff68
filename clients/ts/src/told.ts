/** Who is told what, and when: after the session has returned, in order. */

import type { ClientEvents } from "./types.js";

type Listener = (value: never) => unknown;

export class Told {
  #later: (() => void)[] = [];
  #isTelling = false;
  readonly #listeners: Map<string, Listener[]> = new Map();

  /** Something that calls the application. */
  push(tell: () => void): void {
    this.#later.push(tell);
  }

  /** Call the application; what it makes happen meanwhile is told in its turn. */
  flush(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (let told = 0; told < this.#later.length; told++) this.#later[told]?.();
    } finally {
      this.#later = [];
      this.#isTelling = false;
    }
  }

  on(name: string, listener: Listener): () => void {
    const of = () => this.#listeners.get(name) ?? [];
    this.#listeners.set(name, [...of(), listener]);
    return () =>
      this.#listeners.set(
        name,
        of().filter((one) => one !== listener),
      );
  }

  /** Call the listeners, in the order they came; one that raises harms nobody. An error that nobody hears is written. */
  tell<K extends keyof ClientEvents>(name: K, value: ClientEvents[K]): void {
    const listeners = this.#listeners.get(name) ?? [];
    if (name === "error" && !listeners.length) console.error("neurograph-ws-client:", value);
    for (const listener of listeners) {
      try {
        void listener(value as never);
      } catch (fault) {
        console.error(`neurograph-ws-client: a listener for ${name} raised`, fault);
      }
    }
  }
}
