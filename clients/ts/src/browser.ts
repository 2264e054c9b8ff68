/** What a page tells of its network and its own coming and going (H6). */

import type { Link } from "./link.js";

/** Listen where there is a page or a worker; the result, called, ends it. */
export function watchPage(link: Link): () => void {
  const { document, addEventListener } = globalThis as Partial<typeof globalThis>;
  const nudge = () => link.nudge();
  const seen = () => document?.visibilityState === "visible" && link.nudge();
  const events: [EventTarget | undefined, string, () => unknown][] = [
    [addEventListener && globalThis, "online", nudge],
    [document, "visibilitychange", seen],
    [document && globalThis, "pagehide", () => link.leavePage()],
    [document && globalThis, "pageshow", nudge],
  ];
  for (const [target, name, listener] of events) target?.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of events) target?.removeEventListener(name, listener);
  };
}
