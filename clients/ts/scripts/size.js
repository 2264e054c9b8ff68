/** What an application gets, minified and gzipped, beside its budget in bytes; ends with 1 where one is passed. */

import { gzipSync } from "node:zlib";
import { bundle } from "./bundle.js";

/**
 * `core` is what `import NeurographWSClient from "neurograph-ws-client"` brings: parts are loaded when they are used.
 * `session` is the part of it without sockets, clock or promises.
 */
export const BUDGETS = { core: 18_500, session: 11_500, react: 1_024, node: 512, msgpack: 1_600 };

const SOURCES = { core: "client", session: "core/session", react: "react", node: "node", msgpack: "msgpack" };

/** -> bytes by name */
export async function sizes() {
  const measured = {};
  for (const [name, source] of Object.entries(SOURCES)) {
    const { outputFiles } = await bundle([source], "esm", { write: false, sourcemap: false });
    measured[name] = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  }
  return measured;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const measured = await sizes();
  for (const [name, size] of Object.entries(measured)) {
    console.log(`${name.padEnd(8)} ${String(size).padStart(6)} of ${BUDGETS[name]} bytes`);
    if (size > BUDGETS[name]) process.exitCode = 1;
  }
}
