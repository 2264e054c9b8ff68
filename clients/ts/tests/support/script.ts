/** A session that is led through the scripts that every client is held to: `tests/vectors/client_session.json`. */

import { readFileSync } from "node:fs";
import { AuthError } from "../../src/core/errors.js";
import type { Follow } from "../../src/core/follow.js";
import { parsePosition } from "../../src/core/positions.js";
import { Request } from "../../src/core/requests.js";
import { Session } from "../../src/core/session.js";
import type { Message } from "../../src/core/wire.js";
import { type Neutral, Recorder } from "./recorder.js";

export interface Step {
  readonly do?: string;
  readonly receive?: unknown;
  readonly conn?: number;
  readonly now: number;
  // biome-ignore lint/suspicious/noExplicitAny: members of the vectors, each step has its own
  readonly [member: string]: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly then: any[];
}

export interface Case {
  readonly name: string;
  readonly clauses: readonly string[];
  readonly given?: string;
  readonly steps: readonly Step[];
  readonly backoff?: { base?: number; cap?: number; max_attempts?: number };
  readonly renewable?: boolean;
  readonly resumes?: boolean;
  readonly client?: Record<string, string>;
  readonly reconnection_token?: string;
}

interface Vectors {
  readonly messages: Record<string, Message>;
  readonly cases: readonly Case[];
}

export const vectors = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../tests/vectors/${name}.json`, import.meta.url), "utf8"));

export const SESSION: Vectors = vectors("client_session") as Vectors;

const TIMEOUT = 5;

export class Driver {
  readonly recorder: Recorder = new Recorder();
  readonly session: Session;

  constructor(script: Case) {
    const { max_attempts: maxAttempts, ...backoff } = script.backoff ?? {};
    this.session = new Session(this.recorder, {
      draw: () => 0.5,
      backoff: { ...backoff, ...(maxAttempts === undefined ? {} : { maxAttempts }) },
      isRenewable: script.renewable ?? false,
      client: script.client,
      reconnectionToken: script.reconnection_token,
      isResumable: script.resumes ?? false,
    });
  }

  /** One step. -> what the session asked for */
  run(step: Step): Neutral[] {
    const conn = step.conn ?? this.recorder.newest;
    if ("receive" in step) this.session.receive(conn, structuredClone(messageOf(step.receive)), step.now);
    else this.act(step, conn, step.now);
    return this.recorder.take();
  }

  private act(step: Step, conn: number, now: number): void {
    const { session } = this;
    switch (step.do) {
      case "connect":
        return session.connect(now, step["retry"] ?? false);
      case "opened":
        return session.opened(conn, now);
      case "closed":
        return session.closed(conn, step["code"], "", now);
      case "refused":
        return session.refused(conn, step["status"], "", now, step["retry_after"]);
      case "failed":
        return session.failed(conn, "connection refused", now);
      case "token_ready":
        return session.tokenReady(step["token"], now);
      case "token_failed":
        return session.tokenFailed(new AuthError("no", { temporary: true }), now);
      case "expired":
        return session.expired(now);
      case "heard":
        return session.heard(conn, now);
      case "close":
        return session.close(1000, step["reason"] ?? "");
      case "subscribe": {
        const start = step["start"] && parsePosition(step["start"]);
        session.subscribe(step["channel"], step["options"] ?? {}, start);
        return;
      }
      case "flush":
        return session.flush(now);
      case "unsubscribe":
        return session.unsubscribe(step["channels"], step["ticket"], now);
      case "update":
        return session.update(step["channel"], step["options"], step["ticket"], now);
      case "handled":
        return session.handled(session.follows.get(step["channel"]) as Follow, parsePosition(step["position"]), now);
      case "unread":
        return session.unread(conn, { seen: step["members"], why: "why", isEndless: step["endless"] }, now);
      case "submit": {
        const { message, ticket, repeatable = false, patient = false } = step;
        return session.submit(new Request(message, ticket, now + TIMEOUT, repeatable, patient), now);
      }
    }
    throw new Error(`no such step: ${step.do}`);
  }
}

function messageOf(said: unknown): unknown {
  if (typeof said === "string") return SESSION.messages[said];
  if (said && typeof said === "object" && "$" in said) {
    const { $: name, ...members } = said as { $: string };
    return { ...SESSION.messages[name], ...members };
  }
  return said;
}

/** The steps that lead to where a case begins. */
export function given(script: Case): Step[] {
  const connect: Step[] = [
    { do: "connect", now: 0, then: [{ tell: "state", old: "idle", new: "connecting" }, { open: true }] },
    { do: "opened", now: 0, then: [] },
  ];
  const connected = [{ tell: "state", old: "connecting", new: "connected" }, { tell: "connected" }];
  const limit = { limit: 73536 };
  if (!script.given) return [];
  if (script.given === "connected") {
    return [...connect, { receive: "welcome", now: 0, then: [limit, ...connected] }];
  }
  const found = /^following logs at aaaa:10( with token R1| with a window of 4)?$/.exec(script.given);
  if (!found) throw new Error(`no such beginning: ${script.given}`);
  const options = found[1]?.includes("window") ? { ack: 4 } : {};
  const asks: object[] = [{ type: "subscribe", channel: "logs", ...options, id: 1 }];
  const token: Step[] = [];
  if (found[1]?.includes("token")) {
    asks.push({ type: "get_reconnection_token", id: 2 });
    const then = [{ tell: "reconnection_token", token: "R1" }];
    token.push({ receive: { $: "token_r1", id: 2 }, now: 0, then });
  }
  const told = { position: "aaaa:10", behind: 0, delivery: "all", on_slow: "gap", ...options };
  const start = [
    { sub: "logs", state: "active" },
    { cursor: "logs", position: "aaaa:10" },
  ];
  return [
    { do: "subscribe", channel: "logs", options, now: 0, then: [] },
    ...connect,
    { receive: "welcome", now: 0, then: [limit, { send: asks }] },
    { receive: { $: "logs_at_10", channels: { logs: told } }, now: 0, then: [...start, ...connected] },
    ...token,
  ];
}
