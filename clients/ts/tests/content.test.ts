/** What an application gives to be sent, and what comes and cannot be read. */

import { describe, expect } from "vitest";
import { json as exact } from "../src/bigint.js";
import { jsonCodec } from "../src/codec.js";
import { elementsOf, tellingOf } from "../src/glimpse.js";
import { BadRequest, Disconnected, type Filter, near, ProtocolViolation } from "../src/index.js";
import { msgpack } from "../src/msgpack.js";
import { it, take, told } from "./support/fixtures.js";
import { MISSING, type RealHub, startHub } from "./support/real_hub.js";
import { vectors } from "./support/script.js";

/** What a client sends under each member, and what it does not. */
const { cases: NAMES } = vectors("names") as {
  cases: { name: string; expected: string; fit: string[]; unfit: unknown[] }[];
};

const nested = (levels: number): unknown => (levels ? [nested(levels - 1)] : 1);
const endless: { [member: string]: unknown } = {};
endless["all"] = endless;

/** Data, the place of what is wrong with it, and what was expected there. */
const UNFIT: [string, unknown, string, string][] = [
  ["NaN", { x: [1, 2, 3, Number.NaN] }, "data.x[3]", "a finite number, got NaN"],
  ["Infinity", Number.POSITIVE_INFINITY, "data", "a finite number, got Infinity"],
  ["half of a surrogate pair", ["\ud83d"], "data[0]", 'text without lone surrogates, got "\\ud83d"'],
  ["a name that is none", { "\udc00": 1 }, "data.\udc00", 'text without lone surrogates, got "\\udc00"'],
  [
    "32 levels within a message",
    nested(32),
    `data${"[0]".repeat(31)}`,
    "at most 32 levels of nesting in a message, got Array",
  ],
  ["a circle", endless, `data${".all".repeat(31)}`, "at most 32 levels of nesting in a message, got Object"],
  ["a bigint that was not asked for", { n: 1n }, "data.n", "a number, or the option bigint, got 1"],
  [
    "a whole number beyond 64 bits",
    { n: 2 ** 64 },
    "data.n",
    "an integer from -2^63 to 2^64-1, got 18446744073709552000",
  ],
  ["one below them", { n: -(2 ** 63) }, "data.n", "an integer from -2^63 to 2^64-1, got -9223372036854776000"],
  ["a promise", { later: Promise.resolve(1) }, "data.later", "a JSON value, got Promise"],
  ["a map", new Map([[1, 2]]), "data", "a JSON value, got Map"],
  ["bytes within", { image: new Uint8Array(2) }, "data.image", "a JSON value, got Uint8Array"],
  ["a function", { call: () => 1 }, "data.call", "a JSON value, got Function"],
  ["nothing in a list", [1, undefined], "data[1]", "a JSON value, got undefined"],
];

/** Data that is as odd, and fits. */
const FIT: [string, unknown, unknown][] = [
  ["31 levels", nested(31), nested(31)],
  ["whole pairs", "\ud83d\ude00 \ufffd", "\ud83d\ude00 \ufffd"],
  ["the largest float", [1e21, 1.5e300, 2 ** 63], [1e21, 1.5e300, 2 ** 63]],
  ["a date", { at: new Date(0), gone: undefined }, { at: "1970-01-01T00:00:00.000Z" }],
  ["names of the language's own", { constructor: "x", toString: 1 }, { constructor: "x", toString: 1 }],
  ["nothing", null, null],
];

describe("what no message can hold", () => {
  it.for(UNFIT)(
    "M10 M13 M14 %s is refused before it is sent, with its place",
    async ([, data, path, text], { hub, makeClient }) => {
      const client = makeClient(hub.url);
      const refused = { name: "BadRequest", path, message: `${path}: expected ${text}` };
      // Also without a connection, where it would have waited for one.
      await expect(makeClient(hub.url, { sendQueue: 9 }).publish("actions", data)).rejects.toMatchObject(refused);
      await client.connect();
      for (let time = 0; time < 11; time++)
        await expect(client.publish("actions", data)).rejects.toMatchObject(refused);
      await expect(client.request({ type: "publish", channel: "actions", event: "x", data })).rejects.toThrow(
        BadRequest,
      );
      expect(() => client.send({ type: "publish", channel: "actions", event: "x", data })).toThrow(BadRequest);
      expect(await client.ping()).toBeGreaterThan(0);
      expect(hub.received.filter(({ type }) => type === "publish")).toEqual([]);
    },
  );

  it.for(FIT)("M10 M13 %s is sent", async ([, data, came], { hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("room:1");
    await sub.ready();
    await client.publish("room:1", data);
    expect((await take(sub, 1))[0]?.data).toEqual(came);
  });

  it("M13 with `bigint: true` integers of 64 bits are sent, and no others", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url, { bigint: true });
    await client.connect();
    const most = [2n ** 64n - 1n, -(2n ** 63n)];
    await client.publish("actions", most);
    for (const n of [2n ** 64n, -(2n ** 63n) - 1n]) {
      await expect(client.publish("actions", { n })).rejects.toMatchObject({ name: "BadRequest", path: "data.n" });
    }
    await expect(client.request({ type: "ping", t: 2n ** 53n })).rejects.toMatchObject({ path: "t" });
    await expect(client.request({ type: "ping", t: 2 ** 53 })).rejects.toThrow(
      /-\(2\^53-1\) to 2\^53-1, got 9007199254740992/,
    );
    await expect(makeClient(hub.url, { codec: msgpack }).publish("actions", 1e20)).rejects.toMatchObject({
      name: "Disconnected",
    });
  });

  it("M15 M16 what is no name is refused here: ten of them would end the connection for good", async ({
    makeClient,
  }) => {
    const client = makeClient("ws://127.0.0.1:1/ws");
    for (const { name: member, expected, fit, unfit } of NAMES) {
      const message = (value: unknown) => ({ type: "publish", [member]: value });
      for (const value of unfit) {
        const told = `${member}: expected ${expected}, got `;
        const refused = { name: "BadRequest", path: member, message: expect.stringContaining(told) };
        await expect(client.request(message(value)), `${member} ${value}`).rejects.toMatchObject(refused);
        expect(() => client.send(message(value))).toThrow(BadRequest);
      }
      for (const value of fit) await expect(client.request(message(value)), value).rejects.toThrow(Disconnected);
    }
    expect.assertions(NAMES.reduce((sum, { fit, unfit }) => sum + fit.length + 2 * unfit.length, 0));
  });

  it("M15 M16 what are no tags is refused here", async ({ makeClient }) => {
    const client = makeClient("ws://127.0.0.1:1/ws");
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, number) => [`t${number}`, "1"]));
    const unfit = [{ "a b": "1" }, { "": "1" }, { a: 1 }, { a: "é".repeat(129) }, { ["a".repeat(65)]: "1" }, [], "a=1"];
    for (const tags of [...unfit, many]) {
      const refused = { name: "BadRequest", path: "tags", message: expect.stringContaining("at most 16 strings") };
      await expect(client.request({ type: "publish", tags })).rejects.toMatchObject(refused);
    }
    for (const tags of [{ "a.B-c_9": "é".repeat(128), b: "" }, {}, null])
      await expect(client.request({ type: "publish", tags })).rejects.toThrow(Disconnected);
  });

  it("M16 every call checks the names it is given", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    for (const channel of [undefined, null, 7, "a b"] as string[]) {
      expect(() => client.subscribe(channel)).toThrow(/^channel: expected 1 to 64 of /);
      await expect(client.history(channel)).rejects.toThrow(/^channel: expected 1 to 64 of /);
    }
    const row = Array(8).fill(0.5);
    for (const [asked, path] of [
      [client.publish("a b", 1), "channel"],
      [client.publish("logs", 1, { event: "a..b" }), "event"],
      [client.publish("logs", 1, { key: "\u0085" }), "key"],
      [client.publish("logs", 1, { key: 42 as never }), "key"],
      [client.publish("logs", 1, { mid: "two words" }), "mid"],
      [client.emit(".a", row), "event_type"],
      [client.emitBatch("a.b", [row], { key: "" }), "key"],
    ] as const) {
      await expect(asked).rejects.toMatchObject({ name: "BadRequest", path });
    }
    expect(hub.received.filter(({ type }) => ["publish", "emit", "subscribe"].includes(type))).toEqual([]);
    expect((await client.publish("logs", 1, { mid: null })).position).toBe("fake1:1");
    await client.request({ type: "publish", channel: "logs", event: "e", data: 1, key: null, mid: null });
  });

  it("F1 M12 M13 a filter holds what the form of the client has: integers as `bigint`", async ({ hub, makeClient }) => {
    const lines: string[] = [];
    const client = makeClient(hub.url, { bigint: true, debug: (line) => lines.push(line) });
    await client.connect();
    // What is equal goes in one message, a number is no text.
    const filters: Filter[] = [{ "data.n": 10n }, { "data.n": 10 }, { "data.n": "10" }];
    const names = ["logs", "status", "actions"];
    const subs = filters.map((filter, place) => client.subscribe(names[place] as string, undefined, { filter }));
    await Promise.all(subs.map((sub) => sub.ready()));
    await subs[0]?.update({ filter: { "data.n": { gte: 11n } } });
    const asked = await hub.asked("subscribe", 3);
    expect(asked.map(({ channel, channels, filter }) => [channels ?? channel, filter])).toEqual([
      [["logs", "status"], { "data.n": 10 }],
      ["actions", { "data.n": "10" }],
      ["logs", { "data.n": { gte: 11 } }],
    ]);
    expect(lines.some((line) => line.includes('"data.n":"10"'))).toBe(true);
    await client.publish("logs", 2n ** 63n);
    expect(lines.some((line) => line.includes("9223372036854775808"))).toBe(true);
    const plain = makeClient(hub.url);
    expect(() => plain.subscribe("logs", undefined, { filter: { "data.n": 10n } })).toThrow(BadRequest);
  });

  it("M32 M33 F7 vectors, texts and radii are numbers, rows and texts", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const row = Array(8).fill(0.5);
    const emit = (vector: unknown) => client.emit("signal.x", vector as number[]);
    const refused = (path: string, text: string) => ({
      name: "BadRequest",
      path,
      message: `${path}: expected ${text}`,
    });
    await expect(emit(undefined)).rejects.toMatchObject(refused("vector", "8 numbers, got undefined"));
    await expect(emit(null)).rejects.toMatchObject(refused("vector", "8 numbers, got null"));
    await expect(emit("abc")).rejects.toMatchObject(refused("vector", '8 numbers, got "abc"'));
    await expect(emit({})).rejects.toMatchObject(refused("vector", "8 numbers, got Object"));
    await expect(emit(Array(8).fill(true))).rejects.toMatchObject(refused("vector.0", "a finite number, got true"));
    await expect(emit([...row.slice(1), Number.NaN])).rejects.toMatchObject(
      refused("vector.7", "a finite number, got NaN"),
    );
    await expect(client.emitBatch("signal.x", undefined as never)).rejects.toMatchObject(
      refused("vectors", "vectors of 8 numbers, got undefined"),
    );
    await expect(client.emitBatch("signal.x", [row, "abc" as never])).rejects.toMatchObject(
      refused("vectors.1", '8 numbers, got "abc"'),
    );
    await expect(client.emitText(7 as never)).rejects.toMatchObject(refused("text", "a string, got 7"));
    await expect(client.emit("signal.x", row, { payload: { x: Number.NaN } })).rejects.toMatchObject({
      path: "payload.x",
    });
    for (const radius of [Number.POSITIVE_INFINITY, Number.NaN, -1, "1" as never]) {
      expect(() => near(row, radius)).toThrow(/^radius: expected a number of at least 0, got /);
    }
    expect(() => near("x", undefined as never)).toThrow(BadRequest);
    const filter: Filter = { "data.vector": { near: { center: row, radius: Number.POSITIVE_INFINITY } } };
    expect(() => client.subscribe("signals", undefined, { filter })).toThrow(
      /^filter\.data\.vector\.near\.radius: expected a finite number/,
    );
    expect(() => client.subscribe("logs", undefined, { from: { since: new Date("never") } })).toThrow(/^from\.since: /);
    expect((await emit(new Float32Array(8))).is_novel).toBe(true);
    expect(hub.received.filter(({ type }) => type === "emit")).toHaveLength(1);
  });
});

describe("what comes and cannot be read", () => {
  it("M4 fails the call that it answers, at once, and no other", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url, { timeout: 60_000 });
    await client.connect();
    const others: unknown[] = [];
    client.on("error", (error) => others.push(error));
    for (let time = 0; time < 12; time++) {
      hub.answerNext("publish", null);
      const publish = client.publish("actions", time);
      const { id } = (await hub.asked("publish", time + 1)).at(-1);
      hub.pushRaw(`{"type":"ack","id":${id},"positions":{"actions":"fake1:1}}`);
      await expect(publish).rejects.toThrow(ProtocolViolation);
    }
    hub.answerNext("ping", null);
    const ping = client.request({ type: "ping" });
    const { id } = (await hub.asked("ping")).at(-1);
    // Inside of what a publisher wrote an id is no id.
    hub.pushRaw(`{"type":"event","channel":"logs","offset":1,"data":{"id":${id},`);
    hub.pushRaw(`{"type":"event","channel":"logs","offset":1,"event":"\\"id\\":${id},","data":"\\",\\"id\\":${id},`);
    hub.push({ type: "pong", id });
    expect(await ping).toMatchObject({ type: "pong" });
    // Of a channel that nobody wants nobody is told.
    expect(others).toEqual([]);
    expect([client.state, client.stats().awaiting, client.stats().unreadable]).toEqual(["connected", 0, 12]);
  });

  it.for(["json", "msgpack"])(
    "P5 P6 P7 an event is told and stands as a gap, the stream goes on, as %s",
    async (form, { startHub, makeClient }) => {
      const pack = (message: unknown) => msgpack.encode(message as never) as Uint8Array;
      const unpack = (data: Uint8Array) => msgpack.decode(Uint8Array.from(data).buffer);
      const isJson = form === "json";
      const hub = await startHub(isJson ? {} : { protocols: ["ng-ws.v1.msgpack"], pack, unpack });
      const client = makeClient(hub.url, isJson ? {} : { codec: msgpack });
      const event = (offset: number) => ({ type: "event", channel: "room:1", offset, event: "x", data: offset });
      const broken = (offset: number) => {
        if (isJson) return hub.pushRaw(JSON.stringify(event(offset)).replace(/\d}$/, "{x}}"));
        const bytes = pack(event(offset));
        bytes[bytes.length - 1] = 0xc1;
        hub.pushRaw(bytes);
      };
      await client.connect();
      const errors: unknown[] = [];
      const gaps: unknown[] = [];
      client.on("error", (error) => errors.push(error));
      client.on("gap", (gap) => gaps.push(gap));
      const sub = client.subscribe("room:1", undefined, { gaps: true });
      await sub.ready();
      hub.push(event(1));
      for (let offset = 2; offset < 14; offset++) broken(offset);
      await client.ping();
      expect(errors[0]).toMatchObject({
        name: "ProtocolViolation",
        channel: "room:1",
        message: expect.stringMatching(/^room:1: the event at fake1:2 cannot be read: /),
      });
      hub.push(event(14));
      // A repeat moves nothing back.
      broken(3);
      const stood = Array.from({ length: 12 }, (_, place) => ({
        type: "gap",
        channel: "room:1",
        from: `fake1:${place + 1}`,
        to: `fake1:${place + 2}`,
        missed: 1,
        reason: "unreadable",
      }));
      expect(await take(sub, 14)).toMatchObject([{ data: 1 }, ...stood, { data: 14 }]);
      await client.ping();
      expect(gaps).toEqual(stood);
      expect([errors.length, client.state]).toEqual([12, "connected"]);
      expect(client.stats()).toMatchObject({ unreadable: 12, gaps: 12, duplicates: 1 });
    },
  );

  it("M12 P7 R8 of an array the rest is read; where its ends are not found, the next connection brings it", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url, { backoff: { base: 1 } });
    await client.connect();
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    const sub = client.subscribe("room:1", undefined, { gaps: true });
    await sub.ready();
    const event = (offset: number, data: string) =>
      `{"type":"event","channel":"room:1","offset":${offset},"event":"x","data":${data}}`;
    const endless = event(4, '"never ends');
    hub.pushRaw(`[${[event(1, "1"), event(2, "NaN"), event(3, "3"), endless, event(5, "5")]}]`);
    for (let offset = 1; offset < 7; offset++) hub.publish("room:1", offset);
    const items = (await take(sub, 6)) as { type: string; data?: number; to?: string }[];
    expect(items.map(({ type, data, to }) => (type === "gap" ? to : data))).toEqual([1, "fake1:2", 3, "fake1:4", 5, 6]);
    expect([errors.length, client.stats().reconnects, client.stats().unreadable]).toEqual([2, 1, 2]);
  });

  it("a codec that tells nothing of what it cannot read is given another connection", async ({ hub, makeClient }) => {
    const { salvage, ...codec } = jsonCodec(JSON);
    expect(salvage).toBeDefined();
    const client = makeClient(hub.url, { codec, backoff: { base: 1 } });
    await client.connect();
    const error = told(client, "error");
    const sub = client.subscribe("room:1");
    await sub.ready();
    hub.pushRaw("{");
    hub.publish("room:1", 1);
    expect(await take(sub, 1)).toMatchObject([{ data: 1 }]);
    expect(await error).toMatchObject({ name: "ProtocolViolation" });
    expect([client.stats().reconnects, client.stats().gaps]).toEqual([1, 0]);
  });

  it("M42 an answer of another form than the protocol's fails what waits for it", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url, { timeout: 60_000 });
    await client.connect();
    hub.answerNext("subscribe", { type: "subscribed", channels: { logs: { position: "nowhere" } } });
    const sub = client.subscribe("logs");
    await expect(sub.ready()).rejects.toThrow(ProtocolViolation);
    const other = client.subscribe("status");
    await other.ready();
    hub.answerNext("subscribe", { type: "subscribed" });
    await expect(other.update({ filter: { key: "a" } })).rejects.toThrow(ProtocolViolation);
    await other.update({ filter: { key: "b" } });
    expect(other.state).toBe("active");
  });
});

describe("what is left of a payload that cannot be read", () => {
  it.for(["NaN", "nonsense", "[1,}", "[".repeat(2000) + "]".repeat(2000), '{"id":3,"a":"\\"}"}x'])(
    "M4 the telling members are found around %s",
    (odd) => {
      expect(tellingOf(`{"type":"ack","data":${odd}, "id" : "a\\"b" }`)).toEqual({ type: "ack", id: 'a"b' });
    },
  );

  it("M4 nothing is found where nothing is told", () => {
    const texts = [
      "",
      "nonsense",
      '"type"',
      '{"type"',
      '{"type":',
      "[1]",
      '{"id":{"id":1}}',
      '{"a":1}{"id":1}',
      '{"id":1',
    ];
    expect(texts.map(tellingOf)).toEqual(texts.map(() => ({})));
  });

  it("M12 an array is taken apart as far as ends are found", () => {
    expect(elementsOf(' [{"a":"]"},1,[{}] , "x"] ')).toEqual({ whole: ['{"a":"]"}', "1", "[{}]", '"x"'] });
    expect(elementsOf('[{"a":1},{"b":"never ends},{}]')).toEqual({
      whole: ['{"a":1}'],
      rest: '{"b":"never ends},{}]',
    });
    expect(elementsOf('[{"a":1},{"b":[1},{}]')).toEqual({ whole: ['{"a":1}'], rest: '{"b":[1},{}]' });
    expect(elementsOf('[{"a":1},')).toEqual({ whole: ['{"a":1}'], rest: "" });
    expect(["", "nonsense", '{"a":[1]}', '"["', "]"].map(elementsOf)).toEqual(Array(5).fill(undefined));
  });

  it("a string that does not end is looked through once", () => {
    const text = `[{"data":"${'\\"'.repeat(1 << 19)}\\`;
    const began = performance.now();
    jsonCodec(JSON).salvage?.(text, "why");
    expect(() => exact.parse(`${text}${"1".repeat(16)}`)).toThrow(SyntaxError);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("M14 MessagePack is read in parts too, in each form of its arrays and maps", () => {
    const pack = (message: unknown) => [...(msgpack.encode(message as never) as Uint8Array)];
    const salvage = (...bytes: number[]) => msgpack.salvage?.(Uint8Array.from(bytes).buffer, "why");
    const told = { type: "event", channel: "logs", offset: 3 };
    const head = pack({ type: "event", channel: "logs" }).slice(1);
    const data = pack("data");
    const offset = [...pack("offset"), 3];
    // Extensions of each length, names that are none, text that is none, and what holds them.
    const odd = [
      [0xd4, 5, 1],
      [0xd8, 5, ...Array(16).fill(1)],
      [0xc7, 2, 5, 1, 1],
      [0xc9, 0, 0, 0, 1, 5, 1],
      [0xa2, 0xff, 0xff],
      [0x81, 0x01, 0x02],
      [0x92, 0xca, 0, 0, 0, 0, 0xd4, 5, 1],
      [0xdc, 0, 2, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1, 0xd4, 5, 1],
      [0xde, 0, 1, 0xa1, 0x61, 0xd5, 5, 1, 1],
      [0xdd, 0, 0, 0, 3, 0xd0, 1, 0xd9, 1, 0xff, 0xc4, 1, 1],
    ];
    for (const bytes of odd) {
      const members = [...head, ...data, ...bytes, ...offset];
      for (const map of [[0x84], [0xde, 0, 4], [0xdf, 0, 0, 0, 4]]) {
        expect(salvage(...map, ...members)).toEqual([{ seen: told, why: "why" }]);
      }
      for (const array of [[0x92], [0xdc, 0, 2], [0xdd, 0, 0, 0, 2]]) {
        const parts = salvage(...array, 0x84, ...members, ...pack({ type: "pong" }));
        expect(parts).toMatchObject([{ seen: told, why: expect.any(String) }, { message: { type: "pong" } }]);
        const cut = salvage(...array, ...pack({ type: "pong" }), 0x84, ...members.slice(0, -1));
        const seen = { type: "event", channel: "logs" };
        expect(cut).toMatchObject([{ message: { type: "pong" } }, { seen, why: "why", isEndless: true }]);
      }
    }
    expect([salvage(0xc1), salvage(), salvage(0xdd)]).toEqual(Array(3).fill([{ seen: {}, why: "why" }]));
  });
});

describe.skipIf(MISSING)("against the hub itself", () => {
  it("M10 M15 refuses what the hub would not read, and nothing that it would", async ({ makeClient }) => {
    const hub: RealHub = await startHub();
    try {
      const token = hub.tokens["admin"];
      const client = makeClient(hub.url, { token });
      await client.connect();
      for (const [, data] of UNFIT) await expect(client.publish("actions", data)).rejects.toThrow(BadRequest);
      for (const [, data] of FIT) expect((await client.publish("actions", data)).position).toMatch(/:\d+$/);
      const exact = makeClient(hub.url, { token, bigint: true });
      await exact.connect();
      await exact.publish("actions", [2n ** 64n - 1n, -(2n ** 63n)]);
      const packed = makeClient(hub.url, { token, codec: msgpack });
      await packed.connect();
      await packed.publish("actions", { n: 1e20, deep: nested(30) });
      expect([client.state, client.stats().awaiting]).toEqual(["connected", 0]);
    } finally {
      await hub.stop();
    }
  });
});
