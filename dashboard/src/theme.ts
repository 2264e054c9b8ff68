/** Dark or light: as the system says, or as was chosen here before. */

import { byId } from "./dom.js";

const KEY = "neurograph-colours";

export function wireTheme(changed: () => void): void {
  const select = byId<HTMLSelectElement>("theme");
  const set = (choice: string): void => {
    select.value = choice;
    if (choice === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = choice;
    changed();
  };
  const kept = remembered();
  set(kept === "dark" || kept === "light" ? kept : "auto");
  select.addEventListener("change", () => {
    set(select.value);
    remember(select.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

// A browser may forbid storage; the choice then lasts as long as the page.
function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(choice: string): void {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    return;
  }
}
