/** What each message of the hub does, on whichever connection it came. */

import type { Unread } from "../types.js";
import { AuthError, errorFrom, type HubError, ProtocolViolation, type WireError } from "./errors.js";
import type { Line } from "./line.js";
import { Standing } from "./standing.js";
import type { Gap, HubEvent, Message, Welcome } from "./wire.js";

/** L11: no message of the hub is larger than `limits.decoded` and this. */
const MESSAGE_MARGIN = 65_536;

/** Section 12, for a hub that leaves it out. */
const DECODED = 8 << 20;

export class Inbox extends Standing {
  /** Take one message of the hub; what cannot be understood is told and otherwise ignored. */
  receive(conn: number, message: unknown, now: number): void {
    const line = this.lines.get(conn);
    if (!line) return;
    this.received++;
    try {
      this.take(line, message as Message, now);
    } catch (fault) {
      this.misread(line, `${fault}`, Object(message), now);
    }
  }

  /**
   * A message came of which nothing but some members can be told. Who waits for it is told at once; in the place of an
   * event stands a gap, for it would not be any better the next time. Where nothing is known of what came behind it, the
   * connection is given up, and the next one goes on at the cursors.
   */
  unread(conn: number, { seen, why, isEndless }: Unread, now: number): void {
    const line = this.lines.get(conn);
    if (!line) return;
    this.received++;
    const { type, channel, offset } = seen;
    if (type !== "event" || typeof channel !== "string") this.misread(line, why, seen, now);
    else if (this.stream.unread(line, channel, offset, why, now)) this.unreadable++;
    if (!isEndless || !this.lines.has(conn)) return;
    this.effects.drop(conn, 1000, "", false);
    this.parted(line, "back off", 0, `what came behind a message that cannot be read is not known: ${why}`, now);
  }

  /** Something came that does not read as the protocol says: the call that it answers fails at once, else it is told. */
  private misread(line: Line, why: string, { type, id }: Partial<Message>, now: number): void {
    const error = new ProtocolViolation(`the hub sent a message that does not read as the protocol says: ${why}`);
    this.unreadable++;
    if (type !== "event" && this.requests.misread(id, error, now, line.number)) this.leave(line);
    else this.effects.tell("error", error);
  }

  private take(line: Line, message: Message, now: number): void {
    const { type, id } = message;
    if (typeof type !== "string") throw new TypeError("type: expected a string");
    if (type === "event") return this.stream.event(line, message as unknown as HubEvent & { position: string }, now);
    if (type === "gap") return this.stream.gap(line, message as unknown as Gap);
    if (type === "welcome") return this.onWelcome(line, message as Welcome, now);
    if (type === "reconnection_token" && line.leaveBy === undefined) this.restoring.tokenCame(message);
    if (id !== undefined) return this.onAnswer(line, message, now);
    if (type === "ack") this.stream.watermark(line, message["positions"] as Record<string, string>);
    else if (type === "unsubscribed") this.onUnsubscribed(line, message, now);
    else if (type === "goaway") this.onGoAway(line, message, now);
    else if (type === "error") {
      if (line.leaveBy === undefined) this.effects.tell("error", errorFrom(message as WireError));
    } else if (type === "pong" && typeof message["t"] === "number") this.rtt = now - message["t"];
  }

  private onAnswer(line: Line, message: Message, now: number): void {
    this.requests.answer(message, now, this.draw(), line.number);
    this.leave(line);
  }

  private onWelcome(line: Line, message: Welcome & { resumed: boolean }, now: number): void {
    const { heartbeat, limits, role, expires_in: expiresIn } = message;
    if (typeof role !== "string") throw new TypeError("role: expected a string");
    // A later `connect` is answered too, and the session that was resumed stays so.
    message.resumed ||= !!line.welcome?.resumed;
    line.welcome = message;
    Object.assign(line.heartbeat, { interval: heartbeat?.interval ?? 30, timeout: heartbeat?.timeout ?? 10 });
    this.effects.limit(line.number, (limits?.decoded ?? DECODED) + MESSAGE_MARGIN);
    if (line.leaveBy !== undefined) return;
    this.credentials.accepted(expiresIn, now);
    this.requests.inFlight = limits?.in_flight ?? 256;
    this.follows.revive(message, line);
    if (line.isRestored) this.welcome = message;
    if (line.isRestored || line.isRestoring || message.id !== undefined) {
      this.onAnswer(line, message, now);
      this.flush(now);
    } else {
      this.restoring.greeted(line, now);
      this.readyIfDone(line, now);
    }
  }

  private onUnsubscribed(line: Line, message: Message, now: number): void {
    const { channels, code, reason } = message as unknown as { channels: string[]; code: number; reason: string };
    if (!code || line !== this.line) return;
    for (const channel of channels) this.follows.withdrawn(channel, code, `${reason}`, line, now, this.draw());
  }

  private onGoAway(line: Line, message: Message, now: number): void {
    line.isDraining = true;
    if (line !== this.line || this.second) return;
    const { reason = "", reconnect_in: window } = message as unknown as {
      reason?: string;
      reconnect_in: [number, number];
    };
    if (!this.autoReconnect) return this.effects.tell("goaway", { reason });
    const isNews = this.switch.at === undefined;
    this.switch.within(window, now);
    if (isNews) this.effects.tell("goaway", { reason, within: window[1] });
  }

  protected notLoggedIn(error: HubError, now: number): void {
    this.effects.tell("error", error);
    if (!(error instanceof AuthError) || !this.credentials.rejected()) return;
    const asked = this.credentials.needed(now);
    if (asked) this.effects.ask(asked);
  }
}
