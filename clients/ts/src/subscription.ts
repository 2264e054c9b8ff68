/** One subscription as the application sees it: a bounded queue, a handler or an iterator, and a cursor. */

import type { Form } from "./content.js";
import { Closed, type HubError, QueueOverflow } from "./core/errors.js";
import type { Options } from "./core/follow.js";
import type { SubState } from "./core/states.js";
import { endOf, type Gap, type HubEvent, type Item } from "./core/wire.js";
import { wireOptions } from "./options.js";
import { Queue } from "./queue.js";
import type { SubscribeOptions, SubscriptionStats, UpdateOptions } from "./types.js";

/** What a subscription asks of its client. */
export interface Owner {
  /** How what is given is written. */
  readonly form: Form;
  /** End it at the hub, if it has not ended there. */
  leave(subscription: Subscription): Promise<void>;
  /** Replace options at the hub. */
  update(subscription: Subscription, options: Options): Promise<void>;
  /** An item was handled, where that has to be known at once. */
  handled(subscription: Subscription, position: string): void;
  /** Tell the application of an error nobody awaits. */
  report(error: unknown): void;
}

export type Handler<T> = (data: T, item: HubEvent<T>) => unknown;

/**
 * A channel that is followed. Give it a handler, or iterate it; `ready` tells that it is active. Its queue is bounded
 * and shows itself: `queued` and `dropped`. What was dropped stands in the stream as a gap.
 */
export class Subscription<T = unknown, I = HubEvent<T>> implements AsyncIterable<I> {
  state: SubState = "pending";
  /** Whether nothing was missed over the last reconnect; undefined while it is not known. */
  recovered: boolean | undefined;
  /** What ended it. */
  error: HubError | undefined;
  handled = 0;
  failures = 0;
  /** The cursor: everything up to here was handled or is told as a gap (P5, P7). */
  #cursor: Item | undefined;
  readonly #owner: Owner;
  #handler: Handler<T> | undefined;
  #options: SubscribeOptions = {};
  #size = 0;
  #updating: Promise<void> | undefined;
  /** Whether the owner has to know of each item at once: for acknowledgements. */
  #isWatched = false;
  readonly #queue: Queue = new Queue();
  #given: Item | undefined;
  #isBusy = false;
  /** The handler failed at what it had in hand, and is given nothing more: that was not handled. */
  #hasStopped = false;
  #waiters: (() => void)[] = [];

  /** @internal */
  constructor(
    readonly channel: string,
    owner: Owner,
    position: string | undefined,
  ) {
    this.#owner = owner;
    if (position !== undefined) this.#cursor = { type: "cursor", channel, position };
  }

  get position(): string | undefined {
    return this.#cursor && endOf(this.#cursor);
  }

  /** Events that did not fit, and were told as gaps. */
  get dropped(): number {
    return this.#queue.dropped;
  }

  /** Items that wait for the handler or the iterator. */
  get queued(): number {
    return this.#queue.items.length;
  }

  /** Until it is active; raises what ended it. */
  async ready(): Promise<void> {
    while (this.state !== "active") {
      if (this.state === "ended") throw this.error ?? new Closed(`${this.channel} was unsubscribed`);
      await this.#change();
    }
  }

  /**
   * Replace options and keep the cursor (M26); resolves when the hub has switched. What is left out stays as it is.
   * Without a connection it resolves at once, and the next hub is told: what that one never takes ends the subscription.
   */
  async update(options: UpdateOptions): Promise<void> {
    const wire = wireOptions(options, this.#owner.form);
    this.#isWatched ||= !!options.ack;
    // One at a time: each builds on what the hub has taken of the one before.
    while (this.#updating) await this.#updating.catch(() => {});
    const updating = this.#owner.update(this as Subscription, wire);
    this.#updating = updating;
    try {
      await updating;
    } finally {
      this.#updating = undefined;
    }
  }

  /** End it; what is queued is dropped. */
  unsubscribe(): Promise<void> {
    return this.#owner.leave(this as Subscription);
  }

  [Symbol.dispose](): void {
    this.leave();
  }

  /** @internal End it where nobody waits for the hub: what it answers instead is told. */
  leave(): void {
    this.unsubscribe().catch((error: unknown) => this.#owner.report(error));
  }

  [Symbol.asyncIterator](): AsyncIterator<I, undefined> {
    if (this.#handler) throw new TypeError(`${this.channel} has a handler; iterate a subscription without one`);
    return {
      next: () => this.#next(),
      return: async () => ({ done: true, value: undefined }),
    };
  }

  /** The next item; what was given before counts as handled now. */
  async #next(): Promise<IteratorResult<I, undefined>> {
    if (this.#given) this.#settle(this.#given);
    this.#given = undefined;
    for (;;) {
      const item = this.#queue.items.shift();
      if (item && this.#isShown(item)) {
        this.#given = item;
        return { done: false, value: item as I };
      }
      if (item) this.#settle(item);
      else if (this.state !== "ended") await this.#change();
      else if (this.error) throw this.error;
      else return { done: true, value: undefined };
    }
  }

  stats(): SubscriptionStats {
    const { state, position, queued, dropped, handled, failures } = this;
    return { state, position, queued, dropped, handled, failures };
  }

  // -- what the client tells

  /** @internal Somebody follows it: the handler gets what has come since it was restored. */
  takeUp(handler: Handler<T> | undefined, options: SubscribeOptions, isWatched: boolean): void {
    this.#handler = handler;
    this.#options = options;
    this.#size = options.queueSize ?? 1000;
    this.#isWatched = isWatched;
    this.#work();
  }

  /** @internal The session moved it. */
  change(state: SubState, error: HubError | undefined): void {
    if (state === "suspended") this.recovered = undefined;
    this.state = state;
    this.error = error;
    if (error && this.#handler) this.#owner.report(error);
    this.#wake();
    // A right came back (C17): what had come before is still to be handled.
    this.#work();
  }

  /** @internal Hand an item to the handler, or queue it; a moved cursor keeps its place among the events (P7). */
  deliver(item: Item): void {
    if (this.state === "ended") return;
    const { items } = this.#queue;
    if (items.length >= this.#size && item.type !== "cursor") {
      const { onFull = "gap" } = this.#options;
      if (onFull === "gap") this.#queue.dropOldest();
      if (onFull === "error") {
        const text = `${this.channel}: ${this.#size} items wait for a handler that is slower than the channel`;
        this.change("ended", new QueueOverflow(text, { channel: this.channel }));
        return this.leave();
      }
    }
    this.#queue.put(item);
    this.#work();
    this.#wake();
  }

  /** @internal It was unsubscribed: nothing more is handed over, save what was queued before an error ended it. */
  discard(): void {
    if (this.state === "ended") return;
    this.#queue.items = [];
    this.change("ended", undefined);
  }

  // -- handling

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Handle what is queued, one at a time; a handler that has to be awaited goes on later. */
  #work(): void {
    const { items } = this.#queue;
    while (!this.#isBusy && items === this.#queue.items) {
      const [item] = items;
      // Without a handler only cursors that nothing stands before can be settled here.
      if (!item || !(this.#handler || (item.type === "cursor" && !this.#given))) return;
      items.shift();
      const waiting = this.#call(item);
      if (!waiting) this.#settle(item);
      else {
        this.#isBusy = true;
        waiting.then(
          () => this.#done(item),
          (fault: unknown) => {
            this.#failed(fault);
            this.#done(item);
          },
        );
      }
    }
  }

  #done(item: Item): void {
    this.#isBusy = false;
    this.#settle(item);
    this.#work();
  }

  #call(item: Item): PromiseLike<unknown> | undefined {
    if (!this.#isShown(item)) return undefined;
    this.#isBusy = true;
    try {
      const result = this.#handler?.((item as HubEvent<T>).data, item as HubEvent<T>);
      return typeof (result as PromiseLike<unknown> | undefined)?.then === "function"
        ? (result as Promise<unknown>)
        : undefined;
    } catch (fault) {
      this.#failed(fault);
      return undefined;
    } finally {
      this.#isBusy = false;
    }
  }

  #failed(fault: unknown): void {
    this.failures++;
    this.#owner.report(fault);
    if (this.#options.onError !== "stop") return;
    this.#hasStopped = true;
    this.discard();
    this.leave();
  }

  #settle(item: Item): void {
    if (this.#hasStopped) return;
    if (item.type === "event") this.handled++;
    this.#cursor = item;
    if (this.#isWatched || this.state === "ended") this.#owner.handled(this as Subscription, endOf(item));
  }

  #isShown(item: Item): boolean {
    return item.type === "event" || (item.type === "gap" && !!this.#options.gaps);
  }
}

/** A subscription with `gaps: true`: gaps stand among the events, in the place of what is missing. */
export type GapSubscription<T> = Subscription<T, HubEvent<T> | Gap>;
