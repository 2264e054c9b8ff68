/** The hub itself, as a process: the interpreter of the repository, or that of NG_PYTHON. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
export const PYTHON: string = process.env["NG_PYTHON"] ?? join(ROOT, ".venv/bin/python");

/** Why there is none, or undefined. */
export const MISSING: string | undefined = existsSync(PYTHON)
  ? undefined
  : `no hub: ${PYTHON} is not there (make setup, or NG_PYTHON)`;

export interface RealHub {
  readonly url: string;
  readonly port: number;
  readonly tokens: Readonly<Record<string, string>>;
  /** SIGTERM: it drains, and ends. */
  drain(): void;
  stop(): Promise<void>;
}

/** Serve in development mode, on a free port or on that of a former one. */
export async function startHub(variables: Record<string, string> = {}): Promise<RealHub> {
  const directory = mkdtempSync(join(tmpdir(), "ng-ts-"));
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("NG_"));
  const env = {
    ...Object.fromEntries(kept),
    PYTHONPATH: process.env["PYTHONPATH"] ?? ROOT,
    NG_PORT: "0",
    ...variables,
  };
  const hub = spawn(PYTHON, ["-m", "hub", "serve"], { cwd: directory, env, stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise<void>((resolve) => hub.once("exit", () => resolve()));
  const banner = await read(hub);
  const port = Number(/ws:\/\/localhost:(\d+)\/ws/.exec(banner)?.[1]);
  const tokens = Object.fromEntries(
    [...banner.matchAll(/(admin|developer|viewer|bot) +(ey\S+)/g)].map((found) => found.slice(1, 3)),
  );
  return {
    url: `ws://127.0.0.1:${port}/ws`,
    port,
    tokens,
    drain: () => void hub.kill("SIGTERM"),
    stop: async () => {
      hub.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function read(hub: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let banner = "";
    hub.stdout?.on("data", (part: Buffer) => {
      banner += part;
      if (/^ {2}Stop/m.test(banner)) resolve(banner);
    });
    hub.once("exit", (code) => reject(new Error(`the hub ended with ${code}: ${banner}`)));
  });
}

/** The first line that a command writes, in the environment of the repository's Python packages; it is ended then. */
export async function firstLine(command: string, given: string[], more: Record<string, string> = {}): Promise<string> {
  const packages = [ROOT, join(ROOT, "clients/python/src"), join(ROOT, "cli/src")].join(delimiter);
  const env = { ...process.env, PYTHONPATH: packages, PYTHONUNBUFFERED: "1", ...more };
  const child = spawn(command, given, { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) return line;
    throw new Error(`${command} ${given[0]} ended without a line`);
  } finally {
    child.kill();
  }
}
