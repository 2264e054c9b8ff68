/** Hubs and clients that end with their test. */

import { test as base } from "vitest";
import { WebSocket } from "ws";
import NeurographWSClient, { type HubOptions, type WebSocketLike } from "../../src/index.js";
import { FakeHub, type HubConfig } from "./hub.js";

interface Fixtures {
  startHub: (config?: HubConfig) => Promise<FakeHub>;
  hub: FakeHub;
  /** A client that is not connected yet. */
  makeClient: (url: string, options?: Partial<HubOptions>) => NeurographWSClient;
}

/** Back-off in milliseconds instead of half a second. */
export const QUICK: NonNullable<HubOptions["backoff"]> = { base: 5, cap: 20 };

export const it = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: the form that vitest asks for
  startHub: async ({}, use) => {
    const hubs: FakeHub[] = [];
    await use(async (config) => {
      const hub = await new FakeHub(config).start();
      hubs.push(hub);
      return hub;
    });
    await Promise.all(hubs.map((hub) => hub.stop()));
  },
  hub: async ({ startHub }, use) => use(await startHub()),
  // biome-ignore lint/correctness/noEmptyPattern: as above
  makeClient: async ({}, use) => {
    const clients: NeurographWSClient[] = [];
    await use((url, options) => {
      const webSocket = WebSocket as unknown as WebSocketLike;
      const client = new NeurographWSClient({ url, webSocket, backoff: QUICK, timeout: 2_000, ...options });
      clients.push(client);
      return client;
    });
    await Promise.all(clients.map((client) => client.close()));
  },
});

/** The next value that is told. */
export function told<K extends Parameters<NeurographWSClient["on"]>[0]>(
  client: NeurographWSClient,
  name: K,
): Promise<unknown> {
  return new Promise((resolve) => {
    const end = client.on(name, (value) => {
      end();
      resolve(value);
    });
  });
}

/** So many items of a subscription. */
export async function take<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) if (taken.push(item) === count) break;
  return taken;
}
