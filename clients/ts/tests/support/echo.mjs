/**
 * The part of a client in the Autobahn suite: `echo.mjs URL AGENT` runs every case that the server has, sends back what comes,
 * and has the reports written. By the WebSocket of the runtime, or that of `ws` where this is the agent.
 */

import process from "node:process";

const [url, agent] = process.argv.slice(2);
const { WebSocket } = agent === "ws" ? await import("ws") : globalThis;

/** Until the connection is closed, with what is done at each message. */
const talk = (path, heard) =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${url}${path}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => heard(data, socket);
    socket.onerror = () => {};
    socket.onclose = resolve;
  });

let count = 0;
await talk("/getCaseCount", (data) => {
  count = Number(data);
});
for (let number = 1; number <= count; number++) {
  await talk(`/runCase?case=${number}&agent=${agent}`, (data, socket) => socket.send(data));
}
await talk(`/updateReports?agent=${agent}`, () => {});
console.log(count);
