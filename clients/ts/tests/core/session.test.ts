import { describe, expect, it } from "vitest";
import { Driver, given, SESSION } from "../support/script.js";

describe("the session core against the scripts that every client is held to", () => {
  it.each(SESSION.cases.map((script) => [script.name, script] as const))("I3 E6 E7: %s", (_, script) => {
    const driver = new Driver(script);
    for (const step of [...given(script), ...script.steps]) {
      expect(driver.run(step), JSON.stringify(step)).toEqual(step.then);
      if (step["cause"]) expect(driver.session.cause?.name).toBe(step["cause"]);
    }
  });

  it("H2 X4: the deadline is never later than what is due", () => {
    for (const script of SESSION.cases) {
      const driver = new Driver(script);
      for (const step of [...given(script), ...script.steps]) {
        const due = driver.session.deadline();
        if (step.do === "expired" && step.then.length) {
          expect(due, `${script.name}: ${JSON.stringify(step)}`).toBeLessThanOrEqual(step.now);
        }
        driver.run(step);
      }
    }
  });
});
