/** What stands between a client and its hub, step by step; loaded only when it is asked for. */

import type NeurographWSClient from "./client.js";
import type { Check, Codec, Diagnosis, HubOptions, Socket, WebSocketLike } from "./types.js";

const PATIENCE = 5_000;
/** A frame that middle boxes with small buffers would cut or hold. */
const LARGE = 48_000;
/** Clocks further apart make tokens look expired or not yet valid. */
const SKEW = 30;

/** What lies below a WebSocket, in its order, by what runtimes say where it fails; browsers say nothing. */
const BELOW: readonly [name: string, fault: RegExp, good: string, bad: string][] = [
  [
    "DNS",
    /ENOTFOUND|EAI_|dns|getaddrinfo/i,
    "the name is known",
    "no address of this name is known: is it written right?",
  ],
  ["TCP", /./, "the port answers", "nothing answers there: is the hub running there, does a firewall stop it?"],
  [
    "TLS",
    /cert|ssl|tls|self.signed|issuer/i,
    "the connection is secured",
    "TLS fails: does the certificate fit the name?",
  ],
];

interface Attempt {
  readonly protocol: string;
  readonly extensions: string;
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
  const isMixed = page === "https:" && protocol === "ws:";
  const wanted = `a page of https may open wss: only: use wss://${host}`;
  check("address", !isMixed, `${protocol}//${host} may be reached from here`, wanted);
  const attempt = await tried(url, options);
  const { welcome, pong, code } = attempt;
  const fault = attempt.isOpen ? "" : await below(protocol === "wss:" ? "https:" : "http:", host);
  for (const [name, pattern, good, bad] of BELOW) {
    if (name === "TLS" && protocol === "ws:") continue;
    // What is no fault of the name or of TLS is one of the way there.
    const isOther = name === "TCP" && BELOW.some(([other, one]) => other !== name && one.test(fault));
    if (!check(name, isOther || !pattern.test(fault), good, `${host}: ${bad} (${fault})`)) break;
  }
  const unopened = `no WebSocket at ${host}: does a proxy pass the upgrade on, is this origin allowed?`;
  if (!fault && check("upgrade", attempt.isOpen, "the WebSocket opens", unopened)) {
    const unspoken =
      "no subprotocol was chosen: a proxy may drop Sec-WebSocket-Protocol, or the hub is of another version";
    check("subprotocol", attempt.protocol !== "", `${attempt.protocol} is spoken`, unspoken);
    const isDeflated = attempt.extensions.includes("permessage-deflate");
    // No fault: it works without, and not every runtime has it.
    check(
      "deflate",
      true,
      isDeflated ? "messages are compressed" : "messages are not compressed, which costs bytes only",
      "",
    );
    const said = code ? `it closed with ${code} ${attempt.reason}`.trim() : attempt.reason || "it said nothing";
    const next = code >= 4100 && code < 4200 ? "check the token" : "see its log";
    if (
      check(
        "login",
        !!welcome,
        `the hub gives the role ${welcome?.role}`,
        `the hub gives no welcome (${said}): ${next}`,
      )
    ) {
      check("ping", !!pong, `answered after ${pong?.took.toFixed(1)} ms`, "no pong: something holds back small frames");
      const skew = pong ? Math.abs(pong.ts - Date.now() / 1000) : 0;
      const off = `the clocks are ${skew.toFixed(0)} s apart: tokens may seem expired, set the clock`;
      check("clock", skew < SKEW, "the clocks agree", off);
      const cut = `a frame of ${LARGE} bytes was not answered: a proxy limits it`;
      check("large frame", attempt.isEchoed, `${LARGE} bytes pass`, cut);
    }
  }
  const { reconnects } = client.stats();
  const unsteady = `${reconnects} reconnects: a proxy may cut idle connections`;
  check("survival", reconnects < 3, `${reconnects} reconnects so far`, unsteady);
  const first = checks.find((one) => !one.isGood);
  return { isGood: !first, summary: first ? first.text : `all is well at ${host}`, checks };
}

/** What is wrong below HTTP; empty where the host answers it, with whatever. */
async function below(scheme: string, host: string): Promise<string> {
  try {
    await fetch(`${scheme}//${host}/health`, { mode: "no-cors", signal: AbortSignal.timeout(PATIENCE) });
    return "";
  } catch (fault) {
    const { message, cause } = fault as Error & { cause?: { code?: string; message?: string } };
    return cause?.code ?? cause?.message ?? message;
  }
}

/** One connection beside the client's own. */
async function tried(url: string, options: HubOptions): Promise<Attempt> {
  const { codec = plain } = options;
  const webSocket = (await options.webSocket) ?? ((globalThis as { WebSocket?: unknown }).WebSocket as WebSocketLike);
  const token = options.token ?? (await options.getToken?.({ reason: "initial", attempt: 1 }));
  const started = performance.now();
  const found = { protocol: "", extensions: "", isOpen: false, isEchoed: false, code: 0, reason: "" } as {
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
      found.extensions = (socket as { extensions?: string }).extensions ?? "";
      if (socket.protocol !== codec.subprotocol) form = plain;
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      try {
        const said = form.decode(data);
        for (const message of Array.isArray(said) ? said : [said]) heard(message);
      } catch (fault) {
        found.reason = String(fault);
        end();
      }
    };
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      found.code = code;
      found.reason = reason;
      end();
    };
    // biome-ignore lint/suspicious/noExplicitAny: as it came
    function heard(message: any): void {
      if (message.type === "welcome") {
        found.welcome = message;
        sent = performance.now();
        socket.send(form.encode({ type: "ping", t: 1 }));
      } else if (message.type === "pong" && found.pong) {
        found.isEchoed = true;
        end();
      } else if (message.type === "pong") {
        found.pong = { ts: message.ts, took: performance.now() - sent };
        socket.send(form.encode({ type: "ping", t: 2, padding: " ".repeat(LARGE) }));
      }
    }
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
