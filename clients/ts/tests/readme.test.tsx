// @vitest-environment happy-dom
/** The examples of the README, as they stand there: only the address is that of a hub in the process. */

import { readFile } from "node:fs/promises";
import { transform } from "esbuild";
import * as jsx from "react/jsx-runtime";
import { renderToString } from "react-dom/server";
import { describe, expect } from "vitest";
import { WebSocket } from "ws";
import NeurographWSClient, { type HubOptions, near, type WebSocketLike } from "../src/index.js";
import * as hooks from "../src/react.js";
import { it } from "./support/fixtures.js";
import type { FakeHub } from "./support/hub.js";

async function examplesOf(path: string): Promise<string[]> {
  const readme = await readFile(`${process.cwd()}/${path}`, "utf8");
  return [...readme.matchAll(/```tsx?\n([\s\S]*?)```/g)].map((found) => found[1] as string);
}
const examples = await examplesOf("README.md");
const front = await examplesOf("../../README.md");
const made: NeurographWSClient[] = [];

/** The client, with the WebSocket that this runtime lacks. */
class Client extends NeurographWSClient {
  constructor(options: HubOptions) {
    super({ ...options, webSocket: WebSocket as unknown as WebSocketLike });
    made.push(this);
  }
}

async function execute(
  example: string | undefined,
  hub: FakeHub,
  names: Record<string, unknown>,
  result = "",
): Promise<unknown> {
  const source = (example ?? "").replace(/^import .*$/gm, "").replace("ws://localhost:8000/ws", hub.url);
  const wrapped = `export default async () => { ${source}\n ${result} }`;
  const options = { loader: "tsx", format: "cjs", jsx: "automatic", target: "es2022" } as const;
  const { code } = await transform(wrapped, options);
  const module = { exports: {} as { default?: () => Promise<unknown> } };
  const given = { NeurographWSClient: Client, near, url: hub.url, module, require: () => jsx, ...names };
  new Function(...Object.keys(given), code)(...Object.values(given));
  return module.exports.default?.();
}

const closed = () => Promise.all(made.splice(0).map((client) => client.close()));

describe("the README", () => {
  it("has as many examples as there are tests", () => expect([examples.length, front.length]).toEqual([5, 1]));

  it.for([
    ["1", examples[0]],
    ["of the repository", front[0]],
  ])("I2 %s: the documents' form", async ([, example], { hub }) => {
    const lines: unknown[][] = [];
    await execute(example, hub, { console: { log: (...line: unknown[]) => lines.push(line) } });
    await hub.asked("subscribe");
    hub.publish("metrics", { cpu: 1 });
    await expect.poll(() => lines).toEqual([["Metrics:", { cpu: 1 }]]);
    await closed();
  });

  it("2: a consumer that survives restarts", async ({ startHub }) => {
    const hub = await startHub({ tokens: { t: "bot" }, keep: 1 });
    for (const n of [1, 2, 3]) hub.publish("signals", { token_id: n, neighbors: [] });
    const seen: unknown[] = [];
    const saved: unknown[] = [];
    const end = execute(examples[1], hub, {
      fetchToken: () => "t",
      load: () => ({ signals: "fake1:1" }),
      save: (positions: object) => saved.push({ ...positions }),
      refetch: (gap: { missed: number }) => seen.push(`gap ${gap.missed}`),
      handle: (token: number) => seen.push(token),
      console: { warn: (line: string) => seen.push(line) },
    });
    await expect.poll(() => seen).toEqual(["1 missed on signals: retention", "gap 1", 3]);
    expect(saved[0]).toEqual({ signals: "fake1:1" });
    await closed();
    await end;
  });

  it("3: iterate, filter, stop", async ({ hub }) => {
    const client = new Client({ url: hub.url });
    await client.connect();
    hub.answerNext("subscribe", {
      type: "subscribed",
      channels: { signals: { position: "fake1:0", behind: 0, delivery: "all", on_slow: "gap" } },
    });
    const end = execute(examples[2], hub, { client });
    const [asked] = await hub.asked("subscribe");
    hub.push({ type: "event", channel: "signals", offset: 1, event: "x", ts: 1, data: { priority: 250 } });
    await end;
    expect(Object.keys(asked.filter)).toEqual(["data.is_novel", "data.vector"]);
    await hub.asked("unsubscribe");
    await closed();
  });

  it("4: signals, events, media", async ({ hub }) => {
    const client = new Client({ url: hub.url });
    await client.connect();
    const lines: unknown[][] = [];
    await execute(examples[3], hub, {
      client,
      jpeg: new Uint8Array([1]),
      console: { log: (...line: unknown[]) => lines.push(line) },
    });
    expect(lines).toEqual([[true, []], ["fake1:1"]]);
    await closed();
  });

  it("K7 5: a component", async ({ hub }) => {
    const Rate = (await execute(examples[4], hub, { ...hooks }, "return Rate;")) as () => React.JSX.Element;
    expect(renderToString(<Rate />)).toBe('<p data-state="idle">…<!-- --> events/s</p>');
  });
});
