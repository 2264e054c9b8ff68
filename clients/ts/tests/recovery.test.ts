import { describe, expect } from "vitest";
import type NeurographWSClient from "../src/index.js";
import { BadRequest, type Gap, type HubEvent, type Resumed, ResumeExpired } from "../src/index.js";
import { it, QUICK, take, told } from "./support/fixtures.js";
import type { FakeHub } from "./support/hub.js";

describe("after a cut", () => {
  it("E1 E6 R3 R8 the session is resumed, what was published meanwhile is replayed, and that is told", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const seen: unknown[] = [];
    const sub = client.subscribe("logs", (data) => void seen.push(data));
    await sub.ready();
    hub.publish("logs", 1);
    await client.ping();
    const resumed = told(client, "resumed");
    hub.cut();
    hub.publish("logs", 2);
    hub.publish("logs", 3);
    expect(await resumed).toMatchObject({ replayed: 2, gaps: 0 });
    expect((await resumed) as Resumed).toHaveProperty("downtime");
    expect(seen).toEqual([1, 2, 3]);
    expect([sub.recovered, client.stats().reconnects]).toEqual([true, 1]);
    const [connect] = await hub.asked("connect");
    expect(connect).toMatchObject({ positions: { logs: "fake1:1" } });
  });

  it("P7 R9 what the hub no longer has is a gap in its place", async ({ startHub, makeClient }) => {
    const hub = await startHub({ keep: 2 });
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", undefined, { gaps: true });
    await sub.ready();
    const gap = told(client, "gap");
    hub.cut();
    await told(client, "disconnected");
    for (let n = 1; n <= 5; n++) hub.publish("logs", n);
    const items: (HubEvent | Gap)[] = await take(sub, 3);
    expect(items[0]).toEqual({
      type: "gap",
      channel: "logs",
      from: "fake1:0",
      to: "fake1:3",
      missed: 3,
      reason: "retention",
    });
    expect(items.slice(1).map((item) => item.type === "event" && item.data)).toEqual([4, 5]);
    expect([await gap, sub.recovered, client.stats().gaps]).toEqual([items[0], false, 1]);
  });

  it("P10 P12 an epoch that was lost is a gap of unknown size", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", undefined, { gaps: true });
    await sub.ready();
    hub.publish("logs", 1);
    hub.restartEpoch("logs");
    hub.publish("logs", 2);
    const items: (HubEvent | Gap)[] = await take(sub, 3);
    expect(items[1]).toMatchObject({ type: "gap", from: "fake1:1", to: "fake2:0", missed: null, reason: "epoch" });
    expect(items[2]).toMatchObject({ position: "fake2:1", data: 2 });
  });

  it("R14 a token that is no longer good is given up for the positions, and nobody is told", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    hub.expireTokens();
    hub.cut();
    await told(client, "disconnected");
    hub.publish("logs", 1);
    expect((await take(sub, 1))[0]?.data).toBe(1);
    const [, second] = await hub.asked("subscribe", 2);
    expect([second.from, errors]).toEqual([{ positions: { logs: "fake1:0" } }, []]);
  });

  it("E2 a token and positions of a former client restore its channels, for who takes them up", async ({
    hub,
    makeClient,
  }) => {
    const former = makeClient(hub.url);
    await former.connect();
    const sub = former.subscribe("logs");
    await sub.ready();
    hub.publish("logs", 1);
    hub.publish("logs", 2);
    await take(sub, 2);
    const { reconnectionToken, positions } = former;
    await former.close();
    const client = makeClient(hub.url, { reconnectionToken, positions });
    await client.connect();
    expect(client.restored).toEqual(["logs"]);
    const [event] = await take(client.subscribe("logs"), 1);
    expect([event?.data, client.restored]).toEqual([2, []]);
  });

  it("R6 a token of a former client that is refused is told, since its channels are lost with it", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url, { reconnectionToken: "old" });
    const error = told(client, "error");
    await client.connect();
    expect(await error).toBeInstanceOf(ResumeExpired);
    expect(String(await error)).toMatch(/goes on as a new session/);
  });

  it("R15 closing with forget kills the tokens of the session", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const { token, expiresIn } = await client.getReconnectionToken();
    expect(expiresIn).toBe(300_000);
    await client.close(1000, "", { forget: true });
    await hub.until(() => hub.peers.size === 0);
    const next = makeClient(hub.url, { reconnectionToken: token });
    const error = told(next, "error");
    await next.connect();
    expect(await error).toBeInstanceOf(ResumeExpired);
  });

  const changedWhileAway = async (hub: FakeHub, client: NeurographWSClient, refusal: object) => {
    await client.connect();
    const sub = client.subscribe("logs", () => {}, { filter: { key: "a" } });
    await sub.ready();
    await client.getReconnectionToken();
    hub.cut();
    await told(client, "disconnected");
    await sub.update({ filter: { key: "b" } });
    hub.answerNext("subscribe", { type: "error", message: "m", ...refusal });
    return sub;
  };

  it("M26 E1 F9 options changed while away that the hub does not take end the subscription, which is told", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    const error = told(client, "error");
    const refusal = { code: 422, error: "filter_invalid", temporary: false, path: "filter.key" };
    const sub = await changedWhileAway(hub, client, refusal);
    expect(await error).toBeInstanceOf(BadRequest);
    expect([sub.state, sub.error]).toEqual(["ended", await error]);
    expect((await hub.asked("unsubscribe"))[0]?.channels).toEqual(["logs"]);
  });

  it("M26 L23 E2 options changed while away that come too fast are told again, and nobody hears of it", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    const refusal = { code: 429, error: "rate_limited", temporary: true, retry_after: 0.01 };
    const sub = await changedWhileAway(hub, client, refusal);
    const asked = await hub.asked("subscribe", 3);
    expect(asked.map(({ filter }) => filter)).toEqual([{ key: "a" }, { key: "b" }, { key: "b" }]);
    expect([sub.state, errors]).toEqual(["active", []]);
  });

  it("S10 R8 a window of the former connection neither repeats nor loses anything", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("actions", undefined, { ack: 2 });
    await sub.ready();
    for (let n = 1; n <= 3; n++) hub.publish("actions", n);
    await client.ping();
    hub.cut();
    await told(client, "connected");
    for (let n = 4; n <= 6; n++) hub.publish("actions", n);
    expect((await take(sub, 6)).map((event) => event.data)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe("goaway", () => {
  it("A8 M50 M51 R11 the next connection takes over before the former ends, and each event comes once", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const states: string[] = [];
    client.on("state", ({ new: state }) => states.push(state));
    const sub = client.subscribe("logs");
    await sub.ready();
    hub.publish("logs", 1);
    const goaway = told(client, "goaway");
    const switched = told(client, "switched");
    hub.goaway([0, 0.01]);
    expect(await goaway).toEqual({ reason: "draining", within: 10 });
    hub.publish("logs", 2);
    expect(await switched).toEqual({ isWhole: true });
    hub.publish("logs", 3);
    expect((await take(sub, 3)).map((event) => event.data)).toEqual([1, 2, 3]);
    await hub.until(() => hub.peers.size === 1);
    expect([states, client.stats().switches, client.welcome?.conn]).toEqual([[], 1, "c-2"]);
    await client.publish("actions", 1);
  });

  it("X4 a node that refuses the second connection is tried again, and the first goes on", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url, { backoff: QUICK });
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    hub.refuse(503);
    const switched = told(client, "switched");
    hub.goaway();
    hub.publish("logs", 1);
    await switched;
    expect((await take(sub, 1))[0]?.data).toBe(1);
  });
});
