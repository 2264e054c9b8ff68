/** What is shipped, in other runtimes than Node: against the hub itself, over a connection that is cut. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { it } from "./support/fixtures.js";
import { MISSING, type RealHub, startHub } from "./support/real_hub.js";
import { Tunnel } from "./support/tunnel.js";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** How each runtime is started: its command, or what names another one, and what stands before the script. */
const RUNTIMES = [
  { name: "bun", variable: "NG_BUN", before: ["run"] },
  { name: "deno", variable: "NG_DENO", before: ["run", "--no-config", "--allow-net", "--allow-read", "--allow-env"] },
];

function found(name: string, variable: string): string | undefined {
  const command = process.env[variable] ?? name;
  const isThere = command.includes("/") ? existsSync(command) : !spawnSync(command, ["--version"]).error;
  return isThere ? command : undefined;
}

class Lines {
  readonly #iterator: AsyncIterator<string>;
  constructor(process: ChildProcess) {
    this.#iterator = createInterface({ input: process.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async next(): Promise<unknown> {
    const { value, done } = await this.#iterator.next();
    if (done) throw new Error("the consumer ended");
    return JSON.parse(value);
  }
}

describe.each(RUNTIMES)("in $name", ({ name, variable, before }) => {
  const command = found(name, variable);
  const missing = MISSING ?? (command ? undefined : `no ${name}: it is not on the path, and ${variable} names none`);
  if (missing) console.warn(`skipped: ${missing}`);
  let hub: RealHub;
  beforeAll(async () => {
    if (!missing) hub = await startHub();
  }, 60_000);
  afterAll(() => hub?.stop());

  it.skipIf(missing).for(["json", "msgpack"])(
    "I3 R4 P7 subscribes, is cut, resumes and misses nothing, as %s",
    async (form, { makeClient }) => {
      const publisher = makeClient(hub.url, { token: hub.tokens["admin"] as string });
      await publisher.connect();
      const tunnel = new Tunnel(hub.port);
      const given = [at("../dist/"), await tunnel.start(), hub.tokens["admin"] as string, form];
      const consumer = spawn(command as string, [...before, at("support/consumer.mjs"), ...given], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(consumer, "exit");
      try {
        const lines = new Lines(consumer);
        expect(await lines.next()).toEqual({ role: "admin", novel: expect.any(Boolean), isPast: true, isGood: true });
        expect(await lines.next()).toEqual({ bytes: [1, 2, 3] });
        await publisher.publish("actions", 1);
        expect(await lines.next()).toEqual({ data: 1 });
        tunnel.cut();
        for (const n of [2, 3]) await publisher.publish("actions", n);
        const came = [await lines.next(), await lines.next(), await lines.next()];
        expect(came).toContainEqual({ resumed: true, replayed: expect.any(Number), gaps: 0 });
        expect(came.filter((line) => line && typeof line === "object" && "data" in line)).toEqual([
          { data: 2 },
          { data: 3 },
        ]);
        await publisher.publish("actions", "end");
        expect([await lines.next(), await lines.next()]).toEqual([{ data: "end" }, { state: "closed" }]);
        expect(await ended).toEqual([0, null]);
      } finally {
        consumer.kill();
        await tunnel.stop();
      }
    },
  );
});
