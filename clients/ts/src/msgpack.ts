/** MessagePack for the subprotocol `ng-ws.v1.msgpack`: maps with string keys, no extension types (M14, B5). */

import type { Message } from "./core/wire.js";
import { TELLING } from "./glimpse.js";
import type { Codec, Salvaged } from "./types.js";

const DEEPEST = 64;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Give it to the client as `codec`; the hub is asked for JSON too, and the client follows its choice. */
export const msgpack: Codec = {
  subprotocol: "ng-ws.v1.msgpack",
  encode: (message) => new Writer().whole(message),
  decode: (payload) => {
    if (typeof payload === "string") throw new TypeError("expected a binary frame, got text");
    return new Reader(payload).whole();
  },
  salvage: (payload, why) => (typeof payload === "string" ? [{ seen: {}, why }] : new Reader(payload).parts(why)),
};

class Writer {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  whole(value: unknown): Uint8Array<ArrayBuffer> {
    this.#write(value, 0);
    return this.#bytes.subarray(0, this.#end);
  }

  /** Room for so many bytes, in a larger buffer where it is needed: ask for it before the buffer is named. -> where they begin */
  #room(size: number): number {
    const at = this.#end;
    this.#end += size;
    if (this.#end > this.#bytes.length) {
      const bytes = new Uint8Array(2 * this.#end);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return at;
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  #put(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** A type byte and a number of the smallest of these widths that holds it; one type each, in their order. */
  #sized(base: number, value: number, widths: readonly number[]): void {
    const step = widths.findIndex((width) => value < 2 ** (8 * width));
    this.#byte(base + step);
    const width = widths[step] as number;
    const at = this.#room(width);
    if (width === 1) this.#view.setUint8(at, value);
    else if (width === 2) this.#view.setUint16(at, value);
    else this.#view.setUint32(at, value);
  }

  #write(value: unknown, depth: number): void {
    if (depth > DEEPEST) throw new RangeError("expected a value that is not nested so deeply, or within itself");
    if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#bigint(value);
    else if (typeof value === "string") {
      const text = encoder.encode(value);
      if (text.length < 32) this.#byte(0xa0 | text.length);
      else this.#sized(0xd9, text.length, [1, 2, 4]);
      this.#put(text);
    } else if (value instanceof Uint8Array) {
      this.#sized(0xc4, value.length, [1, 2, 4]);
      this.#put(value);
    } else if (Array.isArray(value)) {
      if (value.length < 16) this.#byte(0x90 | value.length);
      else this.#sized(0xdc, value.length, [2, 4]);
      for (const one of value) this.#write(one, depth + 1);
    } else if (typeof value === "object") this.#map(value, depth);
    else throw new TypeError(`expected a value that messages can hold, got ${typeof value}`);
  }

  #map(value: object, depth: number): void {
    if ("toJSON" in value && typeof value.toJSON === "function") return this.#write(value.toJSON(), depth);
    // As in JSON, a member that is undefined is not there.
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    if (members.length < 16) this.#byte(0x80 | members.length);
    else this.#sized(0xde, members.length, [2, 4]);
    for (const [name, member] of members) {
      this.#write(name, depth + 1);
      this.#write(member, depth + 1);
    }
  }

  #number(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`expected a finite number, got ${value}`);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#byte(0xcb);
      const at = this.#room(8);
      this.#view.setFloat64(at, value);
    } else if (value >= 0 && value < 128) this.#byte(value);
    else if (value < 0 && value >= -32) this.#byte(value & 0xff);
    else if (value >= 0 && value < 2 ** 32) this.#sized(0xcc, value, [1, 2, 4]);
    else if (value < 0 && value >= -(2 ** 31)) {
      this.#byte(0xd2);
      const at = this.#room(4);
      this.#view.setInt32(at, value);
    } else this.#bigint(BigInt(value));
  }

  #bigint(value: bigint): void {
    if (value < -(2n ** 63n) || value >= 2n ** 64n)
      throw new RangeError(`expected an integer of 64 bits, got ${value}`);
    this.#byte(value < 0 ? 0xd3 : 0xcf);
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value));
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(payload: ArrayBuffer) {
    this.#bytes = new Uint8Array(payload);
    this.#view = new DataView(payload);
  }

  whole(): unknown {
    const value = this.#read(0);
    if (this.#at < this.#bytes.length)
      throw new RangeError(`${this.#bytes.length - this.#at} bytes behind the message`);
    return value;
  }

  /** Each message of an array by itself; of a map the telling members. */
  parts(why: string): Salvaged[] {
    const length = this.#length(0x90, 0xdc);
    if (length === undefined) return [{ seen: this.#telling(), why }];
    const parts: Salvaged[] = [];
    while (parts.length < length) {
      const start = this.#at;
      let fault: unknown;
      try {
        parts.push({ message: this.#read(1) });
        continue;
      } catch (raised) {
        fault = raised;
      }
      this.#at = start;
      const seen = this.#telling();
      this.#at = start;
      try {
        this.#pass();
        parts.push({ seen, why: `${fault}` });
      } catch {
        return [...parts, { seen, why, isEndless: true }];
      }
    }
    return parts;
  }

  /** How many members an array or a map has, by the first type of its short and its long form; undefined for none. */
  #length(short: number, long: number): number | undefined {
    const type = this.#bytes[this.#at] ?? 0;
    if (type >> 4 === short >> 4) return this.#uint(1) & 15;
    if (type >> 1 !== long >> 1 || this.#bytes.length - this.#at < 5) return undefined;
    return this.#uint(this.#uint(1) === long ? 2 : 4);
  }

  /** The telling members before the first that ends nowhere. */
  #telling(): Partial<Message> {
    const found: Record<string, unknown> = {};
    try {
      for (let left = this.#length(0x80, 0xde) ?? 0; left > 0; left--) {
        const name = this.#read(0);
        if (TELLING.includes(name as string)) found[name as string] = this.#read(0);
        else this.#pass();
      }
    } catch {
      // What stands before it is told.
    }
    return found;
  }

  /** Go behind a value, whatever it is. */
  #pass(): void {
    for (let left = 1; left > 0; left--) {
      const type = this.#uint(1);
      if (type < 0x80 || type >= 0xe0) continue;
      if (type < 0x90) left += 2 * (type & 15);
      else if (type < 0xa0) left += type & 15;
      else if (type < 0xc0) this.#skip(type & 31);
      else if (type === 0xc1) throw new TypeError("expected a type of MessagePack, got 0xc1");
      else if (type < 0xc4) continue;
      else if (type < 0xc7) this.#skip(this.#uint(1 << (type - 0xc4)));
      else if (type < 0xca) this.#skip(this.#uint(1 << (type - 0xc7)) + 1);
      else if (type < 0xcc) this.#skip(4 << (type - 0xca));
      else if (type < 0xd4) this.#skip(1 << (type & 3));
      else if (type < 0xd9) this.#skip((1 << (type - 0xd4)) + 1);
      else if (type < 0xdc) this.#skip(this.#uint(1 << (type - 0xd9)));
      else if (type < 0xde) left += this.#uint(2 << (type - 0xdc));
      else left += 2 * this.#uint(2 << (type - 0xde));
    }
  }

  #skip(size: number): number {
    const at = this.#at;
    this.#at += size;
    if (this.#at > this.#bytes.length) throw new RangeError("the message ends too early");
    return at;
  }

  #uint(width: number): number {
    const at = this.#skip(width);
    return width === 1 ? this.#view.getUint8(at) : width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #slice(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  #big(value: bigint): number | bigint {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #read(depth: number): unknown {
    if (depth > DEEPEST) throw new RangeError("nested too deeply");
    const type = this.#uint(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 15, depth);
    if (type < 0xa0) return this.#array(type & 15, depth);
    if (type < 0xc0) return decoder.decode(this.#slice(type & 31));
    if (type >= 0xe0) return type - 256;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#slice(this.#uint(1 << (type - 0xc4)));
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (type - 0xcc));
      case 0xcf:
        return this.#big(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return this.#big(this.#view.getBigInt64(this.#skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return decoder.decode(this.#slice(this.#uint(1 << (type - 0xd9))));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (type - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (type - 0xde)), depth);
    }
    throw new TypeError(`expected a type of the protocol, got 0x${type.toString(16)}`);
  }

  #array(length: number, depth: number): unknown[] {
    const values: unknown[] = [];
    for (let index = 0; index < length; index++) values.push(this.#read(depth + 1));
    return values;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    // Without a prototype: `__proto__` is a name like any other.
    const map: Record<string, unknown> = Object.create(null);
    for (let index = 0; index < length; index++) {
      const name = this.#read(depth + 1);
      if (typeof name !== "string") throw new TypeError(`expected a string as a name, got ${typeof name}`);
      map[name] = this.#read(depth + 1);
    }
    return map;
  }
}
