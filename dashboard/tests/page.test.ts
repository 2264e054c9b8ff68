/** The page in a real browser, against a real hub: as it is shipped, from `/`. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { firstLine, MISSING, PYTHON, type RealHub, startHub } from "../../clients/ts/tests/support/real_hub.js";

const CHROMIUM = [
  process.env["NG_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path && existsSync(path));
if (!CHROMIUM) console.warn("skipped: no Chromium (apt-get install chromium, or NG_CHROMIUM)");
if (MISSING) console.warn(`skipped: ${MISSING}`);

const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];
/** What the browser itself says of a hub that is away. */
const AWAY = /WebSocket connection to .* failed/;
const SOON = { timeout: 45_000 };
const FAST = { NG_METRICS_INTERVAL: "0.2" };

describe.skipIf(!CHROMIUM || MISSING)("the page", () => {
  let browser: Browser;
  let page: Page;
  let hub: RealHub;
  let complaints: string[];
  const open: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: FLAGS });
  });
  afterAll(async () => {
    await browser?.close();
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  const serve = async (variables: Record<string, string> = {}): Promise<void> => {
    hub = await startHub({ ...FAST, ...variables });
    const { stop } = hub;
    open.push(stop);
  };

  const visit = async (
    viewport = { width: 1280, height: 900 },
    prepare: (page: Page) => Promise<void> = async () => {},
  ): Promise<void> => {
    complaints = [];
    const context = await browser.newContext({ viewport });
    open.push(() => context.close());
    page = await context.newPage();
    page.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) complaints.push(line.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.addInitScript(() => {
      const moved = { sum: 0 };
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[]) moved.sum += entry.value;
      }).observe({ type: "layout-shift", buffered: true });
      Object.assign(globalThis, { moved });
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await prepare(page);
    await page.goto(`http://127.0.0.1:${hub.port}/`);
  };

  const text = async (selector: string): Promise<string> => (await page.locator(selector).first().textContent()) ?? "";
  const until = async (selector: string, words: string): Promise<void> => {
    const found = page.locator(selector).filter({ hasText: words }).first();
    await found.waitFor(SOON).catch(async (error: Error) => {
      const stands = await page.locator(selector).allInnerTexts();
      throw new Error(`${selector} never said "${words}"; it says ${JSON.stringify(stands)}`, { cause: error });
    });
  };
  const emit = async (words: string): Promise<void> => {
    await page.fill("#emit-text", words);
    await page.click("#emit-form button");
  };

  const emitMany = async (length: number): Promise<void> => {
    const vectors = Array.from({ length }, (_, row) => Array.from({ length: 8 }, (_, axis) => row + axis));
    const body = JSON.stringify({ event_type: "signal.input.text", vectors });
    const headers = { Authorization: `Bearer ${hub.tokens["developer"]}` };
    const answer = await fetch(`http://127.0.0.1:${hub.port}/api/v1/emit`, { method: "POST", headers, body });
    expect(answer.status).toBe(200);
  };

  /** The page hears of signals from here on: its subscription is one that the hub counts. */
  const hears = async (): Promise<void> => {
    const headers = { Authorization: `Bearer ${hub.tokens["developer"]}` };
    const subscribers = async (): Promise<number | undefined> => {
      const answer = await fetch(`http://127.0.0.1:${hub.port}/api/v1/channels`, { headers });
      const { data } = (await answer.json()) as { data: { channels: { name: string; subscribers: number }[] } };
      return data.channels.find(({ name }) => name === "signals")?.subscribers;
    };
    await until("#state", "Connected");
    await expect.poll(subscribers, SOON).toBe(1);
  };

  /** Pixels of a chart in which something stands. */
  const ink = (id: string): Promise<number> =>
    page.locator(`#${id}`).evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
      return Array.from(data).filter((value, index) => index % 4 === 3 && value > 0).length;
    });

  it("W1 W3 W5 connects by itself, draws, shows signals, emits and filters", async () => {
    await serve();
    await visit();
    await until("#state", "Connected");
    expect(await text("#who")).toContain("dashboard as developer");
    await until("#card-connections", "1");
    await until("#channels", "signals");
    await page.waitForFunction(() => document.querySelectorAll("#chart-cpu .legend b")[0]?.textContent !== "–", SOON);
    for (const id of ["chart-rates", "chart-latency", "chart-cpu", "chart-memory"]) {
      expect(await ink(`${id} canvas`)).toBeGreaterThan(500);
    }

    await emit("disk failing on <b>db4</b>");
    await until("#replies li", "New");
    expect(await text("#replies li")).toContain("nothing is near it");
    await emit("disk failing on <b>db4</b>");
    await until("#replies li", "Known");
    expect(await text("#replies li")).toContain("“disk failing on <b>db4</b>” (0.000)");
    await until("#feed li.novel", "disk failing on <b>db4</b>");
    await until("#feed li:not(.novel)", "Known");
    await until("#space-note", "2 signals, 1 new");
    expect(await ink("space")).toBeGreaterThan(20);
    expect(await page.locator("#feed li b").count()).toBe(0);

    await page.fill("#filter", '{"data.priority": {"gte": "high", "what": 1}}');
    await page.click("#filter-form button[type=submit]");
    await until("#filter-note.error", "what");
    expect(await page.getAttribute("#filter", "aria-invalid")).toBe("true");
    await page.click("text=New only");
    await until("#filter-note", 'Shown: signals with {"data.is_novel": true}');
    await emit("disk failing on <b>db4</b>");
    await emit("another thing entirely");
    await until("#feed li.novel", "another thing entirely");
    expect(await page.locator("#feed li.signal").count()).toBe(3);
    expect(await page.locator("#feed li.turn").count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  it("W9 says what was replayed and what was not, when the hub was killed and started again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ng-page-"));
    open.push(async () => rmSync(directory, { recursive: true, force: true }));
    const config = join(directory, "hub.toml");
    writeFileSync(config, "[channels.signals]\nretention = { durable = true }\n");
    const kept = { NG_CONFIG: config, NG_DATA_DIR: join(directory, "data"), NG_NODE: "n1" };
    await serve(kept);
    await visit();
    await until("#state", "Connected");
    await emit("before the end");
    await until("#feed li", "before the end");
    await page.waitForFunction(() => document.querySelectorAll("#chart-cpu .legend b")[0]?.textContent !== "–", SOON);
    expect(complaints).toEqual([]);

    await until("#missed-none", "Everything that this page was owed has come.");

    // With a secret of its own: the page asks for another token.
    const { port } = hub;
    await hub.stop();
    await until("#state", "Reconnecting");
    await until("#again", "Try now");
    // Since when, and what is not known: of what is owed to whom is away nobody can say that it has come.
    await until("#notice", "Connection lost");
    const [, since] =
      /Not connected since (\d\d:\d\d:\d\d): all below is as it was then\./.exec(await text("#notice")) ?? [];
    expect(since).toBeDefined();
    await until("#missed-none", `Not connected since ${since}: what was published since then is not known here.`);
    await until("#note-missed", `not known since ${since}`);
    expect(await text("#card-missed")).toBe("–");
    expect(await text("body")).not.toContain("has come");
    await serve({ ...kept, NG_PORT: String(port) });
    // It does not wait for the end of its back-off.
    await page.click("#again");
    await until("#notice", "Connected again after");
    const said = await text("#notice");
    expect(said).toMatch(
      /Not delivered: (?:(?:metrics|status|logs)(?:, |: )){3}an unknown number of events each \(the hub's log began anew\)\.$/,
    );
    expect(said).not.toContain("signals");
    // What of the new logs came had not been missed.
    expect(said).toMatch(/\d events? stored meanwhile came/);
    expect(said).not.toContain("replayed");
    await until("#missed", "metrics");
    expect(await text("#card-missed")).toBe("unknown");
    await page.locator("#missed-none").waitFor({ ...SOON, state: "hidden" });
    for (const id of ["chart-rates", "chart-cpu"]) await until(`#${id} .hole`, "the hub's log began anew");
    await emit("after it");
    await until("#feed li", "after it");
    expect(await page.locator("#feed li", { hasText: "before the end" }).count()).toBe(1);
    expect(complaints.filter((line) => !AWAY.test(line))).toEqual([]);
  });

  it("W9 says that nothing was missed as soon as it is known, and not with the next figures", async () => {
    // No figures come, which would draw the card too.
    await serve({ NG_METRICS_INTERVAL: "3600" });
    let cut = () => {};
    let release = () => {};
    let sockets = 0;
    await visit(undefined, (one) =>
      one.routeWebSocket(/\/ws/, (socket) => {
        const isFirst = sockets++ === 0;
        const held: (string | Buffer)[] = [];
        cut = () => void socket.close({ code: 4300 });
        release = () => {
          for (const message of held.splice(0)) socket.send(message);
        };
        // After the cut what was missed waits on the way.
        socket.connectToServer().onMessage((message) => {
          if (isFirst || !`${message}`.includes('"type":"event"')) socket.send(message);
          else held.push(message);
        });
      }),
    );
    await until("#state", "Connected");
    await until("#card-missed", "0");
    cut();
    await until("#card-missed", "–");
    await emitMany(3);
    await page.click("#again");
    await until("#missed-none", "Connected again: what was missed meanwhile is still coming.");
    await until("#note-missed", "to this page");
    expect(await text("#card-missed")).toBe("–");
    release();
    await until("#missed-none", "Everything that this page was owed has come.");
    await until("#card-missed", "0");
  });

  it("W6 L8 lists the hub's log from the level that is asked for", async () => {
    await serve({ NG_LOG_LEVEL: "info" });
    await visit();
    await until("#log li", "hub.started");
    expect(await page.locator("#log li[data-level=info]").count()).toBeGreaterThan(0);
    await page.selectOption("#log-level", "error");
    const admin = { Authorization: `Bearer ${hub.tokens["admin"]}` };
    await until("#state", "Connected");
    // The next record of each level: one that is let through, and one that is not, in their order.
    const publish = (level: string, event: string) =>
      fetch(`http://127.0.0.1:${hub.port}/api/v1/publish`, {
        method: "POST",
        headers: admin,
        body: JSON.stringify({ channel: "logs", event, data: { ts: 1, level, event, node: "n" }, tags: { level } }),
      });
    await page.waitForFunction(() => document.getElementById("log-note")?.textContent === "From here on: errors", SOON);
    for (const [level, event] of [
      ["info", "test.quiet"],
      ["error", "test.loud"],
    ] as const) {
      expect((await publish(level, event)).ok).toBe(true);
    }
    await until("#log li[data-level=error]", "test.loud");
    expect(await page.locator("#log li", { hasText: "test.quiet" }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it("W1 gives code to copy that runs: Python and the command line, with a token that may only look", async () => {
    await serve();
    await visit();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.waitForSelector("#code-box:not([hidden])");
    const copied: Record<string, string> = {};
    for (const language of ["Python", "TypeScript", "Command line"]) {
      await page.selectOption("#code-language", language);
      await page.click("#code-copy");
      await until("#code-note", "Copied");
      copied[language] = await page.evaluate(() => navigator.clipboard.readText());
      expect(await text("#code")).not.toMatch(/ey[\w-]+\.ey/);
      expect(copied[language]).toMatch(/ey[\w-]+\.ey/);
      expect(copied[language]).toContain(`ws://127.0.0.1:${hub.port}/ws`);
    }
    expect(await firstLine(PYTHON, ["-c", copied["Python"] as string])).toContain("metrics");
    const [, token, url] = /^NG_TOKEN=(\S+) ng-ws --url (\S+) --subscribe metrics,status\n$/.exec(
      copied["Command line"] as string,
    ) as unknown as [string, string, string];
    const given = ["-m", "ng_ws", "--url", url, "--subscribe", "metrics,status"];
    expect(JSON.parse(await firstLine(PYTHON, given, { NG_TOKEN: token }))).toMatchObject({ type: "event" });
    expect(complaints).toEqual([]);
  });

  it("X2 says by whom it was ended, and connects again when asked", async () => {
    await serve();
    await visit();
    await until("#state", "Connected");
    const rest = `http://127.0.0.1:${hub.port}/api/v1/clients`;
    const headers = { Authorization: `Bearer ${hub.tokens["admin"]}` };
    const { data } = (await (await fetch(rest, { headers })).json()) as { data: { clients: { id: string }[] } };
    await fetch(`${rest}/${data.clients[0]?.id}`, { method: "DELETE", headers });
    await until("#notice", "Closed: 4010 kicked: ended by an administrator");
    await page.click("#again");
    await until("#state", "Connected");
    await page.waitForFunction(() => document.getElementById("board")?.dataset["state"] === "connected", SOON);
    expect(complaints).toEqual([]);
  });

  it("W9 keeps still under the reader while signals come", async () => {
    await serve();
    await visit();
    await hears();
    for (let seen = 3; seen <= 24; seen += 3) {
      await emitMany(3);
      await until("#feed-note", `${seen} signals`);
      await page.waitForFunction((count) => document.querySelectorAll("#feed li").length === count, seen, SOON);
    }
    // Below 0.1 is what counts as a page that keeps still.
    expect(await page.evaluate("moved.sum")).toBeLessThan(0.1);
    expect(complaints).toEqual([]);
  });

  it("W8 W9 fits a phone, dark and light, and keeps a bounded list", async () => {
    await serve();
    await visit({ width: 360, height: 740 });
    await hears();
    await emitMany(400);
    await until("#feed-note", "400 signals");
    await page.waitForFunction(() => document.querySelectorAll("#feed li").length === 100, SOON);
    expect(await text("#feed")).toContain("token 400");
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(widths).toEqual([360, 360]);
    // What is not in view is not drawn, and not made.
    expect(await page.locator("#chart-memory canvas").count()).toBe(0);
    await page.locator("#chart-memory .plot").scrollIntoViewIfNeeded();
    await page.locator("#chart-memory canvas").waitFor(SOON);
    const backgrounds = [];
    for (const theme of ["light", "dark"]) {
      await page.selectOption("#theme", theme);
      backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    }
    expect(backgrounds).toEqual(["rgb(246, 247, 249)", "rgb(16, 19, 24)"]);
    await page.reload();
    await until("#state", "Connected");
    expect(await page.evaluate(() => document.documentElement.dataset["theme"])).toBe("dark");
    expect(complaints).toEqual([]);
  });

  it("W1 asks for a token where it is given none, and says when one is not good", async () => {
    await serve();
    // A proxy in between: the hub gives no token.
    complaints = [];
    const context = await browser.newContext({ extraHTTPHeaders: { "X-Forwarded-For": "192.0.2.1" } });
    open.push(() => context.close());
    page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${hub.port}/`);
    await page.waitForSelector("#login:not([hidden])");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("token");
    await page.fill("#token", "nonsense");
    await page.click("#login-form button[type=submit]");
    await until("#login-error", "login refused");
    await page.fill("#token", hub.tokens["viewer"] as string);
    await page.click("#login-form button[type=submit]");
    await until("#state", "Connected");
    expect(await text("#who")).toContain("viewer");
    await until("#feed-note", "Role viewer may not see signals.");
    await until("#emit-note", "Role viewer may not emit signals.");
    expect(await page.isDisabled("#emit-text")).toBe(true);
    await page.click("#leave");
    await page.waitForSelector("#login:not([hidden])");
    expect(await page.inputValue("#token")).toBe("");
    await page.click("#anonymous");
    await until("#who", "anonymous");
    expect(complaints).toEqual([]);
  });
});
