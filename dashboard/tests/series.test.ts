import { describe, expect, it } from "vitest";
import { Series } from "../src/series.js";

const filled = (moments: readonly number[], size = 100): Series => {
  const series = new Series(["a"], size);
  for (const at of moments) series.push(at, [at]);
  return series;
};

describe("figures over time", () => {
  it("stand in columns, null where there is none", () => {
    const series = new Series(["a", "b"], 10);
    series.push(1, [5, undefined]);
    series.push(2, [6, null]);
    expect(series.columns).toEqual([
      [1, 2],
      [5, 6],
      [null, null],
    ]);
    expect(series.holes).toEqual([]);
  });

  it("break where something did not come, and say why", () => {
    const series = filled([1, 2]);
    series.miss("12 events, the hub no longer keeps them");
    series.miss("12 events, the hub no longer keeps them");
    series.push(8, [8]);
    expect(series.columns).toEqual([
      [1, 2, 5, 8],
      [1, 2, null, 8],
    ]);
    expect(series.holes).toEqual([{ from: 2, to: 8, text: "12 events, the hub no longer keeps them" }]);
    series.push(9, [9]);
    expect(series.holes.length).toBe(1);
  });

  it("have no hole before they begin", () => {
    const series = new Series(["a"], 10);
    series.miss("an unknown number of events");
    series.push(1, [1]);
    series.push(2, [1]);
    expect([series.holes, series.columns[0]]).toEqual([[], [1, 2]]);
  });

  it("break at a pause that nobody has told of, and not at a late one", () => {
    expect(filled([0, 1, 2, 3, 4, 6.9, 7.9]).holes).toEqual([]);
    expect(filled([0, 1, 2, 3, 4, 7.1]).holes).toEqual([{ from: 4, to: 7.1, text: "no figures" }]);
  });

  it("are bounded, and holes go with them", () => {
    const series = filled([1, 2, 3], 4);
    series.miss("x");
    series.push(4, [4]);
    expect(series.columns[0]).toEqual([2, 3, 3.5, 4].slice(-4));
    expect(series.holes.length).toBe(1);
    for (let at = 5; at < 50; at++) series.push(at, [at]);
    expect([series.columns[0].length, series.columns[1]?.length, series.holes]).toEqual([4, 4, []]);
  });

  it("ignore a second teller, and begin anew when the clock was set back", () => {
    const series = filled([100, 101, 101, 99]);
    expect(series.columns[0]).toEqual([100, 101]);
    series.push(10, [1]);
    expect(series.columns).toEqual([[10], [1]]);
  });
});
