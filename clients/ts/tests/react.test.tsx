// @vitest-environment happy-dom
import { act, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, describe, expect } from "vitest";
import { WebSocket } from "ws";
import type NeurographWSClient from "../src/index.js";
import type { WebSocketLike } from "../src/index.js";
import { useChannel, useHub, useHubState, useLatest } from "../src/react.js";
import { it } from "./support/fixtures.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
const webSocket = WebSocket as unknown as WebSocketLike;

let root: Root | undefined;
afterEach(() => act(() => root?.unmount()));

async function show(element: React.ReactNode): Promise<HTMLElement> {
  const place = document.createElement("div");
  root = createRoot(place);
  await act(async () => root?.render(element));
  return place;
}

/** Until the page says so; React works meanwhile. */
const says = (place: HTMLElement, text: string): Promise<void> =>
  act(() => expect.poll(() => place.textContent, { timeout: 5_000 }).toBe(text));

describe("hooks", () => {
  it("K7 show what comes, in StrictMode too, with one connection and one subscription", async ({ hub }) => {
    let made: NeurographWSClient | undefined;
    function Rate({ hub: client }: { hub: NeurographWSClient }) {
      const rate = useLatest(client, "metrics", (m) => m["events_per_sec"]);
      return <b>{rate?.toFixed(0) ?? "…"} events/s </b>;
    }
    function App() {
      const client = useHub({ url: hub.url, webSocket });
      made = client;
      const state = useHubState(client);
      const { events, state: of } = useChannel(client, "logs", { limit: 2 });
      const both = useChannel(client, "logs", { limit: 1 });
      return (
        <p>
          {state} {of} <Rate hub={client} />
          {events.map((event) => event.data["message"]).join()} {both.events.length}
        </p>
      );
    }
    const place = await show(
      <StrictMode>
        <App />
      </StrictMode>,
    );
    await says(place, "connected active … events/s  0");
    expect([hub.peers.size, hub.handshakes.length]).toEqual([1, 1]);
    const asked = hub.received
      .filter((message) => message.type === "subscribe")
      .flatMap((one) => one.channels ?? one.channel);
    expect(asked.sort()).toEqual(["logs", "metrics"]);
    await act(async () => {
      hub.publish("metrics", { events_per_sec: 41 });
      hub.publish("metrics", { cpu: 7 });
      for (const message of ["a", "b", "c"]) hub.publish("logs", { level: "info", message });
    });
    await says(place, "connected active 41 events/s c,b 1");
    await act(async () => root?.unmount());
    await hub.until(() => hub.peers.size === 0);
    expect(made?.state).toBe("closed");
  });

  it("render on a server, where nothing is connected", () => {
    function App() {
      const client = useHub({ url: "ws://127.0.0.1:1/ws", webSocket });
      const { events, state } = useChannel(client, "logs");
      return <p>{`${useHubState(client)} ${state} ${events.length} ${useLatest(client, "metrics")}`}</p>;
    }
    expect(renderToString(<App />)).toBe("<p>idle pending 0 undefined</p>");
  });
});
