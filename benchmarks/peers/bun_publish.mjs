// Peer: Bun's own server with its native publish. Speaks just enough of the load generator's `ng` protocol.
const deflate = process.env.NG_PEER_DEFLATE === "1";

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("a WebSocket is expected", { status: 426 })),
  websocket: {
    perMessageDeflate: deflate,
    message(socket, text) {
      const message = JSON.parse(text);
      if (message.type === "subscribe") {
        for (const channel of message.channels) socket.subscribe(channel);
        socket.send('{"type":"subscribed"}');
      } else {
        const { channel, event, data } = message;
        socket.publish(channel, JSON.stringify({ type: "event", channel, event, data }), deflate);
      }
    },
  },
});
