import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { flaky } from "./tests/support/flaky.js";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** What examples/ import by the names that an application uses. */
const named = [
  { find: /^neurograph-ws-client$/, replacement: at("src/index.ts") },
  { find: /^neurograph-ws-client\/react$/, replacement: at("src/react.ts") },
  { find: /^react(\/jsx-(?:dev-)?runtime)?$/, replacement: `${at("node_modules/react")}$1` },
];
const built = fileURLToPath(new URL("dist/", import.meta.url));

export default defineConfig({
  test: {
    globalSetup: "tests/support/build.ts",
    reporters: ["default", flaky],
    projects: [
      {
        extends: true,
        resolve: { alias: named },
        test: { name: "source", include: ["tests/**/*.test.{ts,tsx}"], testTimeout: 20_000, hookTimeout: 60_000 },
      },
      {
        // The same, against what is shipped.
        extends: true,
        resolve: {
          alias: [{ find: /^(?:\.\.\/)+src\/(index|msgpack|react|node)\.js$/, replacement: `${built}$1.js` }],
        },
        test: {
          name: "built",
          include: ["tests/{asking,client,hub,recovery}.test.ts", "tests/react.test.tsx"],
          testTimeout: 20_000,
        },
      },
    ],
  },
});
