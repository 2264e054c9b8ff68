/** The page from its sources and those of the client, into the hub's package data. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { flaky } from "../clients/ts/tests/support/flaky.js";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Relative, so that the page works behind a proxy that gives the hub a path of its own.
  base: "./",
  resolve: { alias: { "neurograph-ws-client": at("../clients/ts/src/index.ts") } },
  build: {
    outDir: at("../hub/dashboard/files"),
    emptyOutDir: true,
    target: "es2022",
    // A file stays a file: the policy allows no data: and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  test: {
    include: ["tests/**/*.test.ts"],
    reporters: ["default", flaky],
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
