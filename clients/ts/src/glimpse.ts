/**
 * What can still be told of JSON that cannot be read: whose answer it is, or which event.
 *
 * One pass over the tokens, without recursion and without understanding what stands between them.
 */

import type { Message } from "./core/wire.js";

/** The members that say what a message is about. */
export const TELLING: readonly string[] = ["type", "id", "channel", "offset"];

const OPENING = "[{";
const CLOSING = "]}";

/** Each with its beginning and its end. A string that does not end is one too, up to the end of the text. */
function* tokensOf(text: string): Generator<[string, number, number]> {
  const pattern = /["[\]{}:,]|[^\s"[\]{}:,]+/g;
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    const start = found.index;
    let end = pattern.lastIndex;
    if (found[0] === '"') {
      while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
      pattern.lastIndex = ++end;
    }
    yield [text.slice(start, end), start, end];
  }
}

/** The telling members of what was to be an object; those that can be found. */
export function tellingOf(text: string): Partial<Message> {
  const found: Record<string, unknown> = {};
  let depth = 0;
  let name = "";
  let isValue = false;
  for (const [word, , end] of tokensOf(text)) {
    if (OPENING.includes(word)) depth++;
    else if (CLOSING.includes(word)) {
      if (--depth <= 0) break;
    } else if (depth === 1) {
      if (word === ":" || word === ",") isValue = word === ":";
      else if (!isValue) name = word.slice(1, -1);
      else if (TELLING.includes(name) && end < text.length) {
        try {
          found[name] = JSON.parse(word);
        } catch {
          // It is told by the others.
        }
      }
    }
  }
  return found;
}

/**
 * The elements of what was to be an array, and the text from the first one on whose end is not found; undefined where it
 * is no array.
 */
export function elementsOf(text: string): { whole: string[]; rest?: string } | undefined {
  const whole: string[] = [];
  // What closes the brackets that are open, and where the element begins that is gone through.
  const awaited: (string | undefined)[] = [];
  let begin = 0;
  for (const [word, start, end] of tokensOf(text)) {
    const depth = awaited.length;
    if (!depth && word !== "[") return undefined;
    if (depth === 1) begin = start;
    if (OPENING.includes(word)) awaited.push(CLOSING[OPENING.indexOf(word)]);
    else if (CLOSING.includes(word) && awaited.pop() !== word) break;
    if (!awaited.length) return { whole };
    if (awaited.length === 1) {
      if (depth && word !== ",") whole.push(text.slice(begin, end));
      begin = end;
    }
  }
  return begin ? { whole, rest: text.slice(begin) } : undefined;
}
