/**
 * A small hub in the process: logs with positions and gaps, resumption, windows, drain; told by tests to refuse, cut,
 * fall silent and forget. Its filters know equality only; media go through byte for byte.
 */

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawData, WebSocket, WebSocketServer } from "ws";

// biome-ignore lint/suspicious/noExplicitAny: messages as they come
export type Any = any;

interface Entry {
  readonly message: Any;
  readonly media?: Uint8Array;
}

class Log {
  entries: Entry[] = [];
  first = 1;
  end = 0;
  constructor(public epoch: string) {}

  get head(): string {
    return `${this.epoch}:${this.end}`;
  }
}

interface Following {
  options: Any;
  offset: number;
  acked: number;
  epoch: string;
}

/** One connection as the hub sees it. */
export class Peer {
  readonly following: Map<string, Following> = new Map();
  session = { id: "", owner: this as Peer | undefined, isAsked: false, isForgotten: false };
  constructor(
    readonly hub: FakeHub,
    readonly socket: WebSocket,
    readonly name: string,
    readonly role: string,
    readonly request: IncomingMessage,
  ) {
    this.session.id = `s-${name}`;
  }

  say(message: Any, media?: Uint8Array): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.protocol === "ng-ws.v1.msgpack") {
      this.socket.send(this.hub.pack(media ? { ...message, data: media } : message));
    } else this.socket.send(media ? framed(message, media) : JSON.stringify(message));
  }

  /** Send what is owed and may be sent. */
  pump(): void {
    for (const [channel, one] of this.following) {
      const log = this.hub.log(channel);
      if (one.epoch !== log.epoch) {
        this.say({
          type: "gap",
          channel,
          from: `${one.epoch}:${one.offset}`,
          to: `${log.epoch}:0`,
          missed: null,
          reason: "epoch",
        });
        Object.assign(one, { epoch: log.epoch, offset: 0, acked: 0 });
      }
      if (one.offset < log.first - 1) {
        const to = log.first - 1;
        const missed = to - one.offset;
        this.say({
          type: "gap",
          channel,
          from: `${log.epoch}:${one.offset}`,
          to: `${log.epoch}:${to}`,
          missed,
          reason: "retention",
        });
        one.offset = to;
      }
      while (one.offset < log.end && one.offset - one.acked < (one.options.ack ?? Number.POSITIVE_INFINITY)) {
        const entry = log.entries[one.offset++ - log.first + 1];
        const filter = Object.entries(one.options.filter ?? {});
        if (entry && filter.every(([field, value]) => read(entry.message, field) === value))
          this.say(entry.message, entry.media);
      }
    }
  }

  /** Say how far each subscription is (P9). */
  watermark(): void {
    const positions = [...this.following].map(([channel, one]) => [channel, `${one.epoch}:${one.offset}`]);
    this.say({ type: "ack", positions: Object.fromEntries(positions) });
  }
}

const read = (message: Any, path: string): unknown => path.split(".").reduce((at, name) => at?.[name], message);

function framed(header: Any, media: Uint8Array): Uint8Array {
  const head = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(5);
  size[0] = 1;
  size.writeUInt32BE(head.length, 1);
  return Buffer.concat([size, head, media]);
}

export interface HubConfig {
  /** Credentials and their roles; without it everybody is a developer. */
  tokens?: Record<string, string>;
  /** Members of `welcome` in place of the usual ones. */
  welcome?: Any;
  /** Entries that each log keeps. */
  keep?: number;
  protocols?: string[];
  pack?: (message: Any) => Uint8Array;
  unpack?: (data: Uint8Array) => Any;
}

const CHANNELS = ["metrics", "signals", "actions", "logs", "status", "connections"];

export class FakeHub {
  readonly peers: Set<Peer> = new Set();
  readonly received: Any[] = [];
  readonly handshakes: IncomingMessage[] = [];
  isMute = false;
  pack: (message: Any) => Uint8Array;
  private readonly logs: Map<string, Log> = new Map();
  private readonly tokens: Map<string, { peer: Peer; session: Peer["session"]; following: [string, Following][] }> =
    new Map();
  private readonly scripted: Map<string, Any[]> = new Map();
  private readonly mids: Map<string, string> = new Map();
  private readonly refusals: number[] = [];
  private readonly watchers: Set<() => void> = new Set();
  private server: WebSocketServer | undefined;
  private port = 0;
  private count = 0;
  private epochs = 0;

  constructor(readonly config: HubConfig = {}) {
    this.pack = config.pack ?? ((message) => Buffer.from(JSON.stringify(message)));
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  async start(): Promise<this> {
    const { protocols = ["ng-ws.v1.json"] } = this.config;
    this.server = new WebSocketServer({
      host: "127.0.0.1",
      port: this.port,
      handleProtocols: (offered) => protocols.find((one) => offered.has(one)) ?? false,
      verifyClient: ({ req }, answer) => {
        this.handshakes.push(req);
        const status = this.refusals.shift();
        if (status) answer(false, status, "refused by the test");
        else answer(true);
      },
    });
    this.server.on("connection", (socket, request) => this.serve(socket, request));
    await once(this.server, "listening");
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  /** Cut every connection and stop listening; the logs stay. */
  async stop(): Promise<void> {
    this.cut();
    const { server } = this;
    this.server = undefined;
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  // -- for tests

  log(channel: string): Log {
    let log = this.logs.get(channel);
    if (!log) {
      log = new Log(`fake${++this.epochs}`);
      this.logs.set(channel, log);
    }
    return log;
  }

  publish(channel: string, data: unknown, members: Any = {}, media?: Uint8Array): string {
    const log = this.log(channel);
    const message = { type: "event", channel, offset: ++log.end, event: "message", ts: Date.now() / 1000, ...members };
    if (!media) message.data = data ?? null;
    log.entries.push(media ? { message, media } : { message });
    while (log.entries.length > (this.config.keep ?? 1000)) {
      log.entries.shift();
      log.first++;
    }
    for (const peer of this.peers) peer.pump();
    return log.head;
  }

  /** Lose the past of a channel. */
  restartEpoch(channel: string): void {
    this.logs.delete(channel);
    for (const peer of this.peers) peer.pump();
  }

  /** Let every reconnection token given out so far be too old (R5). */
  expireTokens(): void {
    this.tokens.clear();
  }

  goaway(reconnectIn: [number, number] = [0, 0]): void {
    for (const peer of this.peers) {
      this.pushToken(peer);
      peer.say({ type: "goaway", reason: "draining", reconnect_in: reconnectIn, deadline: 30 });
    }
  }

  /** Answer the next message of a type with this; null gives no answer. */
  answerNext(type: string, answer: Any): void {
    this.scripted.set(type, [...(this.scripted.get(type) ?? []), answer]);
  }

  push(message: Any): void {
    for (const peer of this.peers) peer.say(message);
  }

  pushRaw(payload: string | Uint8Array): void {
    for (const { socket } of this.peers) socket.send(payload);
  }

  /** Lose every connection without a close frame. */
  cut(): void {
    for (const { socket } of this.peers) socket.terminate();
  }

  closeAll(code: number, reason = ""): void {
    for (const { socket } of this.peers) socket.close(code, reason);
  }

  /** Answer the next handshake with an HTTP status. */
  refuse(status: number): void {
    this.refusals.push(status);
  }

  /** Until something is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.watchers.add(resolve));
  }

  /** Until clients have sent that many messages of a type. */
  async asked(type: string, count = 1): Promise<Any[]> {
    const asked = () => this.received.filter((message) => message.type === type);
    await this.until(() => asked().length >= count);
    return asked();
  }

  // -- the hub's side

  private news(): void {
    for (const watcher of this.watchers) watcher();
    this.watchers.clear();
  }

  private serve(socket: WebSocket, request: IncomingMessage): void {
    const offered = `${request.headers["sec-websocket-protocol"] ?? ""}`.split(/, */);
    const bearer = offered.find((one) => one.startsWith("ng-ws.bearer."))?.slice(13);
    const { tokens } = this.config;
    if (tokens && !(bearer !== undefined && bearer in tokens)) return socket.close(4101, "token_invalid");
    const peer = new Peer(
      this,
      socket,
      `c-${++this.count}`,
      tokens ? (tokens[bearer as string] as string) : "developer",
      request,
    );
    this.peers.add(peer);
    socket.on("message", (data: RawData, isBinary) => this.take(peer, data as Buffer, isBinary));
    socket.on("close", (code, reason) => {
      this.peers.delete(peer);
      if (code === 1000 && `${reason}` === "forget") peer.session.isForgotten = true;
      this.news();
    });
    if (!this.isMute) peer.say(this.welcome(peer));
    this.news();
  }

  welcome(peer: Peer): Any {
    const rights = { rights: ["subscribe", "broadcast", "emit"] };
    return {
      type: "welcome",
      conn: peer.name,
      session: peer.session.id,
      node: "fake",
      version: "1",
      role: peer.role,
      resumed: false,
      heartbeat: { interval: 30, timeout: 10 },
      limits: { emit_batch: 2 },
      encodings: ["gzip", "zlib", "deflate"],
      channels: Object.fromEntries(CHANNELS.map((channel) => [channel, rights])),
      ...this.config.welcome,
    };
  }

  private take(peer: Peer, data: Buffer, isBinary: boolean): void {
    let said: Any;
    if (!isBinary) said = JSON.parse(data.toString());
    else if (peer.socket.protocol === "ng-ws.v1.msgpack") said = this.config.unpack?.(data);
    else {
      const end = 5 + data.readUInt32BE(1);
      said = { ...JSON.parse(data.subarray(5, end).toString()), data: new Uint8Array(data.subarray(end)) };
    }
    for (const message of Array.isArray(said) ? said : [said]) {
      this.received.push(message);
      if (!this.isMute) this.answer(peer, message);
    }
    this.news();
  }

  private answer(peer: Peer, message: Any): void {
    const { type, id } = message;
    const scripted = this.scripted.get(type);
    if (scripted?.length) {
      const answer = scripted.shift();
      if (answer) peer.say({ ...answer, id });
      return;
    }
    const handlers: Record<string, () => Any> = {
      ping: () => ({ type: "pong", t: message.t, ts: Date.now() / 1000 }),
      connect: () => this.connect(peer, message),
      subscribe: () => this.subscribe(peer, message),
      unsubscribe: () => this.unsubscribe(peer, message),
      publish: () => this.published(message),
      emit: () => this.emitted(message),
      get_reconnection_token: () => this.issue(peer),
      ack: () => this.acknowledged(peer, message),
    };
    const answer = handlers[type]?.() ?? (type === "ack" ? undefined : error(400, "unknown_type"));
    if (answer) peer.say({ ...answer, ...(id === undefined ? {} : { id }) });
    if (answer?.resumed) {
      this.pushToken(peer);
      const former = peer.session.owner;
      peer.session.owner = peer;
      if (former && former !== peer) {
        former.following.clear();
        former.socket.close(4009, "taken_over");
      }
    }
    peer.pump();
  }

  private connect(peer: Peer, message: Any): Any {
    if (message.token !== undefined && this.config.tokens && !(message.token in this.config.tokens)) {
      return error(401, "token_invalid");
    }
    if (message.resume === undefined) return this.welcome(peer);
    const sealed = this.tokens.get(message.resume);
    if (!sealed || sealed.session.isForgotten) return error(410, "resume_expired");
    peer.session = sealed.session;
    const subscriptions: Any = {};
    for (const [channel, one] of sealed.following) {
      const [epoch, offset] = `${message.positions?.[channel] ?? `${one.epoch}:${one.offset}`}`.split(":") as [
        string,
        string,
      ];
      subscriptions[channel] = this.follow(peer, channel, one.options, epoch, Number(offset));
    }
    return { ...this.welcome(peer), resumed: true, subscriptions };
  }

  private follow(peer: Peer, channel: string, options: Any, epoch: string, offset: number): Any {
    const log = this.log(channel);
    const behind = epoch === log.epoch ? log.end - offset : log.end;
    peer.following.set(channel, { options, epoch, offset, acked: offset });
    return { position: `${epoch}:${offset}`, behind, delivery: "all", on_slow: "gap", ...options };
  }

  private subscribe(peer: Peer, message: Any): Any {
    const { type: _, id: __, channel, channels = [channel], from, ...options } = message;
    const told: Any = {};
    const errors: Any = {};
    for (const name of channels) {
      const former = peer.following.get(name);
      const log = this.log(name);
      if (!CHANNELS.includes(name) && !name.startsWith("room:")) {
        errors[name] = { code: 404, error: "unknown_channel", message: `${name} is not configured`, temporary: false };
        continue;
      }
      let start: [string, number] = former && from === undefined ? [former.epoch, former.offset] : [log.epoch, log.end];
      if (from === "snapshot") start = [log.epoch, log.first - 1];
      if (from?.last) start = [log.epoch, Math.max(log.first - 1, log.end - from.last)];
      const text = from?.positions?.[name];
      if (text) start = [text.split(":")[0], Number(text.split(":")[1])];
      told[name] = this.follow(peer, name, options, ...start);
    }
    if (!Object.keys(told).length) return { ...error(404, "unknown_channel"), channel: channels[0] };
    queueMicrotask(() => this.pushToken(peer));
    return { type: "subscribed", channels: told, ...(Object.keys(errors).length ? { errors } : {}) };
  }

  private unsubscribe(peer: Peer, message: Any): Any {
    const channels = message.channels ?? [message.channel];
    for (const channel of channels) peer.following.delete(channel);
    return { type: "unsubscribed", channels, code: 0, reason: "client" };
  }

  private published(message: Any): Any {
    const { type: _, id: __, mid, channel, data, ...members } = message;
    const known = mid && this.mids.get(mid);
    if (known) return { type: "ack", positions: { [channel]: known }, duplicate: true };
    const media = data instanceof Uint8Array ? data : undefined;
    const position = this.publish(channel, data, members, media);
    if (mid) this.mids.set(mid, position);
    return { type: "ack", positions: { [channel]: position } };
  }

  private emitted(message: Any): Any {
    const result = (vector: number[]) => ({
      token_id: Math.round((vector[0] ?? 0) * 1000),
      is_novel: true,
      neighbors: [],
    });
    if (message.vector) return { type: "emitted", ...result(message.vector), processing_time_us: 1 };
    return { type: "emitted", results: message.vectors.map(result), processing_time_us: 2 };
  }

  private issue(peer: Peer): Any {
    const token = `fake-token-${this.tokens.size}-${Math.random().toString(36).slice(2)}`;
    peer.session.isAsked = true;
    this.tokens.set(token, { peer, session: peer.session, following: [...peer.following] });
    return { type: "reconnection_token", token, expires_in: 300 };
  }

  private pushToken(peer: Peer): void {
    if (peer.session.isAsked && peer.session.owner === peer) peer.say(this.issue(peer));
  }

  private acknowledged(peer: Peer, message: Any): undefined {
    for (const [channel, text] of Object.entries(message.positions)) {
      const one = peer.following.get(channel);
      const [epoch, offset] = `${text}`.split(":");
      if (one && one.epoch === epoch) one.acked = Math.max(one.acked, Number(offset));
    }
    return undefined;
  }
}

const error = (code: number, name: string): Any => ({
  type: "error",
  code,
  error: name,
  message: name,
  temporary: code >= 500,
});
