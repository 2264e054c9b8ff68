/** How the sources become one minified file per entry, with a source map. */

import { build } from "esbuild";
import { mangling } from "./mangle.js";

/** What `package.json` exports, and what is loaded only when it is asked for. */
export const ENTRIES = ["index", "react", "node", "msgpack"];
export const PARTS = ["batch", "bigint", "diagnose", "encoder", "history", "media", "text", "worker"];

/** Other entries and parts stay files of their own. */
const apart = (extension) => ({
  name: "apart",
  setup(bundle) {
    bundle.onResolve({ filter: /^\.\// }, ({ path, importer }) => {
      const name = path.slice(2).replace(/\.js$/, "");
      const isInside = !importer || importer.includes("/core/") || importer.endsWith("/text.ts");
      if (isInside || ![...ENTRIES, ...PARTS].includes(name)) return undefined;
      return { path: `./${name}${extension}`, external: true };
    });
  },
});

let inside;

/** Build these entries; `format` is esm or cjs. */
export const bundle = (names, format, more = {}) => {
  inside ??= mangling();
  return build({
    entryPoints: names.map((name) => `src/${name}.ts`),
    outExtension: { ".js": format === "cjs" ? ".cjs" : ".js" },
    outdir: "dist",
    bundle: true,
    format,
    minify: true,
    ...inside,
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    // So that Node finds the names in what is loaded by `import()` out of CommonJS.
    platform: format === "cjs" ? "node" : "neutral",
    target: "es2022",
    external: ["react", "ws"],
    sourcemap: true,
    plugins: [apart(format === "cjs" ? ".cjs" : ".js")],
    logLevel: "error",
    ...more,
  });
};
