import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect } from "vitest";
import { json } from "../src/bigint.js";
import { HAPPENINGS, type State, TRANSITIONS } from "../src/core/states.js";
import { Axis, encodeText, near, type Welcome } from "../src/index.js";
import { compress } from "../src/media.js";
import { msgpack } from "../src/msgpack.js";
import { it, take, told } from "./support/fixtures.js";
import { vectors } from "./support/script.js";

const copy = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

describe("media", () => {
  it("A15 B4 bytes go as a media frame and come back byte for byte", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe<Uint8Array>("room:1");
    await sub.ready();
    const image = new Uint8Array([0xff, 0xd8, 0, 1, 2]);
    const meta = { format: "jpeg", width: 2, height: 1 };
    await client.publishMedia("room:1", image, {
      event: "camera.frame",
      contentType: "image/jpeg",
      key: "cam-1",
      meta,
    });
    const [event] = await take(sub, 1);
    expect(event).toMatchObject({ event: "camera.frame", key: "cam-1", content_type: "image/jpeg", meta });
    expect([...(event?.data ?? [])]).toEqual([...image]);
    await client.publishMedia("room:1", new Blob([]), { event: "empty", contentType: "application/octet-stream" });
    expect((await take(sub, 1))[0]?.data).toHaveLength(0);
  });

  it("B4 what is no media frame is told and ignored", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    for (const bytes of [[2, 0, 0, 0, 0], [1, 0, 0, 0, 9, 1], [1]]) {
      const error = told(client, "error");
      hub.pushRaw(new Uint8Array(bytes));
      expect(await error).toMatchObject({ name: "ProtocolViolation" });
    }
  });

  it("B7 B10 a payload is encoded by size and gain, where the hub takes it", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const text = new TextEncoder().encode("disk failing ".repeat(200));
    await client.publishMedia("logs", text, { event: "text", contentType: "text/plain" });
    const [said] = await hub.asked("publish");
    expect([said.content_encoding, said.data.length < text.length / 10]).toEqual(["zlib", true]);
    const known = ["gzip", "zlib"];
    const chosen = async (size: number, type: string, of = known) =>
      (await compress(new Uint8Array(size), type, "auto", of))?.encoding;
    expect(await chosen(511, "text/plain")).toBeUndefined();
    expect(await chosen(1_023, "application/json")).toBeUndefined();
    expect(await chosen(1_024, "application/json")).toBe("zlib");
    expect(await chosen(65_536, "application/json")).toBe("gzip");
    expect(await chosen(65_536, "image/jpeg")).toBeUndefined();
    expect(await chosen(65_536, "application/json", [])).toBeUndefined();
    expect(
      await compress(crypto.getRandomValues(new Uint8Array(4_096)), "application/octet-stream", "auto", known),
    ).toBeUndefined();
  });
});

describe("msgpack", () => {
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ unit: "binary" }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie("value"), { maxLength: 20 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 20, noNullPrototype: true }),
    ),
  })).value;
  const options = { useBigInt64: false } as const;

  it("M14 reads what a library writes, and writes what it reads", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(plain(msgpack.decode(copy(encode(value, options))))).toEqual(plain(value));
        expect(plain(decode(msgpack.encode(value as never) as Uint8Array))).toEqual(plain(value));
      }),
      { numRuns: 300 },
    );
  });

  it("M14 is whole wherever its buffer has to grow", () => {
    const values = [
      "text",
      "x".repeat(5000),
      true,
      7,
      -7,
      300,
      70_000,
      -70_000,
      0.5,
      2 ** 40,
      new Uint8Array(3000),
      [1],
    ];
    for (let before = 1000; before < 1026; before++) {
      for (const value of values) {
        const message = { before: "x".repeat(before), value, after: { value } };
        const written = copy(msgpack.encode(message as never) as Uint8Array);
        expect(msgpack.decode(written)).toEqual(message);
        expect(decode(written)).toEqual(message);
      }
    }
  });

  it("M13 keeps integers of 64 bits, both ways", () => {
    for (const value of [2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n]) {
      expect(msgpack.decode(copy(msgpack.encode({ value } as never) as Uint8Array))).toEqual({ value });
    }
    expect(() => msgpack.encode({ value: 2n ** 64n } as never)).toThrow(RangeError);
    expect(() => msgpack.encode({ value: Number.NaN } as never)).toThrow(RangeError);
  });

  it("M14 refuses what is cut short, has more behind it, or is no part of the protocol", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        // Whatever comes, it is read or refused: no crash, no endless loop, no memory beyond what came.
        try {
          msgpack.decode(copy(bytes));
        } catch (fault) {
          expect(fault).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 1_000 },
    );
    const refused = [
      [0xc1],
      [0xd4, 1, 0],
      [0x81, 1, 1],
      [0xdd, 255, 255, 255, 255],
      [0xc0, 0xc0],
      Array(100).fill(0x91),
    ];
    for (const bytes of refused) expect(() => msgpack.decode(copy(new Uint8Array(bytes)))).toThrow();
    expect(() => msgpack.decode("{}")).toThrow(TypeError);
    const own = msgpack.decode(copy(encode(JSON.parse('{"__proto__":{"type":"x"}}')))) as object;
    expect([Object.getPrototypeOf(own), Object.keys(own)]).toEqual([null, ["__proto__"]]);
  });

  it("A10 C2 the hub's choice of a subprotocol is followed", async ({ startHub, makeClient }) => {
    const pack = (message: object) => encode(message);
    const unpack = (data: Uint8Array) => decode(data);
    const hub = await startHub({ protocols: ["ng-ws.v1.msgpack"], pack, unpack });
    const client = makeClient(hub.url, { codec: msgpack });
    await client.connect();
    const sub = client.subscribe<Uint8Array>("room:1");
    await sub.ready();
    await client.publishMedia("room:1", new Uint8Array([1, 2]), {
      event: "x",
      contentType: "image/png",
      encoding: null,
    });
    expect([...((await take(sub, 1))[0]?.data ?? [])]).toEqual([1, 2]);
    const json = await startHub();
    const other = makeClient(json.url, { codec: msgpack });
    await other.connect();
    expect((await other.publish("actions", { a: 1 })).position).toBe("fake1:1");
  });
});

/** Without what only bytes and prototypes tell apart. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(plain);
  if (!value || typeof value !== "object") return Object.is(value, -0) ? 0 : value;
  return Object.entries(value)
    .map(([name, member]) => [name, plain(member)])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

describe("bigint", () => {
  it("M13 keeps integers digit by digit, and touches nothing else", () => {
    const text =
      '{"a":9007199254740993,"b":[-9223372036854775808],"c":"9007199254740993","d":1e400,"e":1234567890123456.5,"f":9007199254740991}';
    expect(json.parse(text)).toEqual({
      a: 9007199254740993n,
      b: [-9223372036854775808n],
      c: "9007199254740993",
      d: Number.POSITIVE_INFINITY,
      e: 1234567890123456.5,
      f: 9007199254740991,
    });
    expect(json.stringify({ a: 9007199254740993n, b: "9007199254740993" })).toBe(
      '{"a":9007199254740993,"b":"9007199254740993"}',
    );
  });

  it("M13 what JSON can say comes back the same", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), (value, big) => {
        // A number beyond 2^53 that is whole comes back as what it is: a bigint.
        fc.pre(!/\d{16}/.test(JSON.stringify(value)));
        const whole = JSON.parse(JSON.stringify(value));
        expect(json.parse(json.stringify({ whole, big, text: `${big}` }))).toEqual({ whole, big, text: `${big}` });
      }),
    );
  });

  it("M13 goes on the wire with `bigint: true`", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url, { bigint: true });
    await client.connect();
    const sub = client.subscribe<{ n: bigint }>("room:1");
    await sub.ready();
    hub.pushRaw('{"type":"event","channel":"room:1","offset":1,"event":"x","ts":1,"data":{"n":18446744073709551615}}');
    expect((await take(sub, 1))[0]?.data.n).toBe(18446744073709551615n);
  });
});

describe("the encoder", () => {
  const { cases } = vectors("encoder") as { cases: { name: string; text: string; vector: number[] }[] };

  it.each(cases.map((one) => [one.name, one] as const))("N6: %s", (_, { text, vector }) => {
    expect(encodeText(text)).toEqual(vector);
  });

  it("F7 near takes a text or a vector", () => {
    expect(near("hello", 0.1)).toEqual({ "data.vector": { near: { center: encodeText("hello"), radius: 0.1 } } });
    expect(() => near([Number.NaN], 0.1)).toThrow(/near.0/);
    expect(Axis.EMOTIONAL).toBe(3);
  });
});

describe("the states", () => {
  it("are those of the picture in the README", async () => {
    const { readFile } = await import("node:fs/promises");
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    const steps = new Map<string, string[]>();
    for (const old of Object.keys(TRANSITIONS) as State[]) {
      TRANSITIONS[old].forEach((next, happening) => {
        const key = `${old} --> ${next}`;
        if (next !== old) steps.set(key, [...(steps.get(key) ?? []), HAPPENINGS[happening] as string]);
      });
    }
    const lines = [...steps].map(([step, names]) => `    ${step}: ${names.join("<br>")}`);
    expect(readme).toContain(["stateDiagram-v2", "    [*] --> idle", ...lines].join("\n"));
  });
});

describe("diagnose", () => {
  it("says what is well, and the first thing that is not", async ({ startHub, makeClient }) => {
    const hub = await startHub({ tokens: { good: "viewer" } });
    const good = await makeClient(hub.url, { token: "good" }).diagnose();
    expect(good).toMatchObject({ isGood: true });
    expect(good.checks.map((check) => check.name)).toEqual([
      "address",
      "DNS",
      "TCP",
      "upgrade",
      "subprotocol",
      "deflate",
      "login",
      "ping",
      "clock",
      "large frame",
      "survival",
    ]);
    expect((await makeClient(hub.url, { token: "bad" }).diagnose()).summary).toMatch(
      /4101 token_invalid.*check the token/,
    );
    const { url } = hub;
    await hub.stop();
    expect((await makeClient(url).diagnose()).summary).toMatch(/is the hub running there.*ECONNREFUSED/);
    expect((await makeClient("ws://no-such-host.invalid/ws").diagnose()).summary).toMatch(/no address of this name/);
    expect((await makeClient("wss://no-such-host.invalid/ws").diagnose()).checks.map((one) => one.name)).toEqual([
      "address",
      "DNS",
      "survival",
    ]);
  });

  it("tells a server that is no hub from one that is away", async ({ makeClient }) => {
    const server = createServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const { checks, summary } = await makeClient(`ws://127.0.0.1:${port}/ws`).diagnose();
    expect(checks.slice(0, 3).map((one) => [one.name, one.isGood])).toEqual([
      ["address", true],
      ["DNS", true],
      ["TCP", true],
    ]);
    expect(summary).toMatch(/does a proxy pass the upgrade on/);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("types", () => {
  it("I3 know the channels, and what an application adds", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    const welcome: Welcome = await client.connect();
    const sub = client.subscribe("signals", (data, event) => {
      const isNovel: boolean = data.is_novel;
      const position: string = event.position;
      return [isNovel, position];
    });
    const wrong = (data: Parameters<NonNullable<Parameters<typeof client.subscribe<"signals">>[1]>>[0]) =>
      // @ts-expect-error a signal has no such member
      data.nothing;
    expect(wrong({} as never)).toBeUndefined();
    expect([welcome.role, sub.channel]).toEqual(["developer", "signals"]);
  });
});
