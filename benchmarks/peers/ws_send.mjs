// Peer: the `ws` library of Node, one `send` per subscriber. Speaks just enough of the load generator's `ng` protocol.
import { WebSocketServer } from "ws";

const subscribers = new Map();
const perMessageDeflate = process.env.NG_PEER_DEFLATE === "1" ? { threshold: 0 } : false;
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate });

server.on("connection", (socket) => {
  socket.on("message", (bytes) => {
    const message = JSON.parse(bytes);
    if (message.type === "subscribe") {
      for (const channel of message.channels) {
        if (!subscribers.has(channel)) subscribers.set(channel, new Set());
        subscribers.get(channel).add(socket);
      }
      socket.send('{"type":"subscribed"}');
    } else {
      const { channel, event, data } = message;
      const text = JSON.stringify({ type: "event", channel, event, data });
      for (const subscriber of subscribers.get(channel) ?? []) subscriber.send(text);
    }
  });
  socket.on("close", () => {
    for (const channel of subscribers.values()) channel.delete(socket);
  });
});
