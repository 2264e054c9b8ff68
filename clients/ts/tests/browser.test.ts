/** In a real browser: what is shipped, by a page of its own. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { it } from "./support/fixtures.js";
import { MISSING, startHub } from "./support/real_hub.js";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const FOUND = [
  process.env["NG_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path && existsSync(path));
if (!FOUND) console.warn("skipped: no Chromium (apt-get install chromium, or NG_CHROMIUM)");

/** The module under its own name: what is imported inside a test would be taken for a module of the test. */
const PAGE = `<!doctype html><title>test</title>
<script type="module">import Client from "/index.js"; Object.assign(globalThis, { NeurographWSClient: Client });</script>`;

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

// biome-ignore lint/suspicious/noExplicitAny: what the page has under this name
declare const NeurographWSClient: any;

/** What a test leaves in the page for its next step. */
interface Pending {
  readonly client: { close(): Promise<void> };
  readonly next: Promise<{ readonly value: { readonly data: unknown } }>;
}

describe.skipIf(!FOUND)("in a browser", () => {
  let browser: Browser;
  let server: Server;
  let page: Page;

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const name = (request.url ?? "").slice(1);
      const isScript = /^[\w.]+\.js$/.test(name);
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? await readFile(`${DIST}${name}`) : PAGE);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({
      executablePath: FOUND as string,
      args: [...FLAGS, "--disable-component-update", "--disable-sync"],
    });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("globalThis.NeurographWSClient");
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it("I2 C4 the documents' form, with a credential, after a cut, with media", async ({ startHub: fake }) => {
    const hub = await fake({ tokens: { good: "developer" } });
    const heard = page.evaluate(async (url) => {
      const client = new NeurographWSClient({ url, token: "good", autoReconnect: true, backoff: { base: 5 } });
      await client.connect();
      const seen: unknown[] = [];
      client.subscribe("metrics", (data: unknown) => seen.push(data));
      await client.publish("metrics", 1);
      const resumed = new Promise((resolve) => client.on("resumed", resolve));
      client.send({ type: "cut me" });
      const { replayed, gaps } = (await resumed) as { replayed: number; gaps: number };
      const media = client.subscribe("room:1");
      await media.ready();
      await client.publishMedia("room:1", new Blob(["x".repeat(3000)]), { event: "text", contentType: "text/plain" });
      for await (const event of media) {
        seen.push([event.content_encoding, event.data.constructor.name]);
        break;
      }
      const { state } = client;
      await client.close();
      return { seen, replayed, gaps, state };
    }, hub.url);
    await hub.asked("cut me");
    hub.cut();
    hub.publish("metrics", 2);
    expect(await heard).toEqual({ seen: [1, 2, ["zlib", "Uint8Array"]], replayed: 1, gaps: 0, state: "connected" });
    expect(hub.handshakes[0]?.headers["sec-websocket-protocol"]).toBe("ng-ws.v1.json, ng-ws.bearer.good");
  });

  it("H6 a page that goes away closes, and resumes when it is shown again", async ({ hub }) => {
    await page.evaluate(async (url) => {
      const client = new NeurographWSClient({ url, backoff: { base: 5 } });
      Object.assign(globalThis, { client });
      await client.connect();
      await client.subscribe("logs").ready();
      dispatchEvent(new Event("pagehide"));
    }, hub.url);
    await hub.until(() => hub.handshakes.length === 2 && hub.peers.size === 1);
    await page.waitForFunction("client.state === 'connected'");
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await hub.asked("ping");
    await page.evaluate(() => (globalThis as unknown as { client: { close(): Promise<void> } }).client.close());
    await hub.until(() => hub.peers.size === 0);
    // Nothing listens any more.
    await page.evaluate(() => dispatchEvent(new Event("online")));
    expect(hub.handshakes.length).toBe(2);
  });

  it("H2 timers of a worker ring, and bigint is read", async ({ startHub: fake }) => {
    const hub = await fake({ welcome: { heartbeat: { interval: 0.05, timeout: 10 } } });
    await page.evaluate(async (url) => {
      const client = new NeurographWSClient({ url, heartbeatWorker: true, bigint: true });
      await client.connect();
      const sub = client.subscribe("room:1");
      await sub.ready();
      const next = sub[Symbol.asyncIterator]().next();
      Object.assign(globalThis, { client, next });
    }, hub.url);
    hub.pushRaw('{"type":"event","channel":"room:1","offset":1,"event":"x","ts":1,"data":9007199254740993}');
    const value = await page.evaluate(async () => typeof (await (globalThis as never as Pending).next).value.data);
    await hub.asked("ping", 2);
    await page.evaluate(() => (globalThis as never as Pending).client.close());
    expect(value).toBe("bigint");
  });

  it("C11 a refused upgrade is a connection that did not come about", async () => {
    const error = await page.evaluate(async () => {
      return new NeurographWSClient({ url: "ws://127.0.0.1:1/ws" })
        .connect()
        .catch((fault: Error) => [fault.name, fault.message]);
    });
    expect(error).toEqual(["Disconnected", expect.stringContaining("cannot connect to ws://127.0.0.1:1/ws")]);
  });

  it.skipIf(MISSING)("I2 K7 the hub itself is heard in a page", async () => {
    const hub = await startHub({ NG_METRICS_INTERVAL: "0.2" });
    try {
      const role = await page.evaluate(
        async ([url, token]) => {
          const client = new NeurographWSClient({ url, token });
          await client.connect();
          await new Promise((resolve) => client.subscribe("metrics", resolve));
          await client.close();
          return client.role;
        },
        [hub.url, hub.tokens["viewer"] as string] as const,
      );
      expect(role).toBe("viewer");
    } finally {
      await hub.stop();
    }
  });
});
