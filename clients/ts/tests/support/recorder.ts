/** The effects of a session, written down in the form of the shared vectors. */

import type { Effects, Tellings } from "../../src/core/effects.js";
import { HubError } from "../../src/core/errors.js";
import type { Item, Message } from "../../src/core/wire.js";

export type Neutral = Record<string, unknown>;

/** Told to people on the way; the vectors hold what a client has to do. */
const NOTICES = new Set<string>(["goaway", "switched"]);

const kind = (error: unknown): Neutral => (error instanceof HubError ? { error: error.name } : {});

export class Recorder implements Effects {
  /** The connection opened last: what is of it is not numbered. */
  newest = 0;
  private written: [number | undefined, Neutral][] = [];

  /** What was asked since the last call. */
  take(): Neutral[] {
    const taken = this.written.map(([conn, effect]) => {
      return conn === undefined || conn === this.newest ? effect : { ...effect, conn };
    });
    this.written = [];
    return taken;
  }

  private write(effect: Neutral, conn?: number): void {
    this.written.push([conn, effect]);
  }

  send(conn: number, messages: readonly Message[]): void {
    this.write({ send: [...messages] }, conn);
  }
  open(conn: number): void {
    this.newest = conn;
    this.write({ open: true });
  }
  drop(conn: number, code: number, reason: string, isAbrupt: boolean): void {
    this.write({ drop: code, ...(reason === "forget" ? { reason } : {}), abrupt: isAbrupt }, conn);
  }
  limit(conn: number, bytes: number): void {
    this.write({ limit: bytes }, conn);
  }
  ask(request: { reason: string; attempt: number }): void {
    this.write({ ask: request.reason, attempt: request.attempt });
  }
  settle(ticket: unknown, error: HubError | undefined, _answer: Message | undefined, took: number): void {
    this.write(error ? { reject: ticket, ...kind(error) } : { resolve: ticket, took });
  }
  sub(channel: string, state: string, error?: HubError): void {
    this.write({ sub: channel, state, ...kind(error) });
  }
  recovered(channel: string, isWhole: boolean): void {
    this.write({ recovered: channel, whole: isWhole });
  }
  deliver(item: Item): void {
    const { channel } = item;
    if (item.type === "gap") {
      const { from, to, missed, reason } = item;
      this.write({ gap: channel, from, to, missed, reason });
    } else this.write({ [item.type]: channel, position: item.position });
  }
  tell<K extends keyof Tellings>(name: K, value: Tellings[K]): void {
    if (!NOTICES.has(name)) this.write({ tell: wireName(name), ...about(name, value) });
  }
}

/** The vectors have the names of the protocol. */
const wireName = (name: string): string => (name === "reconnectionToken" ? "reconnection_token" : name);

function about(name: string, value: unknown): Neutral {
  if (name === "state") {
    const { old, new: next, retryIn } = value as Tellings["state"];
    return { old, new: next, ...(retryIn === undefined ? {} : { retry_in: retryIn }) };
  }
  if (name === "resumed") return { ...(value as Tellings["resumed"]) };
  if (name === "reconnectionToken") return { token: (value as Tellings["reconnectionToken"]).token };
  return kind(value);
}
