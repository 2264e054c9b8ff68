/** The page: models, views and the one connection, put together. */

import "uplot/dist/uPlot.min.css";
import "./style.css";
import type { MetricsData, StatusData } from "neurograph-ws-client";
import { drawCards, type Latest } from "./cards_view.js";
import { ChartView } from "./chart_view.js";
import { CodeView } from "./code_view.js";
import { byId, say } from "./dom.js";
import { Feed } from "./feed.js";
import { FeedView, ROWS } from "./feed_view.js";
import { allowEmit, complaint, wireEmit, wireFilter } from "./forms.js";
import { Hub } from "./hub.js";
import { Known } from "./known.js";
import { drawChannels, drawMissed, drawParts } from "./lists_view.js";
import { LogView, RECORDS } from "./log_view.js";
import { wireLogin } from "./login.js";
import { Missed } from "./missed.js";
import { Painter } from "./painter.js";
import { askChannels, askOffer, type Offer, socketUrl } from "./rest.js";
import { Series } from "./series.js";
import { Space } from "./space.js";
import { SpaceView } from "./space_view.js";
import { StateView } from "./state_view.js";
import { wireTheme } from "./theme.js";
import { missing, reason } from "./words.js";

/** Moments of each series, texts of tokens, points of the space, gaps and parts that are kept. */
const MOMENTS = 600;
const TEXTS = 10_000;
const POINTS = 600;
const GAPS = 50;
const PARTS = 50;
const CHANNELS_EVERY = 5_000;

const FIGURES = {
  system: ["cpu_percent", "process_cpu_percent", "memory_mb"],
  hub: ["events_in_per_sec", "events_out_per_sec", "latency_p50_ms", "latency_p99_ms"],
} as const;

byId("board").hidden = false;
const system = new Series(FIGURES.system, MOMENTS);
const hubSeries = new Series(FIGURES.hub, MOMENTS);
const latest: Latest = {};
const feed = new Feed(ROWS, TEXTS);
const missed = new Missed(GAPS);
const known = new Known();
const space = new Space(POINTS);
const parts = new Map<string, StatusData>();
let offer: Offer = { title: document.title, mode: "", anonymous: false };
let node = "";

const painter = new Painter();
const state = new StateView(known);
const PLOTS = [
  ["chart-rates", hubSeries, ["in", "out"], 1],
  ["chart-latency", hubSeries, ["p50", "p99"], 3],
  ["chart-cpu", system, ["machine", "hub"], 1],
  ["chart-memory", system, ["resident"], 3],
] as const;
const charts = PLOTS.map(([id, series, names, first]) => {
  const lines = names.map((name, place) => ({ name, column: first + place }));
  const changed = painter.part(() => view.draw(), 200);
  const view = new ChartView(id, series, lines, changed);
  return { view, changed };
});
const chartsChanged = () => {
  for (const { changed } of charts) changed();
};
const cardsChanged = painter.part(() => drawCards(latest, missed, known), 200);
const missedChanged = painter.part(() => drawMissed(missed, known), 200);
const partsChanged = painter.part(() => drawParts(parts), 200);
const spaceView = new SpaceView(space, () => spaceChanged());
const spaceChanged = painter.part(() => spaceView.draw(), 500);
const feedView = new FeedView(feed, () => feedChanged());
const feedChanged = painter.part(() => feedView.draw(), 500);
const logView = new LogView(RECORDS, (filter) => hub.sieveLog(filter));
const logChanged = painter.part(() => logView.draw(), 500);
const code = new CodeView();

const hub = new Hub({
  state: (change) => {
    known.change(change.new, Date.now() / 1000);
    state.change(change);
    missedChanged();
    cardsChanged();
    if (change.old === "connected") state.forgetGaps();
  },
  connected: (welcome) => {
    node = welcome.node;
    state.connected(welcome);
    login.close();
    allowEmit(hub.may("emit", "signals"), welcome.role);
    feedView.silence = hub.may("subscribe", "signals") ? "" : `Role ${welcome.role} may not see signals.`;
    logView.silence = hub.may("subscribe", "logs") ? "" : `Role ${welcome.role} may not read the log.`;
    feedChanged();
    logChanged();
    void refreshChannels();
  },
  resumed: (resumed) => {
    known.resumed();
    state.resumed(resumed);
    missedChanged();
    cardsChanged();
  },
  gap: (gap) => {
    missed.add(gap, Date.now() / 1000);
    state.gap(gap);
    if (gap.channel === "signals") feed.miss(gap);
    if (gap.channel === "logs") logView.miss(gap);
    if (gap.channel === "metrics") {
      for (const series of [system, hubSeries]) series.miss(`${missing(gap)}, ${reason(gap)}`);
    }
    for (const changed of [missedChanged, cardsChanged, feedChanged, logChanged]) changed();
  },
  metrics: ({ key, ts, data }) => {
    const name = key?.startsWith(`${node}/`) ? key.slice(node.length + 1) : undefined;
    if (name !== "system" && name !== "core" && name !== "hub") return;
    latest[name] = data;
    if (name === "system") system.push(ts, pick(data, FIGURES.system));
    if (name === "hub") hubSeries.push(ts, pick(data, FIGURES.hub));
    chartsChanged();
    cardsChanged();
  },
  signal: (event) => {
    feed.add(event);
    space.add(event.data);
    feedChanged();
    spaceChanged();
  },
  status: ({ data }) => {
    if (parts.size < PARTS || parts.has(data.component)) parts.set(data.component, data);
    partsChanged();
  },
  log: (event) => {
    logView.add(event);
    logChanged();
  },
  refused: (reason) => {
    // What one was shown is not for the next.
    feedView.clear();
    logView.clear();
    space.clear();
    login.open(offer.anonymous, reason);
  },
  // What ends with the connection was said with it.
  fault: (error) => hub.isConnected && state.notice("warn", complaint(error)),
});

const login = wireLogin((credential) => hub.connect(offer, credential));
wireFilter(hub, feed, feedChanged);
wireEmit(hub, feed);
wireTheme(() => {
  for (const { view } of charts) view.restyle();
  spaceChanged();
});
byId("again").addEventListener("click", () => (state.isWaiting ? hub.tryNow() : void begin()));
// With the page goes all that it knows, the credential first of all.
byId("leave").addEventListener("click", () => void hub.leave().finally(() => location.reload()));
setInterval(() => void refreshChannels(), CHANNELS_EVERY);
void begin();

/** Ask what the hub gives to its page, and connect, or ask a person for a token. */
async function begin(): Promise<void> {
  try {
    offer = await askOffer();
  } catch (fault) {
    state.notice("lost", `The hub does not answer: ${complaint(fault)}`);
    byId("again").hidden = false;
    return;
  }
  document.title = offer.title;
  say(byId("title"), offer.title);
  code.offer(socketUrl(), offer.viewer);
  if (offer.token === undefined) login.open(offer.anonymous, "");
  else hub.connect(offer);
}

async function refreshChannels(): Promise<void> {
  if (document.hidden || !hub.isConnected) return;
  try {
    drawChannels(await askChannels(hub.token));
  } catch (fault) {
    say(byId("channels-note"), complaint(fault));
  }
}

function pick(data: MetricsData, names: readonly string[]): (number | null)[] {
  return names.map((name) => {
    const value = data[name];
    return typeof value === "number" ? value : null;
  });
}
