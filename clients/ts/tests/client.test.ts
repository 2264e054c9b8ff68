import { describe, expect } from "vitest";
import NeurographWSClient, {
  AuthError,
  BadRequest,
  Closed,
  Disconnected,
  type Gap,
  HubError,
  type HubEvent,
  Misconfigured,
  near,
  RateLimited,
  RequestTimeout,
  type SubscribeOptions,
  TooLarge,
  Unavailable,
  UnknownChannel,
} from "../src/index.js";
import { it, take, told } from "./support/fixtures.js";

describe("connecting", () => {
  it("I2 the documents' form connects, subscribes and hears", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url, { autoReconnect: true });
    const welcome = await client.connect();
    const heard = new Promise((resolve) => client.subscribe("metrics", (data) => resolve(data)));
    await hub.asked("subscribe");
    hub.publish("metrics", { cpu: 41.5 });
    expect(await heard).toEqual({ cpu: 41.5 });
    expect([client.state, client.role, welcome.conn]).toEqual(["connected", "developer", "c-1"]);
  });

  it("M40 a first attempt that fails raises, and retry goes on", async ({ hub, makeClient }) => {
    const { url } = hub;
    await hub.stop();
    const client = makeClient(url);
    await expect(client.connect()).rejects.toThrow(Disconnected);
    expect(client.state).toBe("closed");
    const connected = client.connect({ retry: true });
    await told(client, "state");
    await hub.start();
    expect((await connected).role).toBe("developer");
  });

  it("C6 C10 the credential goes as bearer subprotocol, and a refused one is the end", async ({
    startHub,
    makeClient,
  }) => {
    const hub = await startHub({ tokens: { good: "viewer" } });
    expect((await makeClient(hub.url, { token: "good" }).connect()).role).toBe("viewer");
    expect(hub.handshakes[0]?.headers["sec-websocket-protocol"]).toBe("ng-ws.v1.json,ng-ws.bearer.good");
    await expect(makeClient(hub.url, { token: "bad" }).connect()).rejects.toThrow(AuthError);
  });

  it("C10 the token callback is asked once more when its token is refused", async ({ startHub, makeClient }) => {
    const hub = await startHub({ tokens: { good: "bot" } });
    const asked: string[] = [];
    const getToken = ({ reason, attempt }: { reason: string; attempt: number }) => {
      asked.push(`${reason} ${attempt}`);
      return reason === "initial" ? "old" : "good";
    };
    expect((await makeClient(hub.url, { getToken }).connect()).role).toBe("bot");
    expect(asked).toEqual(["initial 1", "rejected 1"]);
  });

  it("C15 a token that nears its end is renewed in band", async ({ startHub, makeClient }) => {
    const hub = await startHub({ tokens: { t1: "bot", t2: "bot" }, welcome: { expires_in: 0.05 } });
    const getToken = ({ reason }: { reason: string }) => (reason === "initial" ? "t1" : "t2");
    await makeClient(hub.url, { getToken }).connect();
    expect((await hub.asked("connect"))[0]).toMatchObject({ token: "t2" });
  });

  it("X2 an HTTP refusal that waiting does not help is the end, 503 is tried again", async ({ hub, makeClient }) => {
    hub.refuse(503);
    const client = makeClient(hub.url);
    await client.connect({ retry: true });
    hub.refuse(403);
    hub.cut();
    await told(client, "disconnected");
    await expect(client.ready()).rejects.toThrow(Closed);
  });

  it("X1 a close code says whether to come back", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    hub.closeAll(4250, "internal");
    await told(client, "disconnected");
    await client.ready();
    hub.closeAll(4010, "kicked");
    await told(client, "disconnected");
    await expect(client.ready()).rejects.toMatchObject({ name: "Closed", code: 4010 });
  });

  it("tells what can never work at once", async ({ makeClient }) => {
    expect(() => new NeurographWSClient({ url: "http://x?token=secret" })).toThrow(/url: expected .* got http:\/\/x$/);
    expect(() => makeClient("ws://127.0.0.1:1/ws", { token: "no good" })).toThrow(/got 7 characters/);
    const none = makeClient("ws://127.0.0.1:1/ws", { webSocket: Promise.resolve(undefined as never) });
    await expect(none.connect({ retry: true })).rejects.toThrow(Misconfigured);
  });

  it("asks for the URL at each attempt", async ({ hub, makeClient }) => {
    const urls = ["ws://127.0.0.1:1/ws", hub.url];
    const client = makeClient(hub.url, { url: async () => urls.shift() ?? hub.url });
    await client.connect({ retry: true });
    expect(client.url).toBe(hub.url);
  });

  it("C13 gives up a hub that says nothing, and one that does not answer the upgrade", async ({ hub, makeClient }) => {
    hub.isMute = true;
    const client = makeClient(hub.url, { connectTimeout: 30 });
    await expect(client.connect()).rejects.toThrow(RequestTimeout);
  });

  it("is closed by a signal and by `await using`", async ({ hub, makeClient }) => {
    const controller = new AbortController();
    const client = makeClient(hub.url, { signal: controller.signal });
    await client.connect();
    controller.abort();
    expect(client.state).toBe("closed");
    const other = makeClient(hub.url);
    await other.connect();
    await other[Symbol.asyncDispose]();
    expect(other.state).toBe("closed");
    await hub.until(() => hub.peers.size === 0);
  });

  it("shows no secret, neither in logs nor when it is looked into", async ({ startHub, makeClient }) => {
    const { inspect } = await import("node:util");
    const hub = await startHub({ tokens: { topsecret: "viewer" } });
    const lines: string[] = [];
    const client = makeClient(hub.url, { token: "topsecret", debug: (line) => lines.push(line) });
    await client.connect();
    await client.getReconnectionToken();
    client.send({ type: "connect", token: "topsecret" });
    const all = inspect(client, { depth: 9, showHidden: true }) + lines.join("\n");
    expect(all).not.toContain("topsecret");
    expect(all).not.toContain(client.reconnectionToken);
    expect(lines.some((line) => line.startsWith('> {"type":"connect","token":"***"'))).toBe(true);
  });
});

describe("channels", () => {
  it("iterates in order, and what the loop came back for is handled", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    for (const n of [1, 2, 3]) hub.publish("logs", n);
    expect((await take(sub, 2)).map((event) => event.data)).toEqual([1, 2]);
    expect(client.positions["logs"]).toBe("fake1:1");
    expect((await take(sub, 1)).map((event) => [event.data, event.position])).toEqual([[3, "fake1:3"]]);
    expect(client.positions["logs"]).toBe("fake1:2");
  });

  it("M24 M27 options go on the wire as the protocol names them", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    client.subscribe("signals", undefined, {
      filter: { "data.is_novel": true, ...near([0, 0, 0, 0, 0, 0, 0, 1], 0.1) },
      from: { since: new Date(1_500) },
      delivery: "latest",
      onSlow: "close",
      maxRate: 5,
      ack: 8,
    });
    const [asked] = await hub.asked("subscribe");
    expect(asked).toEqual({
      type: "subscribe",
      id: expect.any(Number),
      channel: "signals",
      filter: { "data.is_novel": true, "data.vector": { near: { center: [0, 0, 0, 0, 0, 0, 0, 1], radius: 0.1 } } },
      from: { since: 1.5 },
      delivery: "latest",
      on_slow: "close",
      max_rate: 5,
      ack: 8,
    });
  });

  it("F1 a filter holds back, and the watermark moves the cursor past it", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", undefined, { filter: { "data.level": "error" } });
    await sub.ready();
    hub.publish("logs", { level: "info", message: "no" });
    hub.publish("logs", { level: "error", message: "yes" });
    const [event] = await take(sub, 1);
    expect(event?.data["message"]).toBe("yes");
    hub.publish("logs", { level: "info", message: "no" });
    for (const peer of hub.peers) peer.watermark();
    await take(client.subscribe("actions", undefined, { from: "new" }) && oneOf(hub, sub), 1);
    expect(client.positions["logs"]).toBe("fake1:3");
  });

  it("F9 a filter that the hub refuses ends the subscription with its path", async ({ hub, makeClient }) => {
    hub.answerNext("subscribe", {
      type: "error",
      code: 422,
      error: "filter_invalid",
      message: "m",
      temporary: false,
      path: "filter.x",
    });
    const client = makeClient(hub.url);
    await client.connect();
    const error = await client
      .subscribe("logs", undefined, { filter: { x: 1 } })
      .ready()
      .catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(BadRequest);
    expect(error).toMatchObject({ code: 422, path: "filter.x" });
  });

  it("M23 each channel succeeds or fails alone", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const [good, bad] = [client.subscribe("logs"), client.subscribe("nowhere")];
    await good.ready();
    await expect(bad.ready()).rejects.toThrow(UnknownChannel);
    await expect(bad[Symbol.asyncIterator]().next()).rejects.toThrow(UnknownChannel);
    expect((await hub.asked("subscribe"))[0].channels).toEqual(["logs", "nowhere"]);
    expect(() => client.subscribe("logs")).toThrow(/subscribed already/);
  });

  it("S10 a window is acknowledged by what was handled", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const handled: unknown[] = [];
    await client.subscribe("actions", (data) => void handled.push(data), { ack: 4 }).ready();
    for (let n = 1; n <= 10; n++) hub.publish("actions", n);
    await hub.until(() => [...hub.peers][0]?.following.get("actions")?.acked === 10);
    expect(handled).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("a queue that is full drops the oldest and says so, in their place", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", undefined, { queueSize: 3, gaps: true });
    await sub.ready();
    for (let n = 1; n <= 6; n++) hub.publish("logs", n);
    await client.ping();
    const items: (HubEvent | Gap)[] = await take(sub, 3);
    const [gap, ...events] = items;
    expect(gap).toMatchObject({ type: "gap", from: "fake1:0", to: "fake1:4", missed: 4, reason: "client_queue" });
    expect(events.map((item) => item.type === "event" && item.data)).toEqual([5, 6]);
    expect([sub.dropped, sub.queued]).toEqual([4, 0]);
  });

  const ways: [string, SubscribeOptions, (sub: Disposable, cancel: () => void) => void][] = [
    ["a handler that fails, where that stops it", { onError: "stop" }, () => {}],
    ["a queue that is full", { onFull: "error", queueSize: 2 }, () => {}],
    ["a signal that aborts", {}, (_, cancel) => cancel()],
    ["the end of its block", {}, (sub) => sub[Symbol.dispose]()],
  ];
  it.for(ways)(
    "L23 an unsubscribe nobody waits for is told where the hub refuses it: %s",
    async ([, options, end], { hub, makeClient }) => {
      const client = makeClient(hub.url);
      const errors: unknown[] = [];
      client.on("error", (error) => errors.push(error));
      await client.connect();
      const abort = new AbortController();
      const failing = options.onError && (() => Promise.reject(new Error("mine")));
      const sub = client.subscribe("logs", failing || undefined, { ...options, signal: abort.signal });
      await sub.ready();
      const refusal = { code: 429, error: "rate_limited", message: "m", temporary: true, retry_after: 1 };
      hub.answerNext("unsubscribe", { type: "error", ...refusal });
      for (let n = 1; n <= 3; n++) hub.publish("logs", n);
      await client.ping();
      end(sub, () => abort.abort());
      await expect.poll(() => errors.at(-1)).toBeInstanceOf(RateLimited);
      expect(errors.length).toBe(options.onError ? 2 : 1);
    },
  );

  it('`onFull: "wait"` lets the hub wait: nothing is dropped', async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", undefined, { queueSize: 4, onFull: "wait" });
    await sub.ready();
    for (let n = 1; n <= 20; n++) hub.publish("logs", n);
    await client.ping();
    expect(sub.queued).toBe(4);
    const items = await take(sub, 20);
    expect(items.map((event) => event.data)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(sub.dropped).toBe(0);
  });

  it('`onFull: "error"` ends the subscription', async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", undefined, { queueSize: 2, onFull: "error" });
    await sub.ready();
    for (let n = 1; n <= 3; n++) hub.publish("logs", n);
    await expect(take(sub, 3)).rejects.toMatchObject({ name: "QueueOverflow", channel: "logs" });
    await hub.asked("unsubscribe");
  });

  it("handlers run one at a time; one that raises is told, and the stream goes on or ends", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    await client.connect();
    const seen: unknown[] = [];
    let active = 0;
    const slow = async (data: unknown) => {
      expect(++active).toBe(1);
      await client.ping();
      active--;
      seen.push(data);
      if (data === 2) throw new Error("two");
    };
    await client.subscribe("logs", slow).ready();
    const once = client.subscribe(
      "actions",
      () => {
        throw new Error("stop");
      },
      { onError: "stop" },
    );
    await once.ready();
    for (const n of [1, 2, 3]) hub.publish("logs", n);
    const position = hub.publish("actions", 1);
    await expect.poll(() => once.state).toBe("ended");
    await expect.poll(() => seen).toEqual([1, 2, 3]);
    expect(errors.map(String).sort()).toEqual(["Error: stop", "Error: two"]);
    expect(position).toBe("fake2:1");
    expect(client.positions["actions"]).toBe("fake2:0");
  });

  it("ends by unsubscribe, `using` and a signal, and the place is kept", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url, { positions: {} });
    await client.connect();
    const controller = new AbortController();
    const sub = client.subscribe("logs", () => {}, { signal: controller.signal });
    await sub.ready();
    hub.publish("logs", 1);
    await client.ping();
    controller.abort();
    expect(sub.state).toBe("ended");
    hub.publish("logs", 2);
    expect(client.positions).toEqual({ logs: "fake1:1" });
    const [event] = await take(client.subscribe("logs"), 1);
    expect(event?.data).toBe(2);
    await client.unsubscribe();
    client.forget("logs");
    expect(client.positions).toEqual({});
  });

  it("M26 options are replaced and the cursor is kept", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    await sub.update({ onSlow: "close" });
    expect((await hub.asked("subscribe", 2))[1]).toMatchObject({ channel: "logs", on_slow: "close" });
    hub.answerNext("subscribe", {
      type: "error",
      code: 400,
      error: "bad_message",
      message: "m",
      temporary: false,
      path: "ack",
    });
    await expect(sub.update({ ack: 9 })).rejects.toThrow(BadRequest);
  });

  it("an update that the close of the client overtakes is answered", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs");
    await sub.ready();
    hub.answerNext("subscribe", null);
    const update = sub.update({ onSlow: "close" });
    await hub.asked("subscribe", 2);
    await Promise.all([expect(update).rejects.toThrow(Closed), client.close()]);
  });

  it("reads the past over a connection of its own", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    for (let n = 1; n <= 5; n++) hub.publish("logs", n);
    expect((await client.history("logs", { last: 3 })).map((event) => event.data)).toEqual([3, 4, 5]);
    expect(await client.history("status")).toEqual([]);
    await hub.until(() => hub.peers.size === 1);
    await expect(client.history("nowhere")).rejects.toThrow(UnknownChannel);
  });

  it("refuses options that can never work, with what was expected and what came", ({ makeClient }) => {
    const client = makeClient("ws://127.0.0.1:1/ws");
    expect(() => client.subscribe("logs", undefined, { ack: 0 })).toThrow(
      "ack: expected a whole number from 1 to 10000, got 0",
    );
    expect(() => client.subscribe("logs", undefined, { queueSize: 1 })).toThrow(/queueSize/);
    expect(() => client.subscribe("logs", undefined, { from: "yesterday" })).toThrow(
      /expected a position like k3Fq:902/,
    );
    expect(() => client.subscribe("logs", undefined, { from: { last: 0 } })).toThrow(/from.last/);
  });
});

/** The subscription, after one more event that shows that what stood before was read. */
function oneOf(
  hub: { publish(channel: string, data: unknown): string },
  sub: AsyncIterable<unknown>,
): AsyncIterable<unknown> {
  hub.publish("logs", { level: "error" });
  return sub;
}

describe("questions", () => {
  it("M30 M31 a publish resolves with its position, and carries a mid of its own", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    expect(
      await client.publish("actions", { a: 1 }, { event: "deploy.started", key: "api", tags: { env: "prod" } }),
    ).toEqual({
      position: "fake1:1",
      duplicate: false,
    });
    const [said] = await hub.asked("publish");
    expect(said).toMatchObject({ event: "deploy.started", data: { a: 1 }, key: "api", tags: { env: "prod" } });
    expect(said.mid).toMatch(/^[!-~]{1,64}$/);
    expect((await client.publish("actions", 1, { mid: said.mid })).duplicate).toBe(true);
    await client.publish("actions", 2, { mid: null });
    expect((await hub.asked("publish", 3))[2]).not.toHaveProperty("mid");
  });

  it("R13 what carries a mid is sent again after a cut, the rest has an unknown outcome", async ({
    hub,
    makeClient,
  }) => {
    const client = makeClient(hub.url);
    await client.connect();
    hub.answerNext("publish", null);
    hub.answerNext("emit", null);
    const stored = client.publish("actions", 1);
    const emitted = client.emit("a.b", [0, 0, 0, 0, 0, 0, 0, 0]);
    await hub.asked("emit");
    hub.cut();
    await expect(emitted).rejects.toThrow(Disconnected);
    expect((await stored).position).toBe("fake1:1");
    const [first, second] = await hub.asked("publish", 2);
    expect(second.mid).toBe(first.mid);
  });

  it("E3 a repeat that is refused leaves the outcome unknown", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    hub.answerNext("publish", { type: "error", code: 504, error: "outcome_unknown", message: "m", temporary: true });
    hub.answerNext("publish", { type: "error", code: 403, error: "forbidden", message: "no", temporary: false });
    const error = await client.publish("actions", 1).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(Unavailable);
    expect(error).toMatchObject({ code: 504, error: "outcome_unknown", cause: { code: 403 } });
  });

  it("L23 `retry` waits once where the hub says too fast", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const fast = { type: "error", code: 429, error: "rate_limited", message: "m", temporary: true, retry_after: 0.01 };
    hub.answerNext("publish", fast);
    expect((await client.publish("actions", 1, { retry: true })).position).toBe("fake1:1");
    hub.answerNext("publish", fast);
    const error = await client.publish("actions", 1).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(RateLimited);
    expect(error).toMatchObject({ retryAfter: 10 });
  });

  it("sends while away are refused, or wait where a send queue was asked for", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const queued = makeClient(hub.url, { sendQueue: 1, backoff: { base: 100, cap: 100 } });
    await queued.connect();
    hub.cut();
    await Promise.all([told(client, "disconnected"), told(queued, "disconnected")]);
    await expect(client.publish("actions", 1)).rejects.toThrow(Disconnected);
    const waits = queued.publish("actions", 2);
    await expect(queued.publish("actions", 3)).rejects.toThrow(Disconnected);
    expect((await waits).position).toBe("fake1:1");
  });

  it("M32 M33 M46 signals go alone and in batches, cut at the hub's limit", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const one = await client.emit("signal.a", new Float32Array([0.5, 0, 0, 0, 0, 0, 0, 0]), {
      priority: 200,
      payload: { x: 1 },
    });
    expect(one).toMatchObject({ token_id: 500, is_novel: true, neighbors: [] });
    const rows = [0.1, 0.2, 0.3].map((x) => [x, 0, 0, 0, 0, 0, 0, 0]);
    expect((await client.emitBatch("signal.b", rows)).map((result) => result.token_id)).toEqual([100, 200, 300]);
    expect((await hub.asked("emit", 3)).map((message) => message.vectors?.length)).toEqual([undefined, 2, 1]);
    await expect(client.emit("signal.a", [Number.NaN])).rejects.toThrow("vector.0: expected a finite number, got NaN");
    await client.emitText("disk failing", { priority: 220, includeText: true });
    expect((await hub.asked("emit", 4))[3]).toMatchObject({
      event_type: "signal.input.text",
      priority: 220,
      payload: { text: "disk failing" },
    });
  });

  it("M4 a raw request is answered or raises, and has its time", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    expect(await client.request({ type: "ping", t: 7 })).toMatchObject({ type: "pong", t: 7 });
    await expect(client.request({ type: "future" })).rejects.toThrow(BadRequest);
    hub.answerNext("ping", null);
    await expect(client.request({ type: "ping" }, 20)).rejects.toThrow(RequestTimeout);
    expect(await client.ping()).toBe(client.rtt as number);
  });

  it("what cannot be written is refused before it is sent", async ({ startHub, makeClient }) => {
    const hub = await startHub({ welcome: { limits: { message: 200 } } });
    const client = makeClient(hub.url);
    await client.connect();
    const error = await client.publish("actions", "x".repeat(300)).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(TooLarge);
    expect(error).toMatchObject({ limit: 200 });
    await expect(client.publish("actions", 1n)).rejects.toThrow(BadRequest);
    expect((await client.publish("actions", 1)).position).toBe("fake1:1");
    expect(client.stats().awaiting).toBe(0);
  });

  it("M2 L11 what cannot be understood is told and ignored, what is too large ends the connection", async ({
    startHub,
    makeClient,
  }) => {
    const hub = await startHub({ welcome: { limits: { decoded: 100 } } });
    const client = makeClient(hub.url);
    await client.connect();
    const error = told(client, "error");
    hub.pushRaw("{");
    expect(await error).toMatchObject({ name: "ProtocolViolation" });
    hub.push({ type: "sparkle", __proto__: { a: 1 } });
    hub.pushRaw('{"type":"constructor","__proto__":{"id":1}}');
    await client.ping();
    hub.pushRaw(JSON.stringify({ type: "x", padding: "x".repeat(66_000) }));
    await expect(
      client
        .ready()
        .then(() => told(client, "state"))
        .then(() => client.ready()),
    ).rejects.toMatchObject({ code: 1009 });
  });

  it("its figures say what happened", async ({ hub, makeClient }) => {
    const client = makeClient(hub.url);
    await client.connect();
    const sub = client.subscribe("logs", () => {});
    await sub.ready();
    hub.publish("logs", 1);
    await client.ping();
    expect(client.stats()).toMatchObject({
      state: "connected",
      connection: "c-1",
      events: 1,
      duplicates: 0,
      gaps: 0,
      awaiting: 0,
      subscriptions: { logs: { state: "active", position: "fake1:1", queued: 0, dropped: 0, handled: 1, failures: 0 } },
    });
    expect(HubError.prototype).toBeInstanceOf(Error);
  });
});
