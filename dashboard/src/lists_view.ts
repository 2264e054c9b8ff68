/** What was not delivered, the channels, the parts of the hub. */

import type { StatusData } from "neurograph-ws-client";
import { byId, make, say } from "./dom.js";
import type { Known } from "./known.js";
import type { Missed } from "./missed.js";
import type { ChannelInfo } from "./rest.js";
import { clock, figure, missing, reason, rights } from "./words.js";

/** Channels that are listed; a namespace may have thousands. */
const CHANNELS = 40;

export function drawMissed(missed: Missed, known: Known): void {
  const note = byId("missed-none");
  note.hidden = missed.list.length > 0 && !known.gap;
  note.dataset["known"] = String(!known.gap);
  say(note, known.gap || "Everything that this page was owed has come.");
  byId("missed").replaceChildren(
    ...missed.list.map(({ at, gap }) =>
      make(
        "li",
        "",
        make("b", "", gap.channel),
        ` ${missing(gap)}: ${reason(gap)}`,
        make("span", "about", `${clock(at)} · from ${gap.from} to ${gap.to}`),
      ),
    ),
  );
}

export function drawChannels(channels: readonly ChannelInfo[]): void {
  const shown = channels.slice(0, CHANNELS);
  byId("channels").replaceChildren(
    ...shown.map((one) => {
      const name = make("th", "", one.name);
      name.setAttribute("scope", "row");
      const kept = one.log === "durable" ? `${figure(one.entries)} on disk` : figure(one.entries);
      return make(
        "tr",
        "",
        name,
        make("td", "number", figure(one.subscribers)),
        make("td", "number", kept),
        make("td", "rights", rights(one.rights)),
      );
    }),
  );
  say(byId("channels-note"), channels.length > CHANNELS ? `${CHANNELS} of ${channels.length}` : "");
}

export function drawParts(parts: ReadonlyMap<string, StatusData>): void {
  byId("parts").replaceChildren(
    ...[...parts.values()].map(({ component, state, detail }) => {
      const mark = make("span", "mark", state === "ok" ? "✓" : "!");
      mark.setAttribute("aria-hidden", "true");
      const row = make("li", "", mark, make("b", "", component), ` ${state}${detail ? `: ${detail}` : ""}`);
      row.dataset["state"] = state;
      return row;
    }),
  );
}
