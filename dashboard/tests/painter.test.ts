// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Painter } from "../src/painter.js";

let isHidden = false;
let frames: FrameRequestCallback[] = [];
const frame = (now: number): void => {
  const due = frames;
  frames = [];
  for (const paint of due) paint(now);
};

beforeEach(() => {
  isHidden = false;
  frames = [];
  vi.useFakeTimers();
  vi.spyOn(document, "hidden", "get").mockImplementation(() => isHidden);
  vi.stubGlobal("requestAnimationFrame", (paint: FrameRequestCallback) => frames.push(paint));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("draws once for many changes, and only what has changed", () => {
  const painter = new Painter();
  const [one, other] = [vi.fn(), vi.fn()];
  const changed = painter.part(one);
  painter.part(other);
  for (let turn = 0; turn < 5; turn++) changed();
  expect(frames.length).toBe(1);
  frame(0);
  expect([one.mock.calls.length, other.mock.calls.length]).toEqual([1, 0]);
});

it("draws a part not more often than it needs, and never forgets the last change", () => {
  const painter = new Painter();
  const draw = vi.fn();
  const changed = painter.part(draw, 500);
  changed();
  frame(0);
  changed();
  frame(100);
  expect(draw).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(400);
  frame(500);
  expect(draw).toHaveBeenCalledTimes(2);
});

it("draws nothing in a hidden tab, and what has changed meanwhile when it is shown again", () => {
  const painter = new Painter();
  const draw = vi.fn();
  const changed = painter.part(draw);
  isHidden = true;
  changed();
  expect(frames.length).toBe(0);
  isHidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  frame(0);
  expect(draw).toHaveBeenCalledTimes(1);
});

it("draws what does not fit into one frame in the next", () => {
  const painter = new Painter();
  const slow = vi.fn(() => void vi.advanceTimersByTime(10));
  const changed = [painter.part(slow), painter.part(slow), painter.part(slow)];
  for (const tell of changed) tell();
  frame(0);
  expect(slow).toHaveBeenCalledTimes(1);
  for (const now of [16, 32]) {
    vi.advanceTimersByTime(0);
    frame(now);
  }
  expect(slow).toHaveBeenCalledTimes(3);
});

it("begins with what was drawn longest ago: a frame that has no time for all leaves nothing out twice", () => {
  const painter = new Painter();
  const parts = [0, 1, 2].map(() => vi.fn(() => void vi.advanceTimersByTime(10)));
  const changed = parts.map((draw) => painter.part(draw));
  const drawn: number[][] = [];
  for (const now of [0, 16, 32, 48]) {
    for (const tell of changed) tell();
    vi.advanceTimersByTime(0);
    frame(now);
    drawn.push(parts.map((draw) => draw.mock.calls.length));
  }
  expect(drawn).toEqual([
    [1, 0, 0],
    [1, 1, 0],
    [1, 1, 1],
    [2, 1, 1],
  ]);
});
