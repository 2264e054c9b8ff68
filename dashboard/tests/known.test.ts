import { describe, expect, it } from "vitest";
import { Known } from "../src/known.js";
import { clock } from "../src/words.js";

describe("what is known of what was owed", () => {
  it("nothing before the first connection, everything on it", () => {
    const known = new Known();
    expect(known.gap).toBe("Not connected yet: what this page is owed is not known.");
    known.change("connecting", 1);
    known.change("reconnecting", 2);
    expect([known.gap, known.since]).toEqual(["Not connected yet: what this page is owed is not known.", undefined]);
    known.change("connected", 3);
    expect([known.gap, known.since]).toEqual(["", undefined]);
  });

  it("nothing since it is away, however often it is tried, until what was missed has come", () => {
    const known = new Known();
    known.change("connected", 1);
    known.change("reconnecting", 20);
    known.change("reconnecting", 30);
    const since = clock(20);
    expect(known.gap).toBe(`Not connected since ${since}: what was published since then is not known here.`);
    expect(known.since).toBe(since);
    known.change("connected", 40);
    expect(known.gap).toBe("Connected again: what was missed meanwhile is still coming.");
    known.resumed();
    expect(known.gap).toBe("");
  });

  it("nothing since it was ended for good; another client begins with what it is told", () => {
    const known = new Known();
    known.change("connected", 1);
    known.change("closed", 20);
    known.change("connecting", 30);
    expect(known.since).toBe(clock(20));
    known.change("connected", 31);
    expect(known.gap).toBe("");
  });
});
