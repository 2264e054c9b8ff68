/** The page in a real browser, against a real hub: as it is shipped, from `/`. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { MISSING, type RealHub, startHub } from "../../clients/ts/tests/support/real_hub.js";

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

  const visit = async (viewport = { width: 1280, height: 900 }): Promise<void> => {
    complaints = [];
    const context = await browser.newContext({ viewport });
    open.push(() => context.close());
    page = await context.newPage();
    page.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) complaints.push(line.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await page.goto(`http://127.0.0.1:${hub.port}/`);
  };

  const text = async (selector: string): Promise<string> => (await page.locator(selector).first().textContent()) ?? "";
  const until = (selector: string, words: string): Promise<unknown> =>
    page.locator(selector).filter({ hasText: words }).first().waitFor(SOON);
  const emit = async (words: string): Promise<void> => {
    await page.fill("#emit-text", words);
    await page.click("#emit-form button");
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

    // With a secret of its own: the page asks for another token.
    const { port } = hub;
    await hub.stop();
    await until("#state", "Reconnecting");
    await until("#notice", "Connection lost");
    await serve({ ...kept, NG_PORT: String(port) });
    // H6: it does not wait for the end of its back-off.
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await until("#notice", "Connected again after");
    const said = await text("#notice");
    expect(said).toMatch(
      /Not delivered: (metrics, status|status, metrics): an unknown number of events each \(the hub's log began anew\)\.$/,
    );
    expect(said).not.toContain("signals");
    expect(said).toMatch(/\d events? replayed/);
    await until("#missed", "metrics");
    expect(await text("#card-missed")).toBe("unknown");
    for (const id of ["chart-rates", "chart-cpu"]) await until(`#${id} .hole`, "the hub's log began anew");
    await emit("after it");
    await until("#feed li", "after it");
    expect(await page.locator("#feed li", { hasText: "before the end" }).count()).toBe(1);
    expect(complaints.filter((line) => !AWAY.test(line))).toEqual([]);
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

  it("W8 W9 fits a phone, dark and light, and keeps a bounded list", async () => {
    await serve();
    await visit({ width: 360, height: 740 });
    await until("#state", "Connected");
    const token = await page.evaluate(async () => (await (await fetch("api/v1/page")).json()).data.token);
    const vectors = Array.from({ length: 400 }, (_, row) => Array.from({ length: 8 }, (_, axis) => row + axis));
    const body = JSON.stringify({ event_type: "signal.input.text", vectors });
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${hub.port}/api/v1/emit`, { method: "POST", headers, body });
    expect(answer.status).toBe(200);
    await until("#feed-note", "400 signals");
    await page.waitForFunction(() => document.querySelectorAll("#feed li").length === 100, SOON);
    expect(await text("#feed")).toContain("token 400");
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(widths).toEqual([360, 360]);
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
