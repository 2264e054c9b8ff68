/** The past of a channel, over a short connection of its own; loaded with the first `history`. */

import { parsePosition, reaches } from "./core/positions.js";
import { endOf, type HubEvent } from "./core/wire.js";
import type { Link } from "./link.js";
import type { Filter } from "./types.js";

/** -> the newest `last` entries that are still kept, oldest first; the link is closed with them */
export async function history<T>(
  link: Link,
  channel: string,
  last: number,
  filter: Filter | undefined,
): Promise<HubEvent<T>[]> {
  try {
    const more = { filter, delivery: "all", from: { last }, gaps: true, queueSize: 2 * last + 2 } as const;
    const subscription = link.subscribe<T>(channel, undefined, more);
    link.run((session, now) => session.connect(now, false));
    await link.until((state) => state === "connected" || state === "closed");
    if (link.session.cause) throw link.session.cause;
    await subscription.ready();
    const head = link.session.follows.get(channel)?.head;
    const events: HubEvent<T>[] = [];
    const isThere = (text: string | undefined) => !head || (!!text && reaches(parsePosition(text), head));
    if (isThere(subscription.position)) return events;
    for await (const item of subscription) {
      if (item.type === "event") events.push(item);
      if (isThere(endOf(item))) break;
    }
    return events.slice(-last);
  } finally {
    await link.close(1000, "");
  }
}
