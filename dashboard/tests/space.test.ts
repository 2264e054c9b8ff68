import { Axis, type SignalData } from "neurograph-ws-client";
import { describe, expect, it } from "vitest";
import { AXES, Space } from "../src/space.js";

const signal = (x: number, y: number, isNovel = false): SignalData =>
  ({ vector: [0, 0, 0, y, x, 0, 0, 0], is_novel: isNovel }) as unknown as SignalData;

describe("the space", () => {
  it("N6 has the axes of the client, in their order", () => {
    expect(AXES.map((name) => Axis[name.toUpperCase() as keyof typeof Axis])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("W7 is seen along two axes, all points within the picture, paler with age", () => {
    const space = new Space(10);
    space.add(signal(0.2, 0.5));
    space.add(signal(0.4, 0.7, true));
    space.add(signal(0.6, 0.9));
    const { spots, x, y } = space.seen(Axis.COGNITIVE, Axis.EMOTIONAL);
    expect(x.low).toBeCloseTo(0.176);
    expect(y.high).toBeCloseTo(0.924);
    expect(spots.map((spot) => spot.age)).toEqual([1, 0.5, 0]);
    expect(spots.map((spot) => spot.isNovel)).toEqual([false, true, false]);
    expect(spots[1]?.x).toBeCloseTo(0.5);
    expect(spots[1]?.y).toBeCloseTo(0.5);
    for (const spot of spots) expect(spot.x > 0 && spot.x < 1 && spot.y > 0 && spot.y < 1).toBe(true);
  });

  it("shows one point, and none, in the middle of something", () => {
    const space = new Space(10);
    expect(space.seen(0, 1)).toEqual({ spots: [], x: { low: 0, high: 1 }, y: { low: 0, high: 1 } });
    space.add(signal(3, 4));
    expect(space.seen(Axis.COGNITIVE, Axis.EMOTIONAL).spots).toEqual([{ x: 0.5, y: 0.5, age: 0, isNovel: false }]);
  });

  it("keeps the newest, and nothing that is no vector", () => {
    const space = new Space(3);
    for (let turn = 0; turn < 20; turn++) space.add(signal(turn, turn));
    space.add({ vector: [1, 2] } as unknown as SignalData);
    space.add({} as SignalData);
    expect(space.seen(4, 3).spots.length).toBe(3);
    expect(space.seen(4, 3).x.low).toBeCloseTo(17 - 0.12);
    space.clear();
    expect(space.seen(4, 3).spots).toEqual([]);
  });
});
