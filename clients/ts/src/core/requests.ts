/** Ids and answers: what was asked, what awaits its answer, what is sent once more (M4-M6, R12, R13). */

import type { Effects } from "./effects.js";
import {
  BadRequest,
  Disconnected,
  errorFrom,
  HubError,
  RateLimited,
  RequestTimeout,
  Unavailable,
  type WireError,
} from "./errors.js";
import { BACKOFF, delay } from "./policy.js";
import type { Message } from "./wire.js";

/** Requests beyond `limits.in_flight` wait here for a free id. */
const MAX_WAITING = 10_000;

/** The one error after which a message may have had an effect (E3). */
const OUTCOME_UNKNOWN = "outcome_unknown";

/** The pause before a publish or emit with `mid` is repeated after a 5xx. */
const REPEAT = { ...BACKOFF, base: 0.1, cap: 2 };

/** The ticket of a question of the client itself: its answer is acted on here, and nobody is told. */
export class Own {
  constructor(
    readonly settle: (error: HubError | undefined, answer: Message, now: number, took: number) => void = () => {},
    /** Its connection is gone: by default it is simply asked anew on the next one. */
    readonly lost: (error: HubError) => void = () => {},
  ) {}
}

/**
 * One question to the hub. With `isRepeatable` (it carries a `mid`) a cut or a 5xx sends it again until its deadline;
 * with `isPatient` a 429 makes it wait and go once more. `conn` is the connection it is meant for, or was sent on.
 */
export class Request {
  id = 0;
  sentAt = 0;
  /** Not before this; 0 where it only waits for a free id or a connection. */
  repeatAt = 0;
  private repeats = 0;
  /** An attempt was sent and nobody knows what became of it: no later refusal says that it had no effect (E3, R13). */
  isUncertain = false;

  constructor(
    readonly message: Message,
    readonly ticket: unknown,
    readonly deadline: number,
    readonly isRepeatable: boolean = false,
    private isPatient: boolean = false,
    public conn?: number,
  ) {}

  /** What the caller is told for an error that ends the request. */
  failure(error: HubError): HubError {
    if (!this.isUncertain || error.error === OUTCOME_UNKNOWN) return error;
    const text = `${this.message.type}: ${error.message}; whether an earlier attempt had an effect is unknown`;
    return new Unavailable(text, { code: 504, error: OUTCOME_UNKNOWN, temporary: true, cause: error });
  }

  /** Seconds until it goes once more by itself after an error, or undefined. */
  wait(error: HubError, drawn: number): number | undefined {
    const least = (error.retryAfter ?? 0) / 1000;
    this.isUncertain ||= error.error === OUTCOME_UNKNOWN;
    if (error.error === "rate_limited" && this.isPatient) {
      this.isPatient = false;
      return least;
    }
    const isRepeated = error.code >= 500 && error.temporary && this.isRepeatable;
    return isRepeated ? delay(REPEAT, this.repeats++, drawn, least) : undefined;
  }
}

/**
 * The questions of one client: awaiting an answer, or waiting to be sent. `conn` is the connection they go to, none
 * while there is none in order; ids are never used twice, so that those of two connections cannot be mistaken.
 */
export class Requests {
  inFlight = 256;
  conn: number | undefined;
  /** When to look again; never late, sometimes early. */
  lookAt: number = Number.POSITIVE_INFINITY;
  private lastId = 0;
  private readonly awaiting: Map<unknown, Request> = new Map();
  private waiting: Request[] = [];
  private batch: Message[] | undefined;

  constructor(private readonly effects: Effects) {}

  get size(): number {
    return this.awaiting.size + this.waiting.length;
  }

  /** Send a request, or hold it back until an id is free and a connection is in order. */
  submit(request: Request, now: number): void {
    this.lookBy(request.deadline);
    if (this.mayGo(request)) this.go(request, now);
    else if (this.waiting.length < MAX_WAITING) this.waiting.push(request);
    else {
      const text = `${request.message.type}: ${this.awaiting.size} await their answer and ${MAX_WAITING} wait to be sent`;
      this.settle(request, now, request.failure(new RateLimited(text, { temporary: true })));
    }
  }

  /** Messages of one moment in one frame. */
  together(conn: number, now: number, ask: () => void): void {
    this.batch = [];
    ask();
    const messages = this.batch;
    this.batch = undefined;
    if (!messages.length) return;
    try {
      this.effects.send(conn, messages);
    } catch {
      // One of them has no form, or is too long: alone each tells for itself.
      for (const message of messages) this.send(conn, message, now);
    }
  }

  /** Write one; what cannot be written fails at once. */
  private send(conn: number, message: Message, now: number): void {
    try {
      this.effects.send(conn, [message]);
    } catch (fault) {
      const request = this.awaiting.get(message.id) as Request;
      // It never went out: its id is free again.
      this.awaiting.delete(message.id);
      const isTold = fault instanceof HubError;
      this.settle(request, now, isTold ? fault : new BadRequest(`${message.type}: ${fault}`, { cause: fault }));
    }
  }

  private mayGo(request: Request): boolean {
    const conn = request.conn ?? this.conn;
    return conn !== undefined && this.count(conn) < this.inFlight;
  }

  /** How many await their answer on a connection: the limit is one of a connection (M6). */
  count(conn: number): number {
    let count = 0;
    for (const request of this.awaiting.values()) if (request.conn === conn) count++;
    return count;
  }

  private go(request: Request, now: number): void {
    const conn = (request.conn ?? this.conn) as number;
    request.conn = conn;
    request.id = ++this.lastId;
    request.sentAt = now;
    this.awaiting.set(request.id, request);
    const message = { ...request.message, id: request.id };
    if (this.batch) this.batch.push(message);
    else this.send(conn, message, now);
  }

  private settle(request: Request, now: number, error?: HubError, answer?: Message): void {
    const { ticket } = request;
    const took = now - request.sentAt;
    if (ticket instanceof Own) ticket.settle(error, answer as Message, now, took);
    else this.effects.settle(ticket, error, answer, took);
  }

  /** Take an answer that came on a connection; nothing happens if nobody awaits it there. */
  answer(message: Message, now: number, drawn: number, conn: number): void {
    const request = this.awaiting.get(message.id);
    if (request?.conn !== conn) return;
    this.awaiting.delete(message.id);
    if (message.type !== "error") {
      try {
        this.settle(request, now, undefined, message);
      } catch (fault) {
        // Of a form that nobody can act on: it is told as misread.
        this.awaiting.set(message.id, request);
        throw fault;
      }
    } else {
      const error = errorFrom(message as WireError);
      const wait = request.wait(error, drawn);
      if (wait === undefined || now + wait >= request.deadline) this.settle(request, now, request.failure(error));
      else {
        request.repeatAt = now + wait;
        request.conn = undefined;
        this.waiting.push(request);
        this.lookBy(request.repeatAt);
      }
    }
    this.pump(now);
  }

  /** The answer came and cannot be read: whoever awaits it need not wait for another. -> whether anybody did */
  misread(id: unknown, error: HubError, now: number, conn: number): boolean {
    const request = this.awaiting.get(id);
    if (request?.conn !== conn) return false;
    this.awaiting.delete(id);
    this.settle(request, now, error);
    this.pump(now);
    return true;
  }

  /** Send what waits and may go. */
  private pump(now: number): void {
    for (;;) {
      const request = this.waiting.find((one) => one.repeatAt <= now);
      if (!request || !this.mayGo(request)) return;
      this.waiting.splice(this.waiting.indexOf(request), 1);
      this.go(request, now);
    }
  }

  /**
   * A connection ended: what may be repeated waits for the next one, the rest has an unknown outcome. With `isLast`
   * there is no other, and what waits for a free id goes the same way.
   */
  lost(conn: number, isLast: boolean, now: number): void {
    if (isLast || this.conn === conn) this.conn = undefined;
    const gone = [...this.awaiting.values()].filter((request) => request.conn === conn);
    for (const request of gone) {
      request.isUncertain = true;
      this.awaiting.delete(request.id);
    }
    gone.push(...this.waiting.filter((one) => !one.repeatAt && (one.conn === conn || isLast)));
    this.waiting = this.waiting.filter((one) => !gone.includes(one));
    for (const request of gone) {
      if (request.isRepeatable) {
        request.conn = undefined;
        request.repeatAt = 0;
        this.waiting.push(request);
        continue;
      }
      const text = `the connection ended before ${request.message.type} was answered; whether it had an effect is unknown`;
      this.abandon(request, now, new Disconnected(text, { temporary: true }));
    }
  }

  private abandon(request: Request, now: number, error: HubError): void {
    if (request.ticket instanceof Own) request.ticket.lost(error);
    else this.settle(request, now, error);
  }

  /** A connection is in order: send what waited for it, and everything that follows. */
  restored(conn: number, now: number): void {
    this.conn = conn;
    this.pump(now);
  }

  /** Give up what is over its time-out, repeat what is due. */
  expired(now: number): void {
    if (now < this.lookAt) return;
    this.lookAt = Number.POSITIVE_INFINITY;
    const late = this.all().filter((request) => request.deadline <= now);
    for (const request of late) this.awaiting.delete(request.id);
    this.waiting = this.waiting.filter((request) => !late.includes(request));
    for (const request of late) {
      const text = `no answer to ${request.message.type} in time`;
      this.settle(request, now, new RequestTimeout(text, { error: "timeout", temporary: true }));
    }
    this.pump(now);
    for (const request of this.all()) this.lookBy(request.deadline);
    if (this.conn !== undefined) for (const { repeatAt } of this.waiting) if (repeatAt > now) this.lookBy(repeatAt);
  }

  /** End everything with this error. */
  fail(error: HubError): void {
    const all = this.all();
    this.awaiting.clear();
    this.waiting = [];
    this.lookAt = Number.POSITIVE_INFINITY;
    this.conn = undefined;
    for (const request of all) this.abandon(request, 0, error);
  }

  private lookBy(when: number): void {
    this.lookAt = Math.min(this.lookAt, when);
  }

  private all(): Request[] {
    return [...this.awaiting.values(), ...this.waiting];
  }
}
