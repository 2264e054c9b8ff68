/** Against the hub itself. */

import { afterAll, beforeAll, describe, expect } from "vitest";
import { BadRequest, encodeText, PermissionDenied } from "../src/index.js";
import { msgpack } from "../src/msgpack.js";
import { it, take, told } from "./support/fixtures.js";
import { MISSING, type RealHub, startHub } from "./support/real_hub.js";

if (MISSING) console.warn(`skipped: ${MISSING}`);

describe.skipIf(MISSING)("against the hub itself", () => {
  let hub: RealHub;
  beforeAll(async () => {
    hub = await startHub({ NG_METRICS_INTERVAL: "0.2" });
  }, 60_000);
  afterAll(() => hub?.stop());

  it("I2 the documents' form", async ({ makeClient }) => {
    const client = makeClient(hub.url, { autoReconnect: true });
    await client.connect();
    const data = await new Promise((resolve) => client.subscribe("metrics", resolve));
    expect(Object.values(data as object).length).toBeGreaterThan(0);
    expect(client.role).toBe("anonymous");
  });

  it.for(["json", "msgpack"])(
    "M30 R9 P1 publishes, replays and reads the past, as %s",
    async (form, { makeClient }) => {
      const client = makeClient(hub.url, {
        token: hub.tokens["admin"],
        ...(form === "msgpack" ? { codec: msgpack } : {}),
      });
      await client.connect();
      const sub = client.subscribe<{ n: number }>("actions", undefined, { ack: 8, from: "new" });
      await sub.ready();
      const stored = await Promise.all(
        [1, 2, 3].map((n) => client.publish("actions", { n }, { event: "test.event", tags: { form } })),
      );
      const events = await take(sub, 3);
      expect(events.map((event) => event.data.n)).toEqual([1, 2, 3]);
      expect(events.map((event) => event.position)).toEqual(stored.map((one) => one.position));
      const past = await client.history("actions", { last: 2 });
      expect(past.map((event) => [event.position, event.tags])).toEqual(
        stored.slice(1).map(({ position }) => [position, { form }]),
      );
      const mid = `mid-${form}`;
      const first = await client.publish("actions", 1, { mid });
      expect(await client.publish("actions", 1, { mid })).toEqual({ position: first.position, duplicate: true });
      await expect(client.publish("actions", 2, { mid })).rejects.toMatchObject({ error: "mid_conflict" });
      expect(await client.ping()).toBeGreaterThan(0);
    },
  );

  it("C19 E5 M23 rights are those of the role", async ({ makeClient }) => {
    const client = makeClient(hub.url, { token: hub.tokens["viewer"] });
    await client.connect();
    await expect(client.subscribe("signals").ready()).rejects.toThrow(PermissionDenied);
    await expect(client.publish("actions", 1)).rejects.toThrow(PermissionDenied);
  });

  it("M32 M33 M46 N6 signals: the same text is near, in the answer and in the stream", async ({ makeClient }) => {
    const client = makeClient(hub.url, { token: hub.tokens["bot"] });
    await client.connect();
    const sub = client.subscribe("signals", undefined, { from: "new" });
    await sub.ready();
    const first = await client.emitText("database node 4: disk failing", { priority: 220 });
    const again = await client.emitText("database node 4: disk failing");
    expect(again.neighbors[0]).toMatchObject({ token_id: first.token_id, distance: 0 });
    const [event] = await take(sub, 1);
    expect(event?.data).toMatchObject({ token_id: first.token_id, priority: 220 });
    event?.data.vector.forEach((value, axis) => {
      expect(value).toBeCloseTo(encodeText("database node 4: disk failing")[axis] as number, 6);
    });
    const rows = Array.from({ length: 3 }, (_, row) => Array(8).fill(row / 3));
    expect((await client.emitBatch("signal.batch", rows)).map((one) => one.token_id)).toHaveLength(3);
    const error = await client.emit("signal.bad", [1, 2]).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(BadRequest);
    expect(error).toMatchObject({ error: "vector_invalid" });
  });

  it("C16 C10 a credential is renewed in band, a wrong one is refused", async ({ makeClient }) => {
    const client = makeClient(hub.url, { token: hub.tokens["viewer"] });
    await client.connect();
    await expect(client.request({ type: "connect", token: hub.tokens["bot"] })).rejects.toMatchObject({ code: 409 });
    await expect(makeClient(hub.url, { token: "nonsense" }).connect()).rejects.toMatchObject({
      name: "AuthError",
      code: 4101,
    });
  });

  it("R15 R8 another process goes on with the session", async ({ makeClient }) => {
    const publisher = makeClient(hub.url, { token: hub.tokens["admin"] });
    await publisher.connect();
    const former = makeClient(hub.url, { token: hub.tokens["admin"] });
    await former.connect();
    const sub = former.subscribe("actions", undefined, { from: "new" });
    await sub.ready();
    for (const n of [1, 2]) await publisher.publish("actions", n);
    await take(sub, 2);
    const { reconnectionToken, positions } = former;
    await former.close();
    await publisher.publish("actions", 3);
    const client = makeClient(hub.url, { token: hub.tokens["admin"], reconnectionToken, positions });
    await client.connect();
    expect((await take(client.subscribe("actions"), 2)).map((event) => event.data)).toEqual([2, 3]);
  });

  it("diagnose finds nothing wrong", async ({ makeClient }) => {
    const client = makeClient(hub.url, { token: hub.tokens["viewer"] });
    expect((await client.diagnose()).checks.filter((check) => !check.isGood)).toEqual([]);
  });

  it("A8 E4 a hub that is drained and started again: what it lost is told as a gap", async ({ makeClient }) => {
    const first = await startHub();
    const secret = { NG_PORT: String(first.port) };
    const client = makeClient(first.url);
    await client.connect();
    const sub = client.subscribe("status", undefined, { delivery: "all", from: "new", gaps: true });
    await sub.ready();
    const goaway = told(client, "goaway");
    first.drain();
    expect(await goaway).toMatchObject({ reason: "draining" });
    await first.stop();
    const second = await startHub(secret);
    try {
      const item = (await take(sub, 1))[0];
      expect(item).toMatchObject({ type: "gap", channel: "status", reason: "epoch", missed: null });
    } finally {
      await second.stop();
    }
  });
});
