/**
 * What an application gets of dist/, minified and gzipped, beside its budget in bytes; ends with 1 where one is passed.
 * `--modules` also tells where the bytes of the core come from.
 */

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundle } from "./bundle.js";

/**
 * `core` is an application of one line that imports the default export, bundled and minified: what is there from the
 * start. Parts are loaded when they are used. The entries beside it are without what they share with it.
 */
export const BUDGETS = { core: 19_340, react: 1_060, node: 512, msgpack: 2_050 };

const CORE = 'import NeurographWSClient from "neurograph-ws-client"; globalThis.Client = NeurographWSClient;';
const zipped = (contents) => gzipSync(contents, { level: 9 }).length;

const shippedFile = (name) => readFileSync(new URL(`../dist/${name}`, import.meta.url));

/** -> bytes of an application that has to be there before its first line runs */
async function application(source) {
  const shipped = {
    name: "shipped",
    setup(one) {
      const resolve = ({ path }) => ({
        path: path === "neurograph-ws-client" ? "index.js" : path.slice(2),
        namespace: "shipped",
        sideEffects: false,
      });
      one.onResolve({ filter: /^neurograph-ws-client$|^\.\// }, resolve);
      one.onLoad({ filter: /.*/, namespace: "shipped" }, ({ path }) => ({ contents: shippedFile(path) }));
    },
  };
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, sourcefile: "application.js" },
    outdir: "/",
    entryNames: "application",
    bundle: true,
    format: "esm",
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    plugins: [shipped],
    logLevel: "error",
  });
  const named = new Map(Object.keys(metafile.outputs).map((name) => [name.replace(/.*\//, ""), name]));
  const wanted = new Set([named.get("application.js")]);
  for (const name of wanted) {
    for (const { path, kind } of metafile.outputs[name].imports) if (kind === "import-statement") wanted.add(path);
  }
  const isWanted = ({ path }) => wanted.has(named.get(path.replace(/.*\//, "")));
  return outputFiles.filter(isWanted).reduce((sum, file) => sum + zipped(file.contents), 0);
}

/** -> bytes by name */
export async function sizes() {
  const alone = ["react", "node", "msgpack"].map((name) => [name, zipped(shippedFile(`${name}.js`))]);
  return { core: await application(CORE), ...Object.fromEntries(alone) };
}

/** -> minified bytes of the core by module, largest first */
async function modules() {
  const { metafile } = await bundle(["index"], "esm", { write: false, sourcemap: false, metafile: true });
  const [core] = Object.values(metafile.outputs);
  const found = Object.entries(core.inputs).map(([name, { bytesInOutput }]) => [name, bytesInOutput]);
  return found.filter(([, bytes]) => bytes > 0).sort(([, one], [, other]) => other - one);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const measured = await sizes();
  for (const [name, size] of Object.entries(measured)) {
    console.log(`${name.padEnd(8)} ${String(size).padStart(6)} of ${BUDGETS[name]} bytes`);
    if (size > BUDGETS[name]) process.exitCode = 1;
  }
  if (process.argv.includes("--modules")) {
    for (const [name, bytes] of await modules()) console.log(`${String(bytes).padStart(6)} ${name}`);
  }
}
