/** A consumer in whatever runtime executes this: `consumer.mjs DIST URL TOKEN FORM` tells what happens, a line of JSON each. */

import process from "node:process";

const [dist, url, token, form] = process.argv.slice(2);
const { default: NeurographWSClient } = await import(`${dist}index.js`);
const { msgpack } = await import(`${dist}msgpack.js`);
const tell = (line) => console.log(JSON.stringify(line));

const client = new NeurographWSClient({
  url,
  token,
  backoff: { base: 5, cap: 50 },
  ...(form === "msgpack" ? { codec: msgpack } : {}),
});
client.on("resumed", ({ replayed, gaps }) => tell({ resumed: client.welcome.resumed, replayed, gaps }));
await client.connect({ retry: true });
const sub = client.subscribe("actions", undefined, { from: "new", ack: 64 });
await sub.ready();
// What is loaded when it is used, and what goes as bytes.
const { is_novel } = await client.emitText(`from ${form}`);
const stored = await client.publishMedia("actions", new Uint8Array([1, 2, 3]), {
  event: "test.media",
  contentType: "application/octet-stream",
});
const past = await client.history("actions", { last: 1 });
const { isGood } = await client.diagnose();
tell({ role: client.role, novel: is_novel, isPast: past[0].position === stored.position, isGood });
for await (const { data, event } of sub) {
  tell(event === "test.media" ? { bytes: [...data] } : { data });
  if (data === "end") break;
}
await client.close();
tell({ state: client.state });
