/** How the sources become one minified file per entry, with a source map. */

import { build } from "esbuild";

/** What `package.json` exports, and what is loaded only when it is asked for. */
export const ENTRIES = ["index", "react", "node", "msgpack"];
export const PARTS = ["bigint", "compress", "diagnose", "encoder", "worker"];

/** Other entries and parts stay files of their own. */
const apart = (extension) => ({
  name: "apart",
  setup(bundle) {
    bundle.onResolve({ filter: /^\.\// }, ({ path, importer }) => {
      const name = path.slice(2).replace(/\.js$/, "");
      if (!importer || importer.includes("/core/") || ![...ENTRIES, ...PARTS].includes(name)) return undefined;
      return { path: `./${name}${extension}`, external: true };
    });
  },
});

/** Build these entries; `format` is esm or cjs. */
export const bundle = (names, format, more = {}) =>
  build({
    entryPoints: names.map((name) => `src/${name}.ts`),
    outExtension: { ".js": format === "cjs" ? ".cjs" : ".js" },
    outdir: "dist",
    bundle: true,
    format,
    minify: true,
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
