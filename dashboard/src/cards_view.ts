/** The figures at the top, from the newest of each series of `metrics`. */

import type { MetricsData } from "neurograph-ws-client";
import { byId, say } from "./dom.js";
import type { Known } from "./known.js";
import type { Missed } from "./missed.js";
import { figure } from "./words.js";

export type Latest = { system?: MetricsData; core?: MetricsData; hub?: MetricsData };

const figureOf = (data: MetricsData | undefined, name: string): number | undefined => {
  const value = data?.[name];
  return typeof value === "number" ? value : undefined;
};

export function drawCards({ system, core, hub }: Latest, missed: Missed, known: Known): void {
  const show = (id: string, data: MetricsData | undefined, name: string) =>
    say(byId(`card-${id}`), figure(figureOf(data, name)));
  show("connections", system, "connections");
  show("events", hub, "events_in_per_sec");
  show("signals", core, "events_per_sec");
  show("tokens", core, "total_tokens");
  show("links", core, "token_connections");
  say(byId("note-events"), `per second in, ${figure(figureOf(hub, "events_out_per_sec"))} out`);
  const novel = figureOf(core, "novel_ratio");
  if (novel !== undefined) say(byId("note-signals"), `per second, ${figure(novel * 100)} % new`);
  say(byId("card-missed"), known.gap && !missed.list.length ? "–" : missed.total);
  say(byId("note-missed"), known.since ? `not known since ${known.since}` : missed.note);
  byId("card-missed-box").dataset["missed"] = String(missed.list.length > 0);
}
