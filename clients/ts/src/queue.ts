/** What waits for a handler or an iterator: events, gaps, and cursors that moved, in their order. */

import { endOf, type Gap, type Item } from "./core/wire.js";

/** A queue whose owner keeps its bound; what it drops stands in it as a gap. */
export class Queue {
  dropped = 0;
  items: Item[] = [];

  /** At the end; a moved cursor replaces one that stands there. */
  put(item: Item): void {
    if (item.type === "cursor" && this.items.at(-1)?.type === "cursor") this.items.pop();
    this.items.push(item);
  }

  /** Make room for one: a gap takes the place of the oldest two events, or grows over the next item. */
  dropOldest(): void {
    const [oldest, next] = this.items.splice(0, 2);
    if (!oldest || !next) return;
    if (oldest.type === "cursor") {
      this.items.unshift(next);
      return;
    }
    const before = endOf(oldest).replace(/\d+$/, (offset) => `${Number(offset) - 1}`);
    const none: Gap = {
      type: "gap",
      channel: oldest.channel,
      from: before,
      to: before,
      missed: 0,
      reason: "client_queue",
    };
    const gap = oldest.type === "gap" ? oldest : this.cover(none, oldest);
    this.items.unshift(this.cover(gap, next));
  }

  /** A gap that also covers the item after it. */
  private cover(gap: Gap, item: Item): Gap {
    const more = item.type === "gap" ? item.missed : item.type === "event" ? 1 : 0;
    if (item.type === "event") this.dropped++;
    const missed = gap.missed === null || more === null ? null : gap.missed + more;
    return { ...gap, to: endOf(item), missed };
  }
}
