/** The picture of the space: dots for what was known, diamonds for what was new, paler with age. */

import { byId, make, say } from "./dom.js";
import { AXES, type Range, type Space, type Spot } from "./space.js";
import { count } from "./words.js";

const HEIGHT = 230;
const DOT = 2.2;
const DIAMOND = 4.5;
/** The oldest is drawn this faintly. */
const FAINT = 0.12;
const FIRST = { across: 4, up: 3 };

export class SpaceView {
  readonly #space: Space;
  readonly #canvas = byId<HTMLCanvasElement>("space");
  readonly #across = byId<HTMLSelectElement>("space-x");
  readonly #up = byId<HTMLSelectElement>("space-y");

  constructor(space: Space, changed: () => void) {
    this.#space = space;
    for (const [select, first] of [
      [this.#across, FIRST.across],
      [this.#up, FIRST.up],
    ] as const) {
      select.append(
        ...AXES.map((name, index) => {
          const option = make("option", "", name) as HTMLOptionElement;
          option.value = String(index);
          return option;
        }),
      );
      select.value = String(first);
      select.addEventListener("change", changed);
    }
    new ResizeObserver(changed).observe(this.#canvas);
  }

  draw(): void {
    const { spots, x, y } = this.#space.seen(Number(this.#across.value), Number(this.#up.value));
    const novel = spots.filter((spot) => spot.isNovel);
    const context = this.#sized();
    if (!context) return;
    const style = getComputedStyle(document.documentElement);
    context.fillStyle = style.getPropertyValue("--line-1");
    for (const spot of spots) if (!spot.isNovel) this.#dot(context, spot);
    context.fillStyle = style.getPropertyValue("--fresh");
    for (const spot of novel) this.#diamond(context, spot);
    say(
      byId("space-note"),
      `${count(spots.length, "signal")}, ${novel.length} new (◆); ${between("across", x)}, ${between("up", y)}`,
    );
  }

  /** An empty canvas, as sharp as the screen. */
  #sized(): CanvasRenderingContext2D | null {
    const { clientWidth: width } = this.#canvas;
    const scale = devicePixelRatio;
    if (!width) return null;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(HEIGHT * scale);
    const context = this.#canvas.getContext("2d");
    context?.scale(scale, scale);
    return context;
  }

  #place(context: CanvasRenderingContext2D, { x, y, age }: Spot): [number, number] {
    context.globalAlpha = 1 - (1 - FAINT) * age;
    return [x * this.#canvas.clientWidth, (1 - y) * HEIGHT];
  }

  #dot(context: CanvasRenderingContext2D, spot: Spot): void {
    const [left, top] = this.#place(context, spot);
    context.beginPath();
    context.arc(left, top, DOT, 0, 2 * Math.PI);
    context.fill();
  }

  #diamond(context: CanvasRenderingContext2D, spot: Spot): void {
    const [left, top] = this.#place(context, spot);
    context.beginPath();
    context.moveTo(left, top - DIAMOND);
    context.lineTo(left + DIAMOND, top);
    context.lineTo(left, top + DIAMOND);
    context.lineTo(left - DIAMOND, top);
    context.fill();
  }
}

const between = (way: string, { low, high }: Range): string => `${way} ${low.toFixed(2)} to ${high.toFixed(2)}`;
