/** JSON whose integers beyond 2^53 are `bigint`, both ways (M13); loaded only with `bigint: true`. */

/** Strings, which are passed over, also one that does not end, and integers that may not fit a number. */
const INTEGERS = /"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)|-?\d{16,}(?![\d.eE])|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d{16,}$/;

/** What marks an integer in the text between two steps; nobody else knows it. */
const mark = (): string => `\u0000${Math.random()}\u0000`;

function parse(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const marked = mark();
  const quoted = JSON.stringify(marked).slice(1, -1);
  const found = text.replace(INTEGERS, (part) =>
    INTEGER.test(part) && !Number.isSafeInteger(Number(part)) ? `"${quoted}${part}"` : part,
  );
  return JSON.parse(found, (_, value) =>
    typeof value === "string" && value.startsWith(marked) ? BigInt(value.slice(marked.length)) : value,
  );
}

function stringify(value: unknown): string {
  const marked = mark();
  let isUsed = false;
  const text = JSON.stringify(value, (_, member) => {
    if (typeof member !== "bigint") return member;
    isUsed = true;
    return `${marked}${member}`;
  });
  const quoted = JSON.stringify(marked).slice(1, -1);
  return isUsed ? text.replaceAll(new RegExp(`"${escaped(quoted)}(-?\\d+)"`, "g"), "$1") : text;
}

const escaped = (text: string): string => text.replace(/[\\.]/g, "\\$&");

export const json: { parse: (text: string) => unknown; stringify: (value: unknown) => string } = { parse, stringify };
