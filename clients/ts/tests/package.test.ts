import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { FakeHub } from "./support/hub.js";
import { publicNames } from "./support/public_names.js";

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

  it("writes no name shorter that applications see", async () => {
    const entries = ["index", "react", "node", "msgpack"].map((name) => `${HERE}src/${name}.ts`);
    const { members, ofClasses } = publicNames(entries);
    // Members of each kind are among them: of calls, options, events, answers, figures and errors.
    const some = ["subscribe", "sendQueue", "retryIn", "is_novel", "bytesOut", "retryAfter", "isGood", "replayed"];
    expect(some.filter((name) => !members.has(name))).toEqual([]);
    const { mangling } = await import("../scripts/mangle.js");
    const { mangleProps } = mangling();
    expect([...members].filter((name) => mangleProps.test(name))).toEqual([]);

    const names = (await readdir(`${HERE}dist`)).filter((name) => name.endsWith(".js"));
    const built = (await Promise.all(names.map((name) => readFile(`${HERE}dist/${name}`, "utf8")))).join("\n");
    expect(ofClasses.size).toBeGreaterThan(40);
    expect([...ofClasses].filter((name) => !new RegExp(`\\b${name}\\b`).test(built))).toEqual([]);
  }, 120_000);

  it("names its errors, also where the bundler of an application gives other names", async () => {
    const { build } = await import("esbuild");
    const entryPoints = [`${HERE}dist/index.js`];
    const { outputFiles } = await build({ entryPoints, bundle: true, minify: true, format: "esm", write: false });
    const minified = Buffer.from(outputFiles[0]?.contents ?? []).toString("base64");
    for (const path of [`${HERE}dist/index.js`, `data:text/javascript;base64,${minified}`]) {
      const all: Record<string, unknown> = await import(path);
      const { HubError } = all as { HubError: typeof Error };
      const isError = (one: unknown): one is typeof Error =>
        one === HubError || (one as typeof Error).prototype instanceof HubError;
      const errors = Object.entries(all).filter(
        (pair): pair is [string, typeof Error] => typeof pair[1] === "function" && isError(pair[1]),
      );
      expect(errors.length).toBe(16);
      for (const [name, Class] of errors) {
        const error = new Class("text");
        expect([error.name, error.constructor.name, `${error}`]).toEqual([name, name, `${name}: text`]);
        expect(error.stack).toContain(name);
      }
    }
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
