/** Messages to frames and back as JSON, and media frames beside it (C2, B4). */

import type { Message } from "./core/wire.js";
import { elementsOf, tellingOf } from "./glimpse.js";
import type { Codec, Salvaged } from "./types.js";

/** The first byte of a media frame; others are reserved. */
const MEDIA = 1;
const HEAD = 5;

/** How JSON is read and written; `bigint: true` has another way. */
export interface Json {
  parse: (text: string) => unknown;
  stringify: (value: unknown) => string;
}

/** A media frame is known by its header, each message of an array is read by itself. */
function salvage(json: Json, payload: string | ArrayBuffer, why: string): Salvaged[] {
  if (typeof payload !== "string") {
    return [{ seen: tellingOf(new TextDecoder().decode(new Uint8Array(payload).subarray(HEAD))), why }];
  }
  const elements = elementsOf(payload);
  if (!elements) return [{ seen: tellingOf(payload), why }];
  const { whole, rest } = elements;
  const parts = whole.map((text): Salvaged => {
    try {
      return { message: json.parse(text) };
    } catch (fault) {
      return { seen: tellingOf(text), why: `${fault}` };
    }
  });
  return rest === undefined ? parts : [...parts, { seen: tellingOf(rest), why, isEndless: true }];
}

/** JSON text; a message whose `data` is bytes is a media frame. */
export const jsonCodec = (json: Json): Codec => ({
  subprotocol: "ng-ws.v1.json",
  salvage: (payload, why) => salvage(json, payload, why),
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
