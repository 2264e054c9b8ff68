import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const built = fileURLToPath(new URL("dist/", import.meta.url));

export default defineConfig({
  test: {
    globalSetup: "tests/support/build.ts",
    projects: [
      {
        extends: true,
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
          include: ["tests/{client,recovery}.test.ts", "tests/react.test.tsx"],
          testTimeout: 20_000,
        },
      },
    ],
  },
});
