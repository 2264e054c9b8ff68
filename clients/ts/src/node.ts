/** The client for Node: the global WebSocket where there is one (22 and later), else that of `ws`. */

import { type HubOptions, Misconfigured, NeurographWSClient, type WebSocketLike } from "./index.js";

export * from "./index.js";
export { NodeClient as NeurographWSClient };

async function ofPackage(): Promise<WebSocketLike> {
  try {
    return (await import("ws")).WebSocket as unknown as WebSocketLike;
  } catch (cause) {
    throw new Misconfigured("Node 20 has no WebSocket of its own: npm install ws", { cause });
  }
}

let found: WebSocketLike | Promise<WebSocketLike> | undefined;

/** As `NeurographWSClient`, with a WebSocket at hand. */
export default class NodeClient extends NeurographWSClient {
  constructor(options: HubOptions) {
    found ??= (globalThis as { WebSocket?: unknown }).WebSocket as WebSocketLike | undefined;
    if (!found && !options.webSocket) {
      found = ofPackage();
      // Told to whoever connects.
      found.catch(() => {});
    }
    super(found ? { webSocket: found, ...options } : options);
  }
}
