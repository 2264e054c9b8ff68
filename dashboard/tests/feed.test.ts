import type { Gap, HubEvent, SignalData } from "neurograph-ws-client";
import { describe, expect, it } from "vitest";
import { Feed, type SignalRow } from "../src/feed.js";
import { Missed, summary } from "../src/missed.js";

const signal = (token: number, more: Partial<SignalData> = {}): HubEvent<SignalData> => ({
  type: "event",
  channel: "signals",
  event: "signal.input.text",
  offset: token,
  position: `e:${token}`,
  ts: 1_700_000_000,
  data: { token_id: token, vector: [], priority: 120, is_novel: false, neighbors: [], node: "n1", ...more },
});
const gap = (missed: number | null, reason = "slow"): Gap => ({
  type: "gap",
  channel: "signals",
  from: "e:1",
  to: "e:9",
  missed,
  reason,
});

describe("the feed", () => {
  it("keeps the newest, and counts what it left out", () => {
    const feed = new Feed(3, 10);
    for (let token = 1; token <= 20; token++) feed.add(signal(token, { is_novel: token % 2 === 0 }));
    const { rows, skipped } = feed.take();
    expect(rows.map((row) => (row as SignalRow).token)).toEqual([18, 19, 20]);
    expect([skipped, feed.counts]).toEqual([17, { seen: 20, novel: 10 }]);
    expect(feed.take()).toEqual({ rows: [], skipped: 0 });
  });

  it("names neighbours by their words where it has seen them, the nearest three", () => {
    const feed = new Feed(10, 2);
    feed.add(signal(1, { payload: { text: "disk full" } }));
    const neighbors = [1, 7, 8, 9].map((token_id) => ({ token_id, distance: token_id / 100 }));
    feed.add(signal(2, { neighbors }));
    const [, second] = feed.take().rows;
    expect((second as SignalRow).near).toEqual([
      { token: 1, distance: 0.01, text: "disk full" },
      { token: 7, distance: 0.07, text: undefined },
      { token: 8, distance: 0.08, text: undefined },
    ]);
  });

  it("remembers a bounded number of texts, each of a bounded length, and none of another life of the hub", () => {
    const feed = new Feed(10, 2);
    const known = () =>
      feed.near([1, 2, 3].map((token_id) => ({ token_id, distance: 0 }))).map((one) => one.text?.length);
    for (const token of [1, 2, 3]) feed.remember(token, "x".repeat(5_000));
    expect(known()).toEqual([undefined, 200, 200]);
    feed.miss(gap(4));
    expect(known()).toEqual([undefined, 200, 200]);
    feed.miss(gap(null, "epoch"));
    expect(known()).toEqual([undefined, undefined, undefined]);
  });

  it("says where other signals begin", () => {
    const feed = new Feed(10, 2);
    feed.add(signal(1));
    feed.note("New only");
    expect(feed.take().rows[1]).toEqual({ kind: "note", text: "New only" });
  });

  it("forgets everything when asked", () => {
    const feed = new Feed(10, 2);
    feed.add(signal(1, { payload: { text: "secret" } }));
    feed.clear();
    expect([feed.take().rows, feed.near([{ token_id: 1, distance: 0 }])[0]?.text]).toEqual([[], undefined]);
  });

  it("shows a gap where it stands, and nothing of events that are no signals", () => {
    const feed = new Feed(10, 2);
    feed.add(signal(1));
    feed.miss(gap(7));
    feed.add({ ...signal(2), data: { token_id: 3, deleted: true } as unknown as SignalData });
    feed.add({ ...signal(2), data: null as unknown as SignalData });
    feed.add(signal(4, { payload: { text: 5 } }));
    expect(feed.take().rows.map((row) => (row.kind === "gap" ? row.gap.missed : (row as SignalRow).token))).toEqual([
      1, 7, 4,
    ]);
  });
});

describe("what was not delivered", () => {
  it("is summed where it can be counted, and said where not", () => {
    const missed = new Missed(2);
    expect([missed.total, missed.note]).toEqual(["0", "to this page"]);
    missed.add(gap(null, "epoch"), 1);
    expect([missed.total, missed.note]).toEqual(["unknown", "1 gap without a count"]);
    missed.add(gap(2_000), 2);
    missed.add(gap(60), 3);
    expect([missed.total, missed.note]).toEqual(["2,060+", "1 gap without a count"]);
    expect(missed.list.map(({ at }) => at)).toEqual([3, 2]);
  });

  it("is said once for all channels of which it is true", () => {
    expect(summary([])).toBe("");
    expect(summary([gap(1)])).toBe("signals: 1 event (the hub was ahead of this page)");
    expect(summary([gap(null, "epoch"), gap(2, "unheard of"), { ...gap(null, "epoch"), channel: "status" }])).toBe(
      "signals, status: an unknown number of events each (the hub's log began anew); signals: 2 events (unheard of)",
    );
  });
});
