/** dist/: ES modules and CommonJS with source maps, and types for both; `--js` leaves out the types. */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundle, ENTRIES, PARTS } from "./bundle.js";

const isWhole = !process.argv.includes("--js");

if (isWhole) rmSync("dist", { recursive: true, force: true });
await Promise.all(["esm", "cjs"].map((format) => bundle([...ENTRIES, ...PARTS], format)));
if (isWhole) {
  execFileSync("node", ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" });
  // The same types for CommonJS, under the names that Node looks for.
  for (const name of readdirSync("dist", { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join("dist", name);
    const text = readFileSync(path, "utf8").replace(/(from\s+"\.[^"]*|import\("\.[^"]*)\.js"/g, '$1.cjs"');
    writeFileSync(path.replace(/\.d\.ts$/, ".d.cts"), text);
  }
}
