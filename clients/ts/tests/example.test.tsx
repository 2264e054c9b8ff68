// @vitest-environment happy-dom
/** examples/dashboard.tsx, as it stands. */

import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, describe, expect, vi } from "vitest";
import { WebSocket } from "ws";
import { Dashboard } from "../../../examples/dashboard.js";
import { it } from "./support/fixtures.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
afterEach(() => vi.unstubAllGlobals());

describe("examples/dashboard.tsx", () => {
  it("K7 shows figures, signals and what was not delivered", async ({ startHub }) => {
    vi.stubGlobal("WebSocket", WebSocket);
    const hub = await startHub({ tokens: { good: "developer" }, keep: 2 });
    const place = document.createElement("div");
    const root = createRoot(place);
    await act(async () => root.render(<Dashboard url={hub.url} token="good" />));
    const says = (text: string) => act(() => expect.poll(() => place.textContent, { timeout: 5_000 }).toContain(text));
    await says("connected");
    await hub.asked("subscribe", 2);
    hub.publish("metrics", { memory_mb: 79.4 });
    hub.publish("metrics", { events_in_per_sec: 197.2 });
    hub.publish("signals", { token_id: 1, is_novel: true, neighbors: [] });
    await says("197 events/s, 79 MB");
    await says("new: token 1");
    hub.cut();
    for (const token_id of [2, 3, 4]) {
      hub.publish("signals", { token_id, is_novel: false, neighbors: [{ token_id: 1, distance: 0.05 }] });
    }
    await says("Signals not delivered: 1 (retention)");
    await says("like 1: token 4");
    expect(place.textContent).not.toContain("token 2");
    await act(async () => root.unmount());
  });
});
