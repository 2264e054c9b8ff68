/** A way to a hub that can be cut: every connection through it ends, and the next one goes through. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export class Tunnel {
  readonly #ends: Set<Socket> = new Set();
  readonly #server = createServer((near) => {
    const far = connect(this.to, "127.0.0.1");
    near.pipe(far).pipe(near);
    for (const end of [near, far]) {
      this.#ends.add(end);
      end.on("error", () => {});
      end.on("close", () => {
        this.#ends.delete(end);
        near.destroy();
        far.destroy();
      });
    }
  });

  constructor(readonly to: number) {}

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ws`;
  }

  cut(): void {
    for (const end of this.#ends) end.destroy();
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }
}
