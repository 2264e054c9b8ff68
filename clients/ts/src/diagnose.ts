/** What stands between a client and its hub, step by step; loaded only when it is asked for. */

import type NeurographWSClient from "./client.js";
import type { Check, Codec, Diagnosis, HubOptions, Socket, WebSocketLike } from "./types.js";

const PATIENCE = 5_000;
/** A frame that middle boxes with small buffers would cut or hold. */
const LARGE = 48_000;
/** Clocks further apart make tokens look expired or not yet valid. */
const SKEW = 30;

interface Attempt {
  readonly protocol: string;
  readonly welcome?: { readonly role: string } | undefined;
  readonly pong?: { readonly ts: number; readonly took: number } | undefined;
  readonly isEchoed: boolean;
  readonly code: number;
  readonly reason: string;
  readonly isOpen: boolean;
}

/** Walk from the address to a large frame; the first thing that is wrong makes the summary. */
export async function diagnose(client: NeurographWSClient, options: HubOptions): Promise<Diagnosis> {
  const checks: Check[] = [];
  const check = (name: string, isGood: boolean, good: string, bad: string) => {
    checks.push({ name, isGood, text: isGood ? good : bad });
    return isGood;
  };
  const url = typeof options.url === "string" ? options.url : await options.url();
  const { protocol, host } = new URL(url);
  const page = (globalThis as { location?: { protocol: string } }).location?.protocol;
  check(
    "address",
    !(page === "https:" && protocol === "ws:"),
    `${protocol}//${host} may be reached from here`,
    `a page of https may open wss: only: use wss://${host}`,
  );
  const attempt = await tried(url, options);
  const isUpgraded = check(
    "upgrade",
    attempt.isOpen,
    "the WebSocket opens",
    `no WebSocket at ${host}: is the hub running there, does a proxy pass the upgrade on, is this origin allowed?`,
  );
  if (isUpgraded) {
    const codes = attempt.code ? `it closed with ${attempt.code} ${attempt.reason}`.trim() : "it said nothing";
    check(
      "subprotocol",
      attempt.protocol !== "",
      `${attempt.protocol} is spoken`,
      "no subprotocol was chosen: a proxy may drop Sec-WebSocket-Protocol, or the hub is of another version",
    );
    const isIn = check(
      "login",
      !!attempt.welcome,
      `the hub gives the role ${attempt.welcome?.role}`,
      `the hub gives no welcome (${codes}): ${attempt.code >= 4100 && attempt.code < 4200 ? "check the token" : "see its log"}`,
    );
    if (isIn) {
      const { pong } = attempt;
      check("ping", !!pong, `answered after ${pong?.took.toFixed(1)} ms`, "no pong: something holds back small frames");
      const skew = pong ? Math.abs(pong.ts - Date.now() / 1000) : 0;
      const off = `the clocks are ${skew.toFixed(0)} s apart: tokens may seem expired, set the clock`;
      check("clock", skew < SKEW, "the clocks agree", off);
      check(
        "large frame",
        attempt.isEchoed,
        `${LARGE} bytes pass`,
        `a frame of ${LARGE} bytes was not answered: a proxy limits it`,
      );
    }
  }
  const { reconnects } = client.stats();
  check(
    "survival",
    reconnects < 3,
    `${reconnects} reconnects so far`,
    `${reconnects} reconnects: a proxy may cut idle connections`,
  );
  const first = checks.find((one) => !one.isGood);
  return { isGood: !first, summary: first ? first.text : `all is well at ${host}`, checks };
}

/** One connection beside the client's own. */
async function tried(url: string, options: HubOptions): Promise<Attempt> {
  const { codec = plain } = options;
  const webSocket = (await options.webSocket) ?? ((globalThis as { WebSocket?: unknown }).WebSocket as WebSocketLike);
  const token = options.token ?? (await options.getToken?.({ reason: "initial", attempt: 1 }));
  const started = performance.now();
  const found = { protocol: "", isOpen: false, isEchoed: false, code: 0, reason: "" } as {
    -readonly [K in keyof Attempt]: Attempt[K];
  };
  await new Promise<void>((resolve) => {
    const names = [...new Set([codec.subprotocol, plain.subprotocol]), ...(token ? [`ng-ws.bearer.${token}`] : [])];
    const socket: Socket = new webSocket(url, names);
    const timer = setTimeout(end, PATIENCE);
    let sent = started;
    let form = codec;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      found.isOpen = true;
      found.protocol = socket.protocol;
      if (socket.protocol !== codec.subprotocol) form = plain;
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      const said = form.decode(data);
      for (const message of Array.isArray(said) ? said : [said]) {
        if (message.type === "welcome") {
          found.welcome = message;
          sent = performance.now();
          socket.send(form.encode({ type: "ping", t: 1 }));
        } else if (message.type === "pong") {
          if (found.pong) {
            found.isEchoed = true;
            end();
          } else {
            found.pong = { ts: message.ts, took: performance.now() - sent };
            socket.send(form.encode({ type: "ping", t: 2, padding: " ".repeat(LARGE) }));
          }
        }
      }
    };
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      found.code = code;
      found.reason = reason;
      end();
    };
    function end(): void {
      clearTimeout(timer);
      socket.onclose = null;
      socket.close();
      resolve();
    }
  });
  return found;
}

const plain: Codec = {
  subprotocol: "ng-ws.v1.json",
  encode: (message) => JSON.stringify(message),
  decode: (payload) => JSON.parse(payload as string),
};
