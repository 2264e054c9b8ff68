import { describe, expect } from "vitest";
import { BadRequest, type Filter, RateLimited } from "../src/index.js";
import { it, told } from "./support/fixtures.js";

const endless: { [member: string]: unknown } = {};
endless["all"] = endless;

/** What no wire form exists for. */
const unwritable: [string, unknown][] = [
  ["a circle", endless],
  ["a bigint", { key: 10n }],
];

describe("what cannot be asked", () => {
  it.for(unwritable)(
    "F1 a filter with %s is refused at the call, with or without a connection",
    async ([, filter], { hub, makeClient }) => {
      const client = makeClient(hub.url);
      const options = { filter: filter as Filter };
      expect(() => client.subscribe("logs", undefined, options)).toThrow(/^filter\..*: expected /);
      const sub = client.subscribe("logs");
      await expect(sub.update(options)).rejects.toThrow(/^filter\..*: expected /);
      await client.connect();
      await sub.ready();
      await expect(sub.update(options)).rejects.toThrow(/^filter\..*: expected /);
      expect((await hub.asked("subscribe")).length).toBe(1);
    },
  );

  it("L11 what is longer than the hub takes fails alone, not what goes in one frame with it", async ({
    startHub,
    makeClient,
  }) => {
    const hub = await startHub({ welcome: { limits: { message: 4096 } } });
    const client = makeClient(hub.url);
    const large = client.subscribe("logs", undefined, { filter: { key: "x".repeat(5000) } });
    const small = client.subscribe("status");
    const refused = expect(large.ready()).rejects.toMatchObject({ name: "TooLarge", limit: 4096 });
    await client.connect();
    await refused;
    await small.ready();
    expect([large.state, small.state]).toEqual(["ended", "active"]);
  });

  it("what the codec cannot write is told to whoever asked, and nothing else suffers", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    const circle = client.request({ type: "ping", padding: endless });
    await expect(circle).rejects.toThrow(BadRequest);
    await client.connect();
    await expect(client.request({ type: "ping", padding: endless })).rejects.toThrow(BadRequest);
    expect(await client.ping()).toBeGreaterThan(0);
  });
});

describe("what the hub answers", () => {
  it("M26 two updates at once are one after the other, and the second keeps what the first changed", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    await Promise.all([sub.update({ filter: { key: "a" } }), sub.update({ onSlow: "close" })]);
    const [, first, second] = await hub.asked("subscribe", 3);
    expect([first, second]).toMatchObject([{ filter: { key: "a" } }, { filter: { key: "a" }, on_slow: "close" }]);
    expect(first).not.toHaveProperty("on_slow");
  });

  it("M26 an update that is refused takes nothing from the one that waits for it", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    hub.answerNext("subscribe", { type: "error", code: 422, error: "bad_filter", message: "m", temporary: false });
    const refused = expect(sub.update({ filter: { key: "a" } })).rejects.toThrow(BadRequest);
    await Promise.all([refused, sub.update({ onSlow: "close" })]);
    expect((await hub.asked("subscribe", 3))[2]).not.toHaveProperty("filter");
  });

  it("M28 L23 a hub that refuses an unsubscribe for now is asked again until it stops", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    const refusal = { type: "error", code: 429, error: "rate_limited", message: "m", temporary: true };
    hub.answerNext("unsubscribe", { ...refusal, retry_after: 0.02 });
    await expect(sub.unsubscribe()).rejects.toThrow(RateLimited);
    await hub.asked("unsubscribe", 2);
    await hub.until(() => [...hub.peers].every((peer) => !peer.following.has("logs")));
  });

  it("M28 and not where it is wanted again meanwhile", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await Promise.all([sub.ready(), client.subscribe("status").ready()]);
    const refusal = { type: "error", code: 429, error: "rate_limited", message: "m", temporary: true };
    hub.answerNext("unsubscribe", { ...refusal, retry_after: 0.02 });
    await expect(client.unsubscribe()).rejects.toThrow(RateLimited);
    await client.subscribe("logs").ready();
    expect((await hub.asked("unsubscribe", 2))[1]?.channels).toEqual(["status"]);
  });

  it("M41 C15 the answer to a later login does not unsay that the session was resumed", async ({
    startHub,
    makeClient,
  }) => {
    const hub = await startHub({ tokens: { t: "bot" } });
    const client = makeClient(hub.url, { token: "t" });
    client.subscribe("logs");
    await client.connect();
    expect(client.welcome?.resumed).toBe(false);
    const resumed = told(client, "resumed");
    hub.cut();
    await resumed;
    expect(client.welcome?.resumed).toBe(true);
    expect(await client.request({ type: "connect", token: "t" })).toMatchObject({ type: "welcome" });
    expect(client.welcome?.resumed).toBe(true);
  });
});

it("X4 who waits for the next attempt may try now", async ({ hub, makeClient }) => {
  const client = makeClient(hub.url, { backoff: { base: 3_600_000, cap: 3_600_000 } });
  await client.connect();
  const away = told(client, "state");
  hub.cut();
  expect(await away).toMatchObject({ new: "reconnecting" });
  client.tryNow();
  await client.ready(2_000);
  client.tryNow();
  expect(client.state).toBe("connected");
});
