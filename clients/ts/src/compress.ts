/** Content encodings of media, chosen by size and gain (B7, B10); loaded with the first `publishMedia`. */

const FORMATS = { gzip: "gzip", zlib: "deflate", deflate: "deflate-raw" } as const;
type Encoding = keyof typeof FORMATS;

const KIB = 1024;
/** Formats that are compressed already. */
const COMPRESSED = /^(?:image\/(?!svg|bmp|tiff)|audio\/(?!x?-?wav)|video\/|font\/woff)|zip|zstd|compressed/;

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
