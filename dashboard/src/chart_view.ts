/** One chart by uPlot: lines that break where figures are missing, the stretch marked, and said in words below. */

import uPlot from "uplot";
import { byId, make, say, within } from "./dom.js";
import type { Hole, Series } from "./series.js";
import { clock, figure } from "./words.js";

export interface Line {
  readonly name: string;
  /** Its column in the series, from 1. */
  readonly column: number;
}

/** Seconds that a chart shows at least and at most. */
const SHORTEST = 60;
const LONGEST = 300;
const HEIGHT = 148;
/** A hole is at least so many pixels wide, or nobody sees it. */
const NARROWEST = 3;
const STYLES = [
  { colour: "--line-1", dash: [] },
  { colour: "--line-2", dash: [6, 4] },
];
const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class ChartView {
  readonly #series: Series;
  readonly #lines: readonly Line[];
  readonly #changed: () => void;
  readonly #box: HTMLElement;
  readonly #hole: HTMLElement;
  readonly #values: HTMLElement[];
  readonly #title: string;
  #plot: uPlot | undefined;
  #isSeen = false;

  /** `changed` is called where it has to be drawn though no figure came. */
  constructor(id: string, series: Series, lines: readonly Line[], changed: () => void) {
    const figure = byId(id);
    this.#series = series;
    this.#changed = changed;
    this.#lines = lines;
    this.#box = within(figure, ".plot");
    this.#hole = within(figure, ".hole");
    this.#title = within(figure, "h2").textContent;
    this.#values = lines.map(() => make("b"));
    within(figure, ".legend").append(
      ...lines.map(({ name }, index) => {
        const item = make("li", "", make("i", `stroke stroke-${index + 1}`), `${name} `, this.#values[index] ?? "");
        return item;
      }),
    );
    new IntersectionObserver((entries) => this.#see(entries.at(-1)?.isIntersecting ?? false)).observe(this.#box);
    new ResizeObserver(() => this.#fit()).observe(this.#box);
  }

  /** Draw it if it is in view; it is made when it is drawn for the first time. */
  draw(): void {
    if (!this.#isSeen) return;
    if (this.#plot) this.#plot.setData(this.#data());
    else this.#plot = new uPlot(this.#options(), this.#data(), this.#box);
    this.#tell(this.#plot);
    const hole = this.#shown(this.#plot).at(-1);
    this.#hole.hidden = !hole;
    if (hole) say(this.#hole, `Gap ${clock(hole.from)}–${clock(hole.to)}: ${hole.text}`);
  }

  /** Other colours hold now. */
  restyle(): void {
    this.#plot?.redraw(false, true);
  }

  #data(): uPlot.AlignedData {
    const { columns } = this.#series;
    return [columns[0], ...this.#lines.map(({ column }) => columns[column] ?? [])] as unknown as uPlot.AlignedData;
  }

  #fit(): void {
    const width = this.#box.clientWidth;
    if (width > 0 && this.#plot && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #see(isSeen: boolean): void {
    this.#isSeen = isSeen;
    this.#changed();
  }

  /** The figures under the cursor, else the newest. */
  #tell(plot: uPlot): void {
    const [moments, ...columns] = this.#data();
    const at = plot.cursor.idx ?? moments.length - 1;
    const texts = columns.map((column) => figure(column[at]));
    for (const [index, value] of this.#values.entries()) say(value, texts[index] ?? "–");
    this.#box.setAttribute(
      "aria-label",
      `${this.#title}: ${this.#lines.map(({ name }, index) => `${name} ${texts[index]}`).join(", ")}`,
    );
  }

  #shown(plot: uPlot): readonly Hole[] {
    const { min = 0, max = 0 } = plot.scales["x"] ?? {};
    return this.#series.holes.filter((hole) => hole.to >= (min ?? 0) && hole.from <= (max ?? 0));
  }

  #drawHoles(plot: uPlot): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const hole of this.#shown(plot)) {
      const from = plot.valToPos(hole.from, "x", true);
      const width = Math.max(plot.valToPos(hole.to, "x", true) - from, NARROWEST * devicePixelRatio);
      ctx.fillStyle = colour("--hole");
      ctx.fillRect(from, bbox.top, width, bbox.height);
      ctx.strokeStyle = colour("--hole-edge");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.strokeRect(from, bbox.top - 2, width, bbox.height + 4);
      ctx.setLineDash([]);
      const middle = from + width / 2;
      const size = 5 * devicePixelRatio;
      ctx.fillStyle = colour("--hole-edge");
      ctx.beginPath();
      ctx.moveTo(middle - size, bbox.top);
      ctx.lineTo(middle + size, bbox.top);
      ctx.lineTo(middle, bbox.top + 1.6 * size);
      ctx.fill();
    }
    ctx.restore();
  }

  #options(): uPlot.Options {
    const axis = {
      stroke: () => colour("--soft"),
      font: FONT,
      grid: { stroke: () => colour("--grid"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: Math.max(this.#box.clientWidth, 200),
      height: HEIGHT,
      padding: [10, 26, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "metrics" }, drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: {
        x: { range: (_, min, max) => [Math.min(Math.max(min, max - LONGEST), max - SHORTEST), max] },
        y: { range: (_, _min, max) => [0, max > 0 ? max * 1.15 : 1] },
      },
      axes: [
        { ...axis, size: 24, space: 80, values: (_, splits) => splits.map(clock) },
        { ...axis, size: 44, space: 26, values: (_, splits) => splits.map(figure) },
      ],
      series: [
        {},
        ...this.#lines.map(({ name }, index): uPlot.Series => {
          const { colour: line, dash } = STYLES[index % STYLES.length] ?? { colour: "--line-1", dash: [] };
          return {
            label: name,
            stroke: () => colour(line),
            width: 1.75,
            dash,
            points: { show: false },
            spanGaps: false,
          };
        }),
      ],
      hooks: { drawClear: [(plot) => this.#drawHoles(plot)], setCursor: [(plot) => this.#tell(plot)] },
    };
  }
}
