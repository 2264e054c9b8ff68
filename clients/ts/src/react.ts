/** Hooks: the state of a client, and what comes of its channels, as React reads it. No provider is needed. */

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { keyOf } from "./core/same.js";
import {
  type ChannelMap,
  type Gap,
  type HubEvent,
  type HubOptions,
  NeurographWSClient,
  type State,
  type SubscribeOptions,
  type Subscription,
} from "./index.js";

/** A client that is made once, connects when the component is shown and is closed when it is gone. */
export function useHub(options: HubOptions): NeurographWSClient {
  const [hub] = useState(() => new NeurographWSClient(options));
  const closing = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    // StrictMode shows twice: what was about to be closed is kept.
    clearTimeout(closing.current);
    // What it is about is told by its state and by `on("error", …)`.
    hub.connect({ retry: true }).catch(() => {});
    return () => {
      closing.current = setTimeout(() => void hub.close());
    };
  }, [hub]);
  return hub;
}

/** The state of a client. */
export function useHubState(hub: NeurographWSClient): State {
  const subscribe = useCallback((changed: () => void) => hub.on("state", changed), [hub]);
  const read = () => hub.state;
  return useSyncExternalStore(subscribe, read, read);
}

interface Snapshot {
  readonly events: readonly HubEvent[];
  readonly gap: Gap | undefined;
  readonly state: string;
}

const NOTHING: Snapshot = { events: [], gap: undefined, state: "pending" };

/** A subscription that several components read; it lives as long as one of them does. */
class Store {
  /** What React reads: replaced at most once per frame. */
  snapshot: Snapshot = NOTHING;
  limit = 1;
  #events: HubEvent[] = [];
  #gap: Gap | undefined;
  #listeners = new Set<() => void>();
  #subscription: Subscription | undefined;
  #frame = false;
  #ending: ReturnType<typeof setTimeout> | undefined;
  #unlisten: (() => void)[] = [];

  constructor(
    readonly hub: NeurographWSClient,
    readonly channel: string,
    readonly options: SubscribeOptions,
    readonly gone: () => void,
  ) {}

  subscribe = (listener: () => void): (() => void) => {
    clearTimeout(this.#ending);
    this.#listeners.add(listener);
    if (!this.#subscription) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      // Whoever comes in the same turn goes on with it.
      if (!this.#listeners.size) this.#ending = setTimeout(() => this.#end());
    };
  };

  #begin(): void {
    const took = (_: unknown, event: HubEvent) => {
      this.#events = [event, ...this.#events].slice(0, this.limit);
      this.#changed();
    };
    this.#subscription = this.hub.subscribe<unknown>(this.channel, took, this.options);
    this.#unlisten = [
      this.hub.on("state", () => this.#changed()),
      this.hub.on("gap", (gap) => {
        if (gap.channel !== this.channel) return;
        this.#gap = gap;
        this.#changed();
      }),
    ];
    void this.#subscription.ready().then(
      () => this.#changed(),
      () => this.#changed(),
    );
  }

  #end(): void {
    for (const unlisten of this.#unlisten) unlisten();
    this.#subscription?.leave();
    this.#subscription = undefined;
    this.gone();
  }

  #changed(): void {
    if (this.#frame) return;
    this.#frame = true;
    const draw = globalThis.requestAnimationFrame ?? ((then: () => void) => setTimeout(then, 16));
    draw(() => {
      this.#frame = false;
      this.snapshot = { events: this.#events, gap: this.#gap, state: this.#subscription?.state ?? "ended" };
      for (const listener of this.#listeners) listener();
    });
  }
}

const stores = new WeakMap<NeurographWSClient, Map<string, Store>>();

/** Options that are equal by value share one subscription. */
function useStore(hub: NeurographWSClient, channel: string, options: SubscribeOptions, limit: number): Store {
  const key = keyOf([channel, options]);
  const ofHub = stores.get(hub) ?? new Map<string, Store>();
  stores.set(hub, ofHub);
  let store = ofHub.get(key);
  if (!store) {
    store = new Store(hub, channel, options, () => ofHub.delete(key));
    ofHub.set(key, store);
  }
  store.limit = Math.max(store.limit, limit);
  return store;
}

/** The newest events of a channel, newest first, at most `limit` (100) of them, and the last gap. */
export function useChannel<C extends keyof ChannelMap>(
  hub: NeurographWSClient,
  channel: C,
  { limit = 100, ...options }: SubscribeOptions & { limit?: number } = {},
): { events: readonly HubEvent<ChannelMap[C]>[]; gap: Gap | undefined; state: string } {
  const store = useStore(hub, channel, options, limit);
  const snapshot = useSyncExternalStore(
    store.subscribe,
    () => store.snapshot,
    () => NOTHING,
  );
  return { ...snapshot, events: snapshot.events.slice(0, limit) as readonly HubEvent<ChannelMap[C]>[] };
}

/** The newest data of a channel, or what `select` takes of it: of the newest event where it takes something. */
export function useLatest<C extends keyof ChannelMap, R = ChannelMap[C]>(
  hub: NeurographWSClient,
  channel: C,
  select: (data: ChannelMap[C]) => R | undefined = (data) => data as unknown as R,
  options: SubscribeOptions = {},
): R | undefined {
  // Of one frame the newest comes first: all of them are looked at, up to the one that was seen last.
  const store = useStore(hub, channel, options, 100);
  const last = useRef<{ event: HubEvent | undefined; value: R | undefined }>({ event: undefined, value: undefined });
  const read = () => {
    const { events } = store.snapshot;
    const seen = events.indexOf(last.current.event as HubEvent);
    const news = seen < 0 ? events : events.slice(0, seen);
    const value = news.map((event) => select(event.data as ChannelMap[C])).find((one) => one !== undefined);
    if (news.length) last.current = { event: news[0], value: value ?? last.current.value };
    return last.current.value;
  };
  return useSyncExternalStore(store.subscribe, read, () => undefined);
}
