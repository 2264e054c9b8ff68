/** The two boxes that a person writes into: the filter of the signals, and a text to emit. */

import { HubError } from "neurograph-ws-client";
import { byId, make, say } from "./dom.js";
import type { Feed } from "./feed.js";
import { neighbour } from "./feed_view.js";
import { readFilter } from "./filter_text.js";
import type { Hub } from "./hub.js";

/** Replies that stay listed. */
const REPLIES = 5;

/** What went wrong, with the place that the hub names. */
export function complaint(fault: unknown): string {
  const text = fault instanceof Error ? fault.message : String(fault);
  return fault instanceof HubError && fault.path ? `${text} (at ${fault.path})` : text;
}

export function wireFilter(hub: Hub, feed: Feed, changed: () => void): void {
  const box = byId<HTMLInputElement>("filter");
  const note = byId("filter-note");
  const apply = async (): Promise<void> => {
    try {
      const { filter, says } = readFilter(box.value);
      if (!hub.isConnected) say(note, "Waiting for the connection");
      await hub.sieve(filter);
      show(false, `Shown: ${says}`);
      feed.note(`From here: ${says}`);
      changed();
    } catch (fault) {
      show(true, complaint(fault));
    }
  };
  const show = (isWrong: boolean, text: string): void => {
    box.setAttribute("aria-invalid", String(isWrong));
    note.className = isWrong ? "error" : "note";
    say(note, text);
  };
  byId("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void apply();
  });
  const set = (text: string): void => {
    box.value = text;
    void apply();
  };
  byId("filter-clear").addEventListener("click", () => set(""));
  for (const chip of document.querySelectorAll<HTMLElement>("[data-filter]")) {
    chip.addEventListener("click", () => set(chip.dataset["filter"] ?? ""));
  }
}

export function wireEmit(hub: Hub, feed: Feed): void {
  const box = byId<HTMLInputElement>("emit-text");
  const note = byId("emit-note");
  const emit = async (): Promise<void> => {
    const text = box.value.trim();
    if (!text) return;
    try {
      const reply = await hub.emit(text, byId<HTMLInputElement>("emit-include").checked);
      const near = feed.near(reply.neighbors.filter((one) => one.token_id !== reply.token_id));
      feed.remember(reply.token_id, text);
      const badge = make("span", `badge ${reply.is_novel ? "new" : "known"}`, reply.is_novel ? "◆ New" : "○ Known");
      const like = near.length ? `like ${near.map(neighbour).join(", ")}` : "nothing is near it";
      const row = make(
        "li",
        "",
        badge,
        make("span", "text", text),
        make("span", "near", `token ${reply.token_id}, ${like}`),
      );
      byId("replies").prepend(row);
      while (byId("replies").childElementCount > REPLIES) byId("replies").lastElementChild?.remove();
      say(note, "");
      box.select();
    } catch (fault) {
      say(note, complaint(fault));
    }
  };
  byId("emit-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void emit();
  });
}

/** Whether the role may emit, said where one would. */
export function allowEmit(isAllowed: boolean, role: string): void {
  for (const id of ["emit-text", "emit-include"]) byId<HTMLInputElement>(id).disabled = !isAllowed;
  byId("emit-form").querySelector("button")?.toggleAttribute("disabled", !isAllowed);
  say(byId("emit-note"), isAllowed ? "" : `Role ${role} may not emit signals.`);
}
