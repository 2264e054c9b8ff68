/** How a connection comes in order: resumed by its reconnection token, else asked for channel by channel (R3, R14). */

import type { Asking } from "./asking.js";
import type { Effects } from "./effects.js";
import type { HubError } from "./errors.js";
import type { Follow } from "./follow.js";
import type { Follows } from "./follows.js";
import type { Line } from "./line.js";
import { Own, type Requests } from "./requests.js";
import { keyOf } from "./same.js";
import type { Message, Told, Welcome } from "./wire.js";

export interface RestoringOptions {
  readonly timeout: number;
  readonly client?: Readonly<Record<string, string>> | undefined;
  readonly token?: string | undefined;
  readonly isResumable: boolean;
  /** Everything may be followed now. */
  readonly answered: (line: Line, now: number) => void;
  readonly notResumed: (line: Line, error: HubError, now: number) => void;
}

export class Restoring {
  /** The newest token of the session. */
  token: string | undefined;
  /** A token of a former client: what it restores is kept for who takes it up here. */
  private adopts: boolean;

  constructor(
    private readonly effects: Effects,
    private readonly follows: Follows,
    private readonly requests: Requests,
    private readonly asking: Asking,
    private readonly options: RestoringOptions,
  ) {
    this.token = options.token;
    this.adopts = options.token !== undefined;
  }

  /** The session is over: the next connection starts one of its own. */
  forget(): void {
    this.token = undefined;
    this.adopts = false;
  }

  /** The upgrade is done: present the token with the cursors of what was handled (R8). */
  begin(line: Line, now: number): void {
    if (this.token === undefined) return;
    line.isResuming = true;
    const positions = this.follows.positions(this.adopts);
    const message = { type: "connect", resume: this.token, ...(positions && { positions }), ...this.named() };
    const own = new Own((error, answer, at) => {
      if (error) return this.options.notResumed(line, error, at);
      this.resumed(line, answer as unknown as Welcome, at);
      this.options.answered(line, at);
    });
    this.asking.submit(line, message, own, now);
  }

  /** The first welcome: ask for everything, unless the answer to a resume says more. */
  greeted(line: Line, now: number): void {
    if (line.isResuming) return;
    this.requests.together(line.number, now, () => {
      const named = this.named();
      // That the hub did not take a name is no secret.
      const tell = new Own((error) => error && this.effects.tell("error", error));
      if (named) this.asking.submit(line, { type: "connect", ...named }, tell, now);
      this.rest(line, now);
      // A hub without resumption refuses it, which changes nothing: the positions are enough.
      if (this.options.isResumable) this.asking.submit(line, { type: "get_reconnection_token" }, new Own(), now);
    });
  }

  /** A token was given or pushed; the newest counts. */
  tokenCame(message: Message): void {
    const { token, expires_in: expiresIn } = message as unknown as { token: string; expires_in?: number };
    if (typeof token !== "string") throw new TypeError("token: expected a string");
    this.token = token;
    this.effects.tell("reconnectionToken", { token, expiresIn: expiresIn ?? 0 });
  }

  /** The session goes on here: its channels start at their cursors (P4), what was changed meanwhile follows. */
  private resumed(line: Line, message: Welcome, now: number): void {
    line.isResuming = false;
    line.isResumed = true;
    const unwanted: string[] = [];
    for (const [channel, told] of Object.entries(message.subscriptions ?? {})) {
      const follow = this.restored(channel, told);
      if (follow) this.asking.started(follow, told, line, now);
      else unwanted.push(channel);
    }
    this.adopts = false;
    // Channels that today's rights no longer allow end like a refused subscribe (R7).
    this.asking.refuse(message.errors, line, now);
    this.requests.together(line.number, now, () => {
      this.asking.stop(unwanted, undefined, line, now);
      this.asking.renew(line, now);
      this.rest(line, now);
    });
  }

  /** The record a restored channel belongs to; none where it was unsubscribed, or subscribed anew, meanwhile. */
  private restored(channel: string, told: Told): Follow | undefined {
    const follow = this.follows.get(channel);
    if (!follow || follow.state === "ended") return this.adopts ? this.follows.adopt(channel, told) : undefined;
    // The hub goes on where the former one stood, and by its options.
    if (!follow.isKnown && !(this.adopts && !follow.beginsBefore(told))) return undefined;
    const isTakenUp = this.adopts && Object.keys(follow.options).length > 0;
    follow.isStale ||= isTakenUp || differs(follow, told);
    return follow;
  }

  /** The token is no longer good: go on by the positions, which recover just as much (R14). */
  refused(line: Line, error: HubError, now: number): void {
    line.isResuming = false;
    if (this.adopts) {
      // The subscriptions of a former client are lost with it, and not the places that are kept.
      const hasPlaces = this.follows.places.size || this.follows.live().some((follow) => follow.cursor);
      const way = hasPlaces ? "by its positions" : "as a new session";
      const text = `${error.message}: the session of reconnectionToken was not resumed, the client goes on ${way}`;
      this.effects.tell("error", new (error.constructor as typeof HubError)(text, error));
    }
    this.forget();
    if (line.welcome) this.greeted(line, now);
  }

  private rest(line: Line, now: number): void {
    line.isRestoring = true;
    line.greetBy = now + this.options.timeout;
    this.asking.ask(line, now);
  }

  private named(): { client: Readonly<Record<string, string>> } | undefined {
    return this.options.client && { client: this.options.client };
  }
}

/** Whether the hub restored other options than were asked for: a token may be older than the last change (R4). */
function differs({ options }: Follow, told: Told): boolean {
  const isOther = (name: keyof Told) => keyOf(told[name]) !== keyOf(options[name]);
  return (
    (["delivery", "on_slow"] as const).some((name) => name in options && isOther(name)) ||
    (["max_rate", "ack", "filter"] as const).some(isOther)
  );
}
