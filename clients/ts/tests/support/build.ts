/** Before the tests: what is shipped is built, since some of them run against it. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export default function setup(): void {
  const cwd = fileURLToPath(new URL("../../", import.meta.url));
  execFileSync("node", ["scripts/build.js", "--js"], { cwd, stdio: "inherit" });
}
