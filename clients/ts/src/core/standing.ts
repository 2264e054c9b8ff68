/**
 * Where a client stands: its state, its connections, and what their coming and going does.
 *
 * At most one connection matters (`line`); beside it one may be on its way to take over (`second`), and those that were
 * replaced finish what they had accepted. Only `step` changes the state, by the table in `states.ts`.
 */

import { Acks } from "./acks.js";
import { Asking } from "./asking.js";
import { errorOf, type Remedy, remedyOfClose, remedyOfRefusal, TAKEN_OVER } from "./closing.js";
import { Credentials } from "./credentials.js";
import type { Effects } from "./effects.js";
import { type HubError, Misconfigured } from "./errors.js";
import { Follows } from "./follows.js";
import { Line } from "./line.js";
import { BACKOFF, type Backoff, Retries } from "./policy.js";
import { Recovery } from "./recovery.js";
import { Requests } from "./requests.js";
import { Restoring } from "./restoring.js";
import { CLOSE, CONNECT, type Happening, LOST, REJECTED, STOPPED, type State, TRANSITIONS, WELCOME } from "./states.js";
import { Stream } from "./stream.js";
import type { Welcome } from "./wire.js";

/** How many seconds a connection that was replaced may still answer (R12) before it is closed from here (R11). */
const LEAVE_WITHIN = 5;

/** Times are in seconds; `draw` is the only randomness, each draw from 0 to 1. */
export interface SessionOptions {
  readonly draw: () => number;
  readonly backoff?: Partial<Backoff> | undefined;
  readonly token?: string | undefined;
  readonly isRenewable?: boolean | undefined;
  readonly autoReconnect?: boolean | undefined;
  readonly connectTimeout?: number | undefined;
  readonly timeout?: number | undefined;
  /** Requests that wait while there is no connection, at most so many. */
  readonly sendQueue?: number | undefined;
  readonly client?: Readonly<Record<string, string>> | undefined;
  readonly reconnectionToken?: string | undefined;
  readonly isResumable?: boolean | undefined;
  readonly positions?: Readonly<Record<string, string>> | undefined;
}

export class Standing {
  state: State = "idle";
  welcome: Welcome | undefined;
  /** What closed it. */
  cause: HubError | undefined;
  /** Seconds from the last ping to its answer. */
  rtt: number | undefined;
  received = 0;
  reconnects = 0;
  switches = 0;
  unreadable = 0;
  readonly follows: Follows;
  readonly requests: Requests;
  readonly recovery: Recovery;
  readonly acks: Acks = new Acks();
  readonly stream: Stream;
  readonly credentials: Credentials;
  readonly asking: Asking;
  readonly restoring: Restoring;
  readonly lines: Map<number, Line> = new Map();
  protected isPersistent = false;
  protected line: Line | undefined;
  protected second: Line | undefined;
  /** The attempt that waits for a credential. */
  protected tokenless: Line | undefined;
  protected readonly retries: Retries;
  /** When a connection is replaced before it ends (M50, M51). */
  protected readonly switch: Retries;
  protected readonly draw: () => number;
  protected readonly timeout: number;
  protected readonly connectTimeout: number;
  protected readonly autoReconnect: boolean;
  protected readonly sendQueue: number;
  private lastNumber = 0;

  constructor(
    protected readonly effects: Effects,
    options: SessionOptions,
  ) {
    const { draw, timeout = 5, connectTimeout = 10, autoReconnect = true, sendQueue = 0 } = options;
    const backoff = { ...BACKOFF, ...options.backoff };
    const answered = (line: Line, now: number) => this.readyIfDone(line, now);
    const notResumed = (line: Line, error: HubError, now: number) => this.notResumed(line, error, now);
    const { client, reconnectionToken: token, isResumable = true } = options;
    this.draw = draw;
    this.timeout = timeout;
    this.connectTimeout = connectTimeout;
    this.autoReconnect = autoReconnect;
    this.sendQueue = sendQueue;
    this.retries = new Retries(backoff, draw);
    this.switch = new Retries({ ...backoff, maxAttempts: BACKOFF.maxAttempts }, draw);
    this.credentials = new Credentials(options.token, !!options.isRenewable);
    this.follows = new Follows(effects, options.positions);
    this.requests = new Requests(effects);
    this.recovery = new Recovery(effects);
    this.stream = new Stream(effects, this.follows, this.acks, this.recovery);
    this.asking = new Asking(effects, this.follows, this.requests, this.recovery, draw, timeout, answered);
    const restoring = { timeout, client, token, isResumable, answered, notResumed };
    this.restoring = new Restoring(effects, this.follows, this.requests, this.asking, restoring);
  }

  /** The number of the connection that requests go to; none while there is none in order. */
  get conn(): number | undefined {
    return this.line?.isRestored ? this.line.number : undefined;
  }

  /** Ask for the channels that are wanted and not asked for yet, and for options that were taken up later. */
  flush(now: number): void {
    const { line } = this;
    if (!line?.isRestored && !line?.isRestoring) return;
    this.asking.ask(line, now);
    this.asking.renew(line, now);
  }

  // -- attempts

  protected start(now: number): void {
    this.line = this.newLine();
    this.open(this.line, now);
  }

  /** Open the connection that takes over while the first still works (M51). */
  protected startSecond(now: number): void {
    if (this.second || !this.line?.isRestored) return;
    this.second = this.newLine();
    this.second.isSecond = true;
    this.open(this.second, now);
  }

  private newLine(): Line {
    const line = new Line(++this.lastNumber);
    this.lines.set(line.number, line);
    return line;
  }

  private open(line: Line, now: number): void {
    const asked = this.credentials.needed(now);
    if (!asked) return this.effects.open(line.number);
    this.tokenless = line;
    this.effects.ask(asked);
  }

  /** There is no credential to open a connection with. */
  protected notOpened(line: Line | undefined, now: number, error?: HubError): void {
    if (!line || !this.lines.has(line.number)) return;
    if (line !== this.line || !error) return this.parted(line, "back off", 0, "no credential", now);
    this.lines.delete(line.number);
    this.line = undefined;
    this.retry(error, "back off", now);
  }

  /** The upgrade is done: a session that can be resumed says so at once, else the hub speaks first (C13, C14). */
  opened(conn: number, now: number): void {
    const line = this.lines.get(conn);
    if (!line) return;
    line.isOpen = true;
    if (line === this.second && this.line) this.line.isContested = true;
    line.greetBy = now + this.connectTimeout;
    line.heartbeat.start(now);
    this.restoring.begin(line, now);
  }

  /** A connection ended with a close code; 1006 where there was none. */
  closed(conn: number, code: number, reason: string, now: number): void {
    const text = code === 1006 ? reason || "connection lost (no close frame)" : `${code} ${reason}`.trim();
    this.gone(conn, remedyOfClose(code), code, text, now);
  }

  /** An HTTP answer came in place of the upgrade. */
  refused(conn: number, status: number, detail: string, now: number, retryAfter = 0): void {
    const text = `HTTP ${status} in place of the upgrade ${detail}`.trim();
    this.gone(conn, remedyOfRefusal(status), status, text, now, retryAfter);
  }

  /** There was no connection at all; `isFinal` where there will never be one, which ends the client. */
  failed(conn: number, text: string, now: number, isFinal = false): void {
    this.gone(conn, isFinal ? "stop" : "back off", 0, text, now, 0, isFinal ? new Misconfigured(text) : undefined);
  }

  // -- ending

  protected step(happening: Happening, code?: number, reason = "", retryIn?: number): void {
    const { state: old } = this;
    this.state = TRANSITIONS[old][happening];
    if (old === this.state && retryIn === undefined) return;
    this.effects.tell("state", { old, new: this.state, code, reason, retryIn });
  }

  protected gone(
    conn: number,
    remedy: Remedy,
    code: number,
    text: string,
    now: number,
    atLeast = 0,
    error?: HubError,
  ): void {
    const line = this.lines.get(conn);
    if (line) this.parted(line, remedy, code, text, now, atLeast, error);
  }

  /** A connection is gone, or never came; which one it was says what that means. */
  protected parted(
    line: Line,
    remedy: Remedy,
    code: number,
    text: string,
    now: number,
    atLeast = 0,
    why?: HubError,
  ): void {
    this.lines.delete(line.number);
    if (line === this.second) return this.secondFailed(line, remedy, now, atLeast);
    if (line !== this.line) {
      this.requests.lost(line.number, false, now);
      if (this.requests.conn !== undefined) this.requests.restored(this.requests.conn, now);
      return;
    }
    const does = code === TAKEN_OVER && line.isContested ? "back off" : remedy;
    const error = why ?? errorOf(does, code, text);
    const { second } = this;
    if (second && (does === "back off" || does === "window")) this.handedOver(line, second, error, now);
    else this.lost(line, does, error, now, atLeast);
  }

  /** The first connection is kept, and another is opened later. */
  private secondFailed(line: Line, remedy: Remedy, now: number, atLeast: number): void {
    this.second = undefined;
    if (remedy === "credential") this.credentials.rejected();
    this.switch.plan(now, "back off", atLeast);
    this.requests.lost(line.number, false, now);
  }

  /**
   * The first connection ended before the second was in order. One that is open has said its resume, which is why the
   * first ended (R11): its answer is on the way and nothing is told. Else the second becomes the attempt of an ordinary
   * reconnect.
   */
  private handedOver(line: Line, second: Line, error: HubError, now: number): void {
    this.line = second;
    this.second = undefined;
    if (second.isOpen) return this.requests.lost(line.number, false, now);
    second.isSecond = false;
    this.suspend(line, now);
    this.effects.tell("disconnected", error);
    this.step(LOST, error.code, error.message, 0);
  }

  /** Nothing is connected: what was asked is asked anew, what is followed is safe at its place. */
  private suspend(line: Line, now: number): void {
    this.settleDown();
    if (this.state === "connected") this.recovery.lost(now);
    this.follows.suspend();
    this.requests.lost(line.number, true, now);
    for (const { number } of [...this.lines.values()].filter((other) => other !== this.line)) {
      this.lines.delete(number);
      this.effects.drop(number, 1000, "", false);
      this.requests.lost(number, true, now);
    }
  }

  private lost(line: Line, remedy: Remedy, error: HubError, now: number, atLeast: number): void {
    const left = this.switch.at === undefined ? undefined : Math.max(0, this.switch.at - now);
    const wasConnected = this.state === "connected";
    this.line = this.second = undefined;
    this.suspend(line, now);
    if (wasConnected) this.effects.tell("disconnected", error);
    this.retries.parted(now);
    const isOver = remedy === "credential" ? !this.credentials.rejected() : remedy === "stop" || remedy === "finished";
    if (isOver) this.stop(error);
    else this.retry(error, remedy, now, atLeast, left);
  }

  private retry(error: HubError, remedy: Remedy, now: number, atLeast = 0, left?: number): void {
    const isLogin = remedy === "credential";
    const isFirst = this.state === "connecting" && !this.isPersistent && !isLogin;
    const wait = isFirst || !this.autoReconnect ? undefined : this.retries.plan(now, remedy, atLeast, left);
    if (wait === undefined) return this.stop(error);
    this.step(isLogin ? REJECTED : LOST, error.code, error.message, wait);
    if (this.retries.isDue(now)) this.start(now);
  }

  protected stop(error: HubError, code: number | undefined = error.code): void {
    this.end(STOPPED, error, error, code, error.message);
  }

  protected end(
    happening: Happening,
    cause: HubError | undefined,
    error: HubError,
    code: number | undefined,
    reason: string,
  ): void {
    const numbers = [...this.lines.keys()];
    this.cause = cause;
    this.settleDown();
    this.retries.reset();
    this.recovery.reset();
    this.lines.clear();
    this.line = this.second = undefined;
    this.step(happening, code, reason);
    this.requests.fail(error);
    this.follows.end(cause);
    for (const number of numbers) this.effects.drop(number, happening === CLOSE && code ? code : 1000, reason, false);
  }

  /** No connection: nothing is awaited from one. */
  private settleDown(): void {
    if (this.tokenless !== this.line) this.tokenless = undefined;
    this.switch.reset();
    this.acks.forget();
  }

  // -- in order

  /** Whether everything that is followed has its answer on a connection: then it is in order. */
  protected readyIfDone(line: Line, now: number): void {
    if (line.isRestoring && !line.isRestored && !line.unsettled && this.lines.has(line.number)) this.ready(line, now);
  }

  protected ready(line: Line, now: number): void {
    line.greetBy = undefined;
    line.isRestored = true;
    if (this.state === "connected") this.switched(line, now);
    else this.connected(line, now);
    this.requests.restored(line.number, now);
    this.flush(now);
  }

  private connected(line: Line, now: number): void {
    this.welcome = line.welcome;
    this.retries.connected(now);
    if (this.state === "reconnecting") this.reconnects++;
    this.step(WELCOME);
    this.effects.tell("connected", line.welcome as Welcome);
    this.recovery.connected(now);
  }

  /** The second connection takes over; what the first had accepted it still answers (R12). */
  private switched(line: Line, now: number): void {
    const { line: old } = this;
    this.welcome = line.welcome;
    this.switches++;
    this.switch.reset();
    this.line = line;
    this.second = undefined;
    line.isSecond = false;
    this.follows.suspend(line);
    this.effects.tell("switched", { isWhole: this.follows.isCaughtUp() });
    if (!old || old === line) return;
    old.leaveBy = now + LEAVE_WITHIN;
    this.leave(old);
  }

  /** Close a connection that was replaced once it owes nothing; the hub closes one whose session moved (R11). */
  protected leave(line: Line): void {
    if (line.leaveBy === undefined || !this.line || this.line.isResumed || this.requests.count(line.number)) return;
    if (this.lines.delete(line.number)) this.effects.drop(line.number, 1000, "", false);
  }

  private notResumed(line: Line, error: HubError, now: number): void {
    if (!error.temporary) {
      this.restoring.refused(line, error, now);
      this.readyIfDone(line, now);
      return;
    }
    // A node that drains, or a token that cannot be checked now: the session is tried elsewhere.
    this.effects.drop(line.number, 1000, "", false);
    this.parted(line, "back off", error.code, error.message, now, (error.retryAfter ?? 0) / 1000);
  }

  /** Begin anew, by the application's wish. */
  protected begin(now: number): void {
    this.step(CONNECT);
    this.start(now);
  }
}
