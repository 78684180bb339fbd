import { expect, test } from "vitest";

import { drawn } from "./charts";
import type { Traffic } from "./shapes";

test("a step that is not over counts as far as it went, and what was not measured leaves a gap", () => {
  const traffic = { at: [0, 60, 120], step: 60, to: 150 } as Traffic;
  expect(drawn(traffic, [60, null, 3], true)).toEqual([
    [0, 1],
    [60_000, null],
    [120_000, 0.1],
  ]);
});
