/** Messages to frames and back as JSON, and media frames beside it (C2, B4). */

import type { Message } from "./core/wire.js";
import type { Codec } from "./types.js";

/** The first byte of a media frame; others are reserved. */
const MEDIA = 1;
const HEAD = 5;

/** How JSON is read and written; `bigint: true` has another way. */
export interface Json {
  parse: (text: string) => unknown;
  stringify: (value: unknown) => string;
}

/** A member of plain text, a number or a word, from the beginning of an object on; looked for in so many characters. */
const MEMBER = /[{,]\s*"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|[\w.+-]+)\s*(?=[,}])/gy;
const BEGINNING = 1024;

/** The members before the first that holds others: nothing that a publisher wrote is mistaken for one. */
function salvage(payload: string | ArrayBuffer): Partial<Message> {
  const seen: Record<string, unknown> = {};
  try {
    const found = `${payload}`.slice(0, BEGINNING).matchAll(MEMBER);
    for (const [, name, value] of found) seen[name as string] = JSON.parse(value as string);
  } catch {
    // What stands before it is kept.
  }
  return seen;
}

/** JSON text; a message whose `data` is bytes is a media frame. */
export const jsonCodec = (json: Json): Codec => ({
  subprotocol: "ng-ws.v1.json",
  salvage,
  encode(message) {
    const { data, ...header } = message as Message;
    return data instanceof Uint8Array ? mediaFrame(json.stringify(header), data) : json.stringify(message);
  },
  decode(payload) {
    if (typeof payload === "string") return json.parse(payload);
    const view = new DataView(payload);
    const end = HEAD + view.getUint32(1);
    if (view.getUint8(0) !== MEDIA) throw new TypeError(`expected a media frame, got one of kind ${view.getUint8(0)}`);
    const header = json.parse(new TextDecoder().decode(new Uint8Array(payload, HEAD, end - HEAD)));
    return { ...(header as object), data: new Uint8Array(payload, end) };
  },
});

function mediaFrame(header: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(header);
  const frame = new Uint8Array(HEAD + head.length + data.length);
  frame[0] = MEDIA;
  new DataView(frame.buffer).setUint32(1, head.length);
  frame.set(head, HEAD);
  frame.set(data, HEAD + head.length);
  return frame;
}
