import { readdirSync, readFileSync } from "node:fs";
import { encodeText } from "neurograph-ws-client";
import { describe, expect, it } from "vitest";
import { RADIUS, readFilter } from "../src/filter_text.js";
import { cause, figure, span } from "../src/words.js";

describe("words", () => {
  it("figures are short and true", () => {
    expect([0, 4.25, 99.94, 2_792.4, 1_234_567, null, Number.NaN].map(figure)).toEqual([
      "0",
      "4.3",
      "99.9",
      "2,792",
      "1.2M",
      "–",
      "–",
    ]);
    expect([400, 9_940, 12_000, 600_000, 9_000_000].map(span)).toEqual(["0.4 s", "9.9 s", "12 s", "10 min", "3 h"]);
  });

  it("X2 codes of the protocol are said in words, others as the client says them", () => {
    expect(cause(4010, "the hub ended it: kicked")).toBe("4010 kicked: ended by an administrator");
    expect(cause(1006, "no close frame")).toBe("no close frame");
    expect(cause(undefined, "cannot connect")).toBe("cannot connect");
  });
});

describe("what stands in the filter box", () => {
  it("F1 is JSON as it stands; nothing lets everything through", () => {
    expect(readFilter("  ").filter).toEqual({});
    expect(readFilter('{"data.is_novel": true}').filter).toEqual({ "data.is_novel": true });
  });

  it("F7 or words to be near to", () => {
    const { filter, says } = readFilter(" disk failing ");
    const near = { center: encodeText("disk failing"), radius: RADIUS };
    expect(filter).toEqual({ "data.vector": { near } });
    expect(says).toContain("“disk failing”");
  });

  it("says what is wrong with it", () => {
    expect(() => readFilter('{"data.is_novel" true}')).toThrow(/^Not JSON: .+/);
    expect(() => readFilter("{} {}")).toThrow(/^Not JSON: .+/);
  });
});

it("no source makes markup of text", () => {
  const sources = readdirSync(new URL("../src/", import.meta.url)).filter((name) => name.endsWith(".ts"));
  const texts = sources.map((name) => readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8"));
  expect(texts.length).toBeGreaterThan(10);
  for (const text of texts) {
    expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|eval\(/);
  }
});
