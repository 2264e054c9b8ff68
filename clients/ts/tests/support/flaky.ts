/** Names the tests that failed at first and passed when they were tried again. */

import type { Reporter, TestCase } from "vitest/node";

export const flaky: Reporter = {
  onTestCaseResult(test: TestCase): void {
    if (!test.diagnostic()?.flaky) return;
    const errors = test.result().errors ?? [];
    console.warn(`failed at first: ${test.module.relativeModuleId} > ${test.fullName}: ${errors[0]?.message ?? ""}`);
  },
};
