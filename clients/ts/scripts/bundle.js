/** How the sources become one file per entry: minified, with the names that never leave it made short. */

import { build } from "esbuild";

/** What `package.json` exports, and what is loaded only when it is asked for. */
export const ENTRIES = ["index", "react", "node", "msgpack"];
export const PARTS = ["bigint", "compress", "diagnose", "encoder", "worker"];

/**
 * Members that no application, no hub and no runtime ever sees. A name that also stands on the wire, in an option, in
 * what the client gives or in the language must not be here; the tests run against what is built with this list.
 */
export const INTERNAL = `
  accepted acks acknowledge answered asking beginAgain credentials deliver discard dropOldest effects
  expired expiring failure flush follow follows gone greeted greetBy hasten heard heardAt inFlight isAdopted
  isCaughtUp isContested isDraining isDue isKnown isLatest isOpen isPatient isPersistent isRecovering isRenewable
  isRepeatable isRestored isRestoring isResumed isResuming isSecond isStale isUncertain isWanted knowsPositions
  leaveBy leavePage lookAt lookBy misread needed notLoggedIn notOpened notResumed nudge overdue parted presented pump
  readings readyIfDone reads recovery refreshAt rejections renewed repeatAt repeats requests restoring retries
  retryAt revive secondFailed sentAt settle settleDown shifted standAt started startSecond startsAt suspend takeUp
  tellIfDone together tokenCame tokenFailed tokenReady tokenless unacked unsettled updateStale watermark withdrawn
`
  .trim()
  .split(/\s+/);

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
    mangleProps: new RegExp(`^(?:${INTERNAL.join("|")})$`),
    // So that Node finds the names in what is loaded by `import()` out of CommonJS.
    platform: format === "cjs" ? "node" : "neutral",
    target: "es2022",
    external: ["react", "ws"],
    sourcemap: true,
    plugins: [apart(format === "cjs" ? ".cjs" : ".js")],
    logLevel: "error",
    ...more,
  });
