// Peer: Socket.IO with a room per channel, WebSocket transport only.
import { Server } from "socket.io";

const perMessageDeflate = process.env.NG_PEER_DEFLATE === "1" ? { threshold: 0 } : false;
const server = new Server(Number(process.argv[2]), { transports: ["websocket"], perMessageDeflate });

server.on("connection", (socket) => {
  socket.on("subscribe", (channels) => {
    for (const channel of channels) socket.join(channel);
    socket.emit("subscribed");
  });
  socket.on("publish", ({ channel, data }) => server.to(channel).emit("event", { channel, data }));
});
