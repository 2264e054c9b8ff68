import { expect, vi } from "vitest";
import type * as Bigint from "../src/bigint.js";
import { it, told } from "./support/fixtures.js";

const loading = vi.hoisted(() => ({ failures: 0 }));

/** A part of the client that is fetched when it is first needed, while the network is away. */
vi.mock("../src/bigint.js", async (original) => {
  const { json } = await original<typeof Bigint>();
  return {
    get json() {
      if (loading.failures-- > 0) throw new TypeError("Failed to fetch dynamically imported module");
      return json;
    },
  };
});

it("X2 X4 a part that cannot be fetched now is a connection that failed, and is fetched again", async ({
  hub,
  makeClient,
}) => {
  loading.failures = 2;
  const client = makeClient(hub.url, { bigint: true });
  const states: string[] = [];
  client.on("state", ({ new: state, reason }) => states.push(`${state} ${/dynamically/.test(reason)}`));
  await client.connect({ retry: true });
  expect(states).toEqual(["connecting false", "reconnecting true", "reconnecting true", "connected false"]);
});

it("X5 without the wish to go on it ends the first attempt, with what went wrong", async ({ hub, makeClient }) => {
  loading.failures = 1;
  const client = makeClient(hub.url, { bigint: true });
  const closed = told(client, "state").then(() => told(client, "state"));
  await expect(client.connect()).rejects.toThrow(/Failed to fetch dynamically imported module/);
  expect(await closed).toMatchObject({ new: "closed" });
  await client.connect();
  expect(client.state).toBe("connected");
});
