/** The page's one connection: what it follows, and whom it tells. */

import NeurographWSClient, {
  type ClientEvents,
  type Emitted,
  type Filter,
  type Gap,
  type HubEvent,
  type LogData,
  type MetricsData,
  type Resumed,
  type SignalData,
  type StateChange,
  type StatusData,
  type Subscription,
  type Welcome,
} from "neurograph-ws-client";
import { askOffer, type Offer, socketUrl } from "./rest.js";

/** Past events with which the page begins: of all channels together, the hub replays a thousand. */
const PAST = { metrics: 600, signals: 100, logs: 100 };

/** Whom a hub tells. */
export interface Told {
  state(change: StateChange): void;
  connected(welcome: Welcome): void;
  resumed(resumed: Resumed): void;
  gap(gap: Gap): void;
  metrics(event: HubEvent<MetricsData>): void;
  signal(event: HubEvent<SignalData>): void;
  status(event: HubEvent<StatusData>): void;
  log(event: HubEvent<LogData>): void;
  /** The credential is not good, or is good no more. */
  refused(reason: string): void;
  /** Something went wrong that nobody waits for. */
  fault(error: unknown): void;
}

/** 401 and 41xx: another credential may be taken. */
const isRefusal = (code: number | undefined): boolean => code === 401 || Math.floor((code ?? 0) / 100) === 41;

export class Hub {
  readonly #told: Told;
  #client: NeurographWSClient | undefined;
  #token: string | undefined;
  #signals: Subscription<SignalData> | undefined;
  #filter: Filter = {};
  #logs: Subscription<LogData> | undefined;
  #logFilter: Filter = {};

  constructor(told: Told) {
    this.#told = told;
  }

  /** The newest credential, for REST. */
  get token(): string | undefined {
    return this.#token;
  }

  get isConnected(): boolean {
    return this.#client?.state === "connected";
  }

  /** Whether the role has a right on a channel. */
  may(right: string, channel: string): boolean {
    return this.#client?.welcome?.channels[channel]?.rights.includes(right) ?? false;
  }

  /** Connect with what the hub offers to its own page, else with a credential of a person, else without any. */
  connect(offer: Offer, credential?: string): void {
    const former = this.#client;
    const isOwn = credential === undefined && offer.token !== undefined;
    this.#token = credential ?? offer.token;
    const client = new NeurographWSClient({
      url: socketUrl(),
      name: "dashboard",
      positions: former?.positions ?? {},
      ...(isOwn ? { getToken: ({ reason }) => this.#renew(reason === "initial") } : { token: credential }),
    });
    this.#client = client;
    this.#signals = this.#logs = undefined;
    void former?.close();
    this.#listen(client);
    // A connection that has ended for good has said why as a change of its state.
    client.connect({ retry: true }).catch(() => undefined);
  }

  /** What this client tells, as long as no other has taken its place. */
  #listen(client: NeurographWSClient): void {
    const told = this.#told;
    const tell = <K extends keyof ClientEvents>(name: K, hear: (value: ClientEvents[K]) => void): void => {
      client.on(name, (value) => {
        if (client === this.#client) hear(value);
      });
    };
    tell("state", (change) => {
      told.state(change);
      if (change.new === "closed" && isRefusal(change.code)) told.refused(change.reason);
    });
    tell("connected", (welcome) => this.#follow(client, welcome));
    tell("resumed", (resumed) => told.resumed(resumed));
    tell("gap", (gap) => told.gap(gap));
    tell("error", (error) => told.fault(error));
  }

  /** End the session for good: its tokens resume nothing any more. */
  async leave(): Promise<void> {
    await this.#client?.close(1000, "", { forget: true });
  }

  /** Let other signals through; raises what the hub, or the client, has against the filter. */
  async sieve(filter: Filter): Promise<void> {
    await this.#signals?.update({ filter });
    this.#filter = filter;
  }

  /** Let other records of the log through. */
  async sieveLog(filter: Filter): Promise<void> {
    await this.#logs?.update({ filter });
    this.#logFilter = filter;
  }

  /** While it waits to try again: try now. */
  tryNow(): void {
    this.#client?.tryNow();
  }

  async emit(text: string, includeText: boolean): Promise<Emitted> {
    if (!this.#client) throw new Error("not connected");
    return this.#client.emitText(text, { includeText });
  }

  async #renew(isFirst: boolean): Promise<string> {
    if (isFirst && this.#token !== undefined) return this.#token;
    const { token } = await askOffer();
    if (token === undefined) throw new Error("the hub gives this page no token any more");
    this.#token = token;
    return token;
  }

  /** What the role may hear, at the first welcome and where a later one allows more. */
  #follow(client: NeurographWSClient, welcome: Welcome): void {
    const told = this.#told;
    const { subscriptions } = client.stats();
    const isWanted = (channel: string) =>
      this.may("subscribe", channel) && (subscriptions[channel]?.state ?? "ended") === "ended";
    if (isWanted("metrics")) {
      const options = { from: { last: PAST.metrics }, delivery: "all" } as const;
      client.subscribe("metrics", (_, event) => told.metrics(event), options);
    }
    if (isWanted("signals")) {
      const options = { from: { last: PAST.signals }, delivery: "all", filter: this.#filter } as const;
      this.#signals = client.subscribe("signals", (_, event) => told.signal(event), options);
    }
    if (isWanted("logs")) {
      const options = { from: { last: PAST.logs }, delivery: "all", filter: this.#logFilter } as const;
      this.#logs = client.subscribe("logs", (_, event) => told.log(event), options);
    }
    if (isWanted("status")) client.subscribe("status", (_, event) => told.status(event), { from: "snapshot" });
    told.connected(welcome);
  }
}
