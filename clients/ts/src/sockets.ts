/** The sockets of one client by number: opened, written to, ended, and waited for at the end. */

import { now, type Timers } from "./clock.js";
import { type Json, jsonCodec } from "./codec.js";
import { AuthError, Misconfigured, TooLarge } from "./core/errors.js";
import type { Message } from "./core/wire.js";
import type { Codec, HubOptions, Socket, Unread, WebSocketLike } from "./types.js";

/** How long a close frame of ours may go unanswered (X6). */
const CLOSE_WAIT = 2_000;

/** The URL without credentials, for messages. */
const masked = (url: string): string =>
  url.replace(/([?&](?:reconnection_)?token=)[^&#]*/g, "$1***").replace(/\/\/[^/@]*@/, "//***@");

/** A JWT or an API key (C7); what came is secret. */
export function checked(token: string): string {
  if (/^[\w.-]{1,4096}$/.test(token)) return token;
  throw new AuthError(`token: expected a JWT or an API key, got ${token.length} characters that are neither`);
}

interface Wire {
  readonly socket: Socket;
  codec: Codec;
  limit: number;
  heardAt: number;
  /** Until when it has to be open. */
  timer: unknown;
}

/** Who is told how an attempt went, and what its connection brings. */
export interface Dialler {
  isWanted(conn: number): boolean;
  opened(conn: number): void;
  /** There was no connection; with an HTTP status where there is one, final where there will never be one. */
  failed(conn: number, text: string, status: number, isFinal: boolean): void;
  received(conn: number, message: unknown, at: number): void;
  /** A message came that cannot be read. */
  unread(conn: number, what: Unread, at: number): void;
  closed(conn: number, code: number, reason: string): void;
}

export class Sockets {
  url = "";
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Bytes of the longest message that the hub takes. */
  longest: number = Number.POSITIVE_INFINITY;
  readonly #codec: Codec;
  readonly #json: Codec;
  /** As it is, until something else is loaded. */
  readonly #parts: Json = { parse: JSON.parse, stringify: JSON.stringify };
  readonly #wires: Map<number, Wire> = new Map();
  readonly #ending: Set<Promise<void>> = new Set();

  constructor(
    private readonly options: HubOptions,
    private readonly timers: Timers,
    private readonly dialler: Dialler,
  ) {
    this.#json = jsonCodec(this.#parts);
    this.#codec = options.codec ?? this.#json;
  }

  /** When bytes last came on each. */
  heard(): [number, number][] {
    return [...this.#wires].map(([conn, { heardAt }]) => [conn, heardAt]);
  }

  limit(conn: number, bytes: number): void {
    const wire = this.#wires.get(conn);
    if (wire) wire.limit = bytes;
  }

  async open(conn: number, token: () => string | undefined): Promise<void> {
    const { url, webSocket = (globalThis as { WebSocket?: unknown }).WebSocket } = this.options;
    // What was given once is as wrong the next time; what is asked for or loaded at each attempt may be there then.
    let isFinal = true;
    try {
      const Made = (await webSocket) as WebSocketLike | undefined;
      if (!Made) throw new Misconfigured('no WebSocket here: import "neurograph-ws-client/node", or give a class');
      isFinal = false;
      this.url = typeof url === "string" ? url : await url();
      await this.#load();
      if (!this.dialler.isWanted(conn)) return;
      const bearer = token();
      const names = [this.#codec.subprotocol, this.#json.subprotocol, ...(bearer ? [`ng-ws.bearer.${bearer}`] : [])];
      isFinal = typeof url === "string";
      this.#take(conn, new Made(this.url, [...new Set(names)]));
    } catch (fault) {
      this.#failed(conn, fault instanceof Error ? fault.message : String(fault), isFinal);
    }
  }

  /** What few need is loaded when it is. */
  async #load(): Promise<void> {
    const { bigint, heartbeatWorker } = this.options;
    if (bigint) Object.assign(this.#parts, (await import("./bigint.js")).json);
    if (heartbeatWorker) Object.assign(this.timers, (await import("./worker.js")).timers());
  }

  #failed(conn: number, text: string, isFinal = false): void {
    this.#wires.delete(conn);
    // What `ws` says of an HTTP answer; browsers say nothing.
    const status = Number(/response: (\d{3})/.exec(text)?.[1] ?? 0);
    this.dialler.failed(conn, `cannot connect to ${masked(this.url)}: ${text}`, status, isFinal);
  }

  /** From here on the socket speaks, until `drop` silences it. */
  #take(conn: number, socket: Socket): void {
    let why = "refused, or ended before it was open";
    let isOpen = false;
    const late = () => {
      this.drop(conn, 1000, "", true);
      this.#failed(conn, "no answer in time");
    };
    const timer = this.timers.set(late, this.options.connectTimeout ?? 10_000);
    const wire: Wire = { socket, codec: this.#codec, limit: Number.POSITIVE_INFINITY, heardAt: 0, timer };
    this.#wires.set(conn, wire);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.timers.clear(timer);
      isOpen = true;
      // The hub may know JSON only.
      if (socket.protocol !== this.#codec.subprotocol) wire.codec = this.#json;
      this.dialler.opened(conn);
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => this.#received(conn, wire, data);
    socket.onerror = (event: { message?: string }) => {
      why = event.message || why;
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.timers.clear(timer);
      if (!isOpen) return this.#failed(conn, why);
      this.#wires.delete(conn);
      this.dialler.closed(conn, code, reason);
    };
  }

  #received(conn: number, wire: Wire, data: string | ArrayBuffer): void {
    const size = typeof data === "string" ? data.length : data.byteLength;
    this.bytesIn += size;
    wire.heardAt = now();
    if (size > wire.limit) {
      this.drop(conn, 1000, "", false);
      return this.dialler.closed(conn, 1009, `a message of ${size} bytes, where at most ${wire.limit} may come`);
    }
    let decoded: unknown;
    try {
      decoded = wire.codec.decode(data);
    } catch (fault) {
      const why = `${fault}`;
      for (const part of wire.codec.salvage?.(data, why) ?? [{ seen: {}, why, isEndless: true }]) {
        if ("seen" in part) this.dialler.unread(conn, part, wire.heardAt);
        else this.#read(conn, part.message, wire.heardAt);
      }
      return;
    }
    for (const message of Array.isArray(decoded) ? decoded : [decoded]) this.#read(conn, message, wire.heardAt);
  }

  #read(conn: number, message: unknown, at: number): void {
    this.#log("<", message);
    this.dialler.received(conn, message, at);
  }

  /** Write messages, as one array where the connection takes arrays (M12); raises what it cannot write. */
  send(conn: number, messages: readonly Message[]): void {
    const wire = this.#wires.get(conn);
    if (!wire) return;
    const isArray = messages.length > 1 && wire.socket.protocol !== "";
    for (const message of isArray ? [messages] : messages) {
      const payload = wire.codec.encode(message);
      if (payload.length > this.longest) {
        const text = `the message is ${payload.length} bytes, the hub takes ${this.longest}`;
        throw new TooLarge(text, { error: "too_large", limit: this.longest });
      }
      this.#log(">", message);
      wire.socket.send(payload);
      this.messagesOut++;
      this.bytesOut += payload.length;
    }
  }

  /** End a connection, or the attempt at it; nothing of it is handed over any more. */
  drop(conn: number, code: number, reason: string, isAbrupt: boolean): void {
    const wire = this.#wires.get(conn);
    if (!wire) return;
    this.#wires.delete(conn);
    const { socket } = wire;
    this.timers.clear(wire.timer);
    let end: () => void = () => {};
    const ending = new Promise<void>((resolve) => {
      end = resolve;
    });
    const timer = this.timers.set(end, CLOSE_WAIT);
    this.#ending.add(ending);
    void ending.then(() => {
      this.timers.clear(timer);
      this.#ending.delete(ending);
      (socket as { terminate?(): void }).terminate?.();
    });
    socket.onmessage = null;
    socket.onopen = () => socket.close();
    socket.onerror = socket.onclose = () => end();
    socket.close(code, reason);
    if (isAbrupt) end();
  }

  /** Until every socket is gone. */
  async finish(): Promise<void> {
    await Promise.all(this.#ending);
  }

  #log(sign: string, message: unknown): void {
    const { debug } = this.options;
    if (!debug) return;
    const write = typeof debug === "function" ? debug : console.debug;
    const hide = (name: string, value: unknown) => {
      if (value instanceof Uint8Array) return `${value.length} bytes`;
      if (typeof value === "bigint") return `${value}`;
      return name === "token" || name === "resume" ? "***" : value;
    };
    for (const one of Array.isArray(message) ? message : [message]) write(`${sign} ${JSON.stringify(one, hide)}`);
  }
}
