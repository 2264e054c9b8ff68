/**
 * The client's side of the conversation, without sockets, clock or promises: message + now -> effects.
 *
 * Whoever drives it (the shell in `link.ts`, a test) gives it what carries out its effects, and calls `expired` when
 * `deadline` has come. `standing.ts` keeps the connections, `inbox.ts` takes the messages; here is what is asked of it.
 * All times are in seconds of a monotonic clock.
 *
 * A client may have several connections at once, each with a number. How to drive it:
 *
 * - `open(conn)` asks for a socket. Answer with `opened(conn, now)`, `refused(conn, …)` or `failed(conn, …)`, then
 *   `receive(conn, message, now)` for each message in order, and `closed(conn, code, reason, now)` when it is gone, also
 *   after a `drop(conn, …)` of ours: what is said of a connection that was dropped changes nothing.
 * - `tokenReady` or `tokenFailed` answers `ask`.
 * - What is delivered goes to the application's queue of its channel, in order. When it has been handled,
 *   `handled(follow, place, now)` moves the cursor (P5, P7) of the `Follow` that `subscribe` gave. It may be called less
 *   often where no window was asked for, but must be up to date before `opened`, which presents the cursors (R8).
 */

import { AuthError, Closed, Disconnected, type HubError, RequestTimeout } from "./errors.js";
import type { Follow, Options, Start } from "./follow.js";
import { Inbox } from "./inbox.js";
import type { Line } from "./line.js";
import type { Position } from "./positions.js";
import { Own, Request as Question, type Request } from "./requests.js";
import { CLOSE } from "./states.js";

/** H6: how many seconds a hub has to answer after a change of the network, or after sleep. */
const NUDGE_PATIENCE = 3;

export class Session extends Inbox {
  /** Start; without `isPersistent` a first attempt that fails ends in `closed`. */
  connect(now: number, isPersistent: boolean): void {
    if (this.state !== "idle" && this.state !== "closed") {
      this.isPersistent ||= isPersistent;
      return;
    }
    if (this.state === "closed") this.restoring.forget();
    this.isPersistent = isPersistent;
    this.cause = undefined;
    this.credentials.rejections = 0;
    this.begin(now);
  }

  /** End it all; nothing is tried again. 1000 and the reason `forget` kill the session's tokens (R15). */
  close(code = 1000, reason = ""): void {
    if (this.state === "closed") return;
    if (reason === "forget") this.restoring.forget();
    this.end(CLOSE, undefined, new Closed("the client was closed", { code }), code, reason);
  }

  /** Ask the hub something; without a connection in order it is refused, or waits where a send queue was asked for. */
  submit(request: Request, now: number): void {
    const isAway = this.state === "connecting" || this.state === "reconnecting";
    const mayWait = isAway && request.isRepeatable && this.requests.size < this.sendQueue;
    if (this.state === "connected" || mayWait) return this.requests.submit(request, now);
    const text = `not connected (${this.state}): ${request.message.type} was not sent`;
    this.effects.settle(request.ticket, this.cause ?? new Disconnected(text, { temporary: true }), undefined, 0);
  }

  /** Want a channel; `flush` asks for it. */
  subscribe(channel: string, options: Options, start?: Start): Follow {
    return this.follows.add(channel, options, start);
  }

  /** Want channels no more; the ticket is answered when the hub has stopped, at once if it need not be asked. */
  unsubscribe(channels: readonly string[], ticket: unknown, now: number): void {
    const { line } = this;
    const asked: string[] = [];
    for (const channel of channels) {
      const follow = this.follows.remove(channel);
      if (!follow) continue;
      if (line?.asked.has(follow)) asked.push(channel);
      this.recovery.left(follow);
      for (const one of this.lines.values()) one.forget(follow);
    }
    if (line?.isRestored && asked.length && this.state === "connected") this.asking.stop(asked, ticket, line, now);
    else this.effects.settle(ticket, undefined, undefined, 0);
  }

  /** Replace the options of a channel and keep its cursor (M26); it may be done on the next connection. */
  update(channel: string, options: Options, ticket: unknown, now: number): void {
    const follow = this.follows.get(channel) as Follow;
    const { line } = this;
    const merged = { ...follow.options, ...options };
    if (line?.isRestored && !line.isDraining && follow.state === "active") {
      return this.asking.update(follow, merged, ticket, line, now);
    }
    follow.options = merged;
    follow.isStale = true;
    this.effects.settle(ticket, undefined, undefined, 0);
  }

  /** The application has handled everything up to here (P5); what was of a former subscription moves nothing. */
  handled(follow: Follow, place: Position, now: number): void {
    const { cursor } = follow;
    if (!this.follows.isWanted(follow) || (cursor?.epoch === place.epoch && cursor.offset === place.offset)) return;
    follow.cursor = place;
    if (this.acks.count(follow, now)) this.acknowledge();
  }

  // -- the credential

  /** The token source gave a credential; empty means that it has none. */
  tokenReady(token: string, now: number): void {
    const line = this.tokenless;
    this.tokenless = undefined;
    if (!token) {
      const error = new AuthError("the token source gave no credential");
      if (line && line === this.line) {
        this.lines.delete(line.number);
        return this.stop(error, undefined);
      }
      this.effects.tell("error", error);
      return this.notOpened(line, now);
    }
    this.credentials.renewed(token);
    if (line) {
      if (this.lines.has(line.number)) this.effects.open(line.number);
    } else if (this.state === "connected" && this.line) {
      const own = new Own((error: HubError | undefined, _, at: number) => error && this.notLoggedIn(error, at));
      this.requests.submit(new Question({ type: "connect", token }, own, now + this.timeout), now);
    }
  }

  /** The token source raised: as if the attempt had failed; within a connection it is asked again later. */
  tokenFailed(error: HubError, now: number): void {
    const line = this.tokenless;
    this.tokenless = undefined;
    this.effects.tell("error", error);
    this.notOpened(line, now, error);
  }

  // -- time

  /** Bytes came on a connection at that time (H1). */
  heard(conn: number, at: number): void {
    this.lines.get(conn)?.heartbeat.heard(at);
  }

  /** The network changed, sleep ended, or a tab became visible: is the hub still there (H6)? */
  nudge(now: number): void {
    this.retries.hasten(now);
    for (const line of this.lines.values()) {
      if (!line.welcome) continue;
      line.heartbeat.ping(now, NUDGE_PATIENCE);
      this.ping(line, now);
    }
  }

  /** While it waits to try again: try now. */
  tryNow(now: number): void {
    if (this.retries.at !== undefined) this.retries.at = now;
  }

  /** When `expired` wants to be called; never late, sometimes early; infinity for never. */
  deadline(): number {
    const times = [this.retries.at, this.requests.lookAt, this.recovery.deadline()];
    for (const { greetBy, leaveBy, stopAt, heartbeat } of this.lines.values()) {
      times.push(greetBy, leaveBy, stopAt, heartbeat.deadline());
    }
    if (this.state === "connected") {
      times.push(this.credentials.refreshAt, this.switch.at);
      const { line } = this;
      // What waits for its time needs a connection in order too; one that is about to be will be asked again.
      if (line?.isRestored) {
        times.push(this.acks.dueAt);
        for (const follow of this.follows.values()) {
          if (!line.asked.has(follow) || this.follows.isUnheard(follow, line)) times.push(follow.retryAt);
        }
      }
    }
    return Math.min(...times.filter((when) => when !== undefined), Number.POSITIVE_INFINITY);
  }

  /** Do what is due. */
  expired(now: number): void {
    if (this.retries.isDue(now)) this.start(now);
    for (const line of [...this.lines.values()]) this.overdue(line, now);
    this.requests.expired(now);
    for (const line of [...this.lines.values()]) {
      this.beat(line, now);
      this.asking.stopAgain(line, now);
    }
    this.recovery.expired(now);
    if (this.state !== "connected") return;
    const asked = this.credentials.expiring(now);
    if (asked) this.effects.ask(asked);
    this.flush(now);
    if (this.acks.dueAt !== undefined && now >= this.acks.dueAt) this.acknowledge();
    if (this.switch.isDue(now)) this.startSecond(now);
  }

  private overdue(line: Line, now: number): void {
    const { number } = line;
    if (line.leaveBy !== undefined && now >= line.leaveBy) {
      this.effects.drop(number, 1000, "", false);
      return this.parted(line, "finished", 1000, "replaced", now);
    }
    if (line.greetBy === undefined || now < line.greetBy) return;
    if (line.isRestoring) return this.ready(line, now);
    const text = `no welcome within ${this.connectTimeout} s; a hub that takes no anonymous clients waits for a token`;
    this.effects.drop(number, 1000, "", false);
    this.parted(line, "back off", 0, text, now, 0, new RequestTimeout(text, { temporary: true }));
  }

  private beat(line: Line, now: number): void {
    const { number, heartbeat } = line;
    if (!this.lines.has(number)) return;
    const pulse = heartbeat.expired(now);
    if (pulse === "ping") this.ping(line, now);
    if (pulse !== "dead") return;
    this.effects.drop(number, 4208, "timeout", true);
    this.parted(line, "back off", 4208, "no sign of life", now);
  }

  private ping(line: Line, now: number): void {
    this.effects.send(line.number, [{ type: "ping", t: now }]);
  }

  private acknowledge(): void {
    const { line } = this;
    const positions = line?.isRestored ? this.acks.take(line) : undefined;
    if (line && positions) this.effects.send(line.number, [{ type: "ack", positions }]);
  }
}
