/** Media and their content encodings, chosen by size and gain (B4-B10); loaded with the first `publishMedia`. */

import type { Message } from "./core/wire.js";
import { given } from "./options.js";
import type { MediaOptions } from "./types.js";

const FORMATS = { gzip: "gzip", zlib: "deflate", deflate: "deflate-raw" } as const;
type Encoding = keyof typeof FORMATS;

const KIB = 1024;
/** Formats that are compressed already. */
const COMPRESSED = /^(?:image\/(?!svg|bmp|tiff)|audio\/(?!x?-?wav)|video\/|font\/woff)|zip|zstd|compressed/;

/** The publish that carries bytes of a media type; `known` are the encodings that the hub takes. */
export async function mediaMessage(
  channel: string,
  payload: Uint8Array | Blob,
  { event, contentType, meta, encoding = "auto" }: MediaOptions,
  known: readonly string[],
): Promise<Message> {
  const bytes = payload instanceof Uint8Array ? payload : new Uint8Array(await payload.arrayBuffer());
  const packed = encoding ? await compress(bytes, contentType, encoding, known) : undefined;
  const about = given({ content_type: contentType, content_encoding: packed?.encoding, meta });
  return { type: "publish", channel, event, data: packed?.data ?? bytes, ...about };
}

/** -> the encoded bytes and their name, or nothing where the payload goes as it is */
export async function compress(
  data: Uint8Array,
  contentType: string,
  wanted: "auto" | Encoding,
  known: readonly string[],
): Promise<{ data: Uint8Array; encoding: Encoding } | undefined> {
  const encoding = wanted === "auto" ? choose(data.length, contentType, known) : wanted;
  if (!encoding) return undefined;
  const stream = new Blob([data as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new CompressionStream(FORMATS[encoding]));
  const encoded = new Uint8Array(await new Response(stream).arrayBuffer());
  return wanted === "auto" && encoded.length > 0.9 * data.length ? undefined : { data: encoded, encoding };
}

function choose(size: number, contentType: string, known: readonly string[]): Encoding | undefined {
  const least = contentType.startsWith("text/") ? KIB / 2 : contentType.includes("json") ? KIB : 2 * KIB;
  const best = size < 64 * KIB ? "zlib" : "gzip";
  return size < least || COMPRESSED.test(contentType) || !known.includes(best) ? undefined : best;
}
