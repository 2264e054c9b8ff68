import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { FakeHub } from "./support/hub.js";

const HERE = fileURLToPath(new URL("../", import.meta.url));
const run = promisify(execFile);
const node = (...given: string[]) => run("node", given, { cwd: HERE });
const read = async (name: string) => JSON.parse(await readFile(`${HERE}${name}`, "utf8"));

describe("the package", () => {
  it("is within its budgets, minified and gzipped", async () => {
    const { sizes, BUDGETS } = await import("../scripts/size.js");
    const measured: Record<string, number> = await sizes();
    const over = Object.entries(measured).filter(([name, size]) => size > BUDGETS[name as keyof typeof BUDGETS]);
    expect(over).toEqual([]);
  });

  it("needs nothing at run time, and its lock names no host", async () => {
    const { dependencies } = await read("package.json");
    expect(dependencies).toBeUndefined();
    const { packages } = await read("package-lock.json");
    const named = Object.entries(packages as Record<string, { resolved?: string }>).filter(([, one]) => one.resolved);
    expect(named).toEqual([]);
  });

  it("keeps no process alive once a client is closed", async () => {
    const hub = await new FakeHub().start();
    try {
      const use = `import Client from "neurograph-ws-client/node";
        const client = new Client({ url: "${hub.url}" });
        await client.connect();
        await Promise.all([client.subscribe("logs").ready(), client.ping()]);
        await client.close();
        console.log(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length);`;
      expect((await node("--input-type=module", "-e", use)).stdout).toBe("0\n");
    } finally {
      await hub.stop();
    }
  });

  it("is loaded as ES module and as CommonJS, and connects as both", async () => {
    const hub = await new FakeHub().start();
    try {
      const use = `const client = new Client({ url: "${hub.url}" });
        client.connect().then(({ role }) => client.emitText("hello").then((reply) => console.log(role, reply.is_novel)))
          .then(() => client.close());`;
      const esm = `import Client, { HubError, encodeText } from "neurograph-ws-client/node"; ${use}`;
      const cjs = `const { default: Client } = require("neurograph-ws-client/node"); ${use}`;
      expect((await node("--input-type=module", "-e", esm)).stdout).toBe("developer true\n");
      expect((await node("--input-type=commonjs", "-e", cjs)).stdout).toBe("developer true\n");
      const bare = `import Client from "neurograph-ws-client"; globalThis.WebSocket = undefined;
        new Client({ url: "${hub.url}" }).connect().catch((error) => console.log(error.name, error.message));`;
      expect((await node("--input-type=module", "-e", bare)).stdout).toMatch(
        /^Misconfigured .*neurograph-ws-client\/node/,
      );
    } finally {
      await hub.stop();
    }
    expect(WebSocket.OPEN).toBe(1);
  });
});
