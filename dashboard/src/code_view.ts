/** Client code to copy, where the hub gives its page a token for it: in development, on this machine. */

import { byId, make, say } from "./dom.js";
import { type Snippet, shown, snippets } from "./snippets.js";

export class CodeView {
  readonly #select = byId<HTMLSelectElement>("code-language");
  #snippets: readonly Snippet[] = [];
  #token = "";

  constructor() {
    this.#select.addEventListener("change", () => this.#show());
    byId("code-copy").addEventListener("click", () => void this.#copy());
  }

  offer(url: string, token: string | undefined): void {
    byId("code-box").hidden = token === undefined;
    if (token === undefined) return;
    const chosen = this.#select.selectedIndex;
    this.#token = token;
    this.#snippets = snippets(url, token);
    this.#select.replaceChildren(...this.#snippets.map(({ language }) => make("option", "", language)));
    this.#select.selectedIndex = Math.max(0, chosen);
    this.#show();
  }

  get #chosen(): Snippet | undefined {
    return this.#snippets[this.#select.selectedIndex];
  }

  #show(): void {
    if (!this.#chosen) return;
    say(byId("code"), shown(this.#chosen, this.#token));
    say(byId("code-note"), this.#chosen.needs);
  }

  async #copy(): Promise<void> {
    if (!this.#chosen) return;
    try {
      await navigator.clipboard.writeText(this.#chosen.code);
      say(byId("code-note"), "Copied, with a token of role viewer that ends by itself.");
    } catch {
      // No permission, or no secure context: whole, and selected for the hand.
      say(byId("code"), this.#chosen.code);
      getSelection()?.selectAllChildren(byId("code"));
      say(byId("code-note"), "The browser did not allow it: it is selected, copy it yourself.");
    }
  }
}
