/** The order of rows, as people and not as machines count. */
import { expect, test } from "vitest";

import { ordered } from "./order";

test("texts stand by their numbers, whatever their case and accents", () => {
  const names = ["r10", "R9", "écru", "zebra", "eel", "r9b"];
  expect(ordered(names, (name) => name, false)).toEqual(["eel", "écru", "R9", "r9b", "r10", "zebra"]);
});

test("numbers stand by their size, after what says none, and turned round in the other direction", () => {
  const found = [{ took: 10 }, { took: 9 }, {}, { took: 9 }];
  expect(ordered(found, ({ took }) => took, false).map(({ took }) => took)).toEqual([undefined, 9, 9, 10]);
  expect(ordered(found, ({ took }) => took, true).map(({ took }) => took)).toEqual([10, 9, 9, undefined]);
});
