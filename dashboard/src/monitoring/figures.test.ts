import { expect, test } from "vitest";

import { bytes, count, milliseconds, percent, rate } from "./figures";

test("figures are short, and nothing that is there looks like nothing", () => {
  expect([count(0), count(9999), count(12_345)]).toEqual(["0", "9,999", "12.3K"]);
  expect([rate(0), rate(0.001), rate(0.25), rate(1234)]).toEqual(["0", "< 0.01", "0.25", "1,230"]);
  expect([percent(0), percent(0.00001), percent(0.125)]).toEqual(["0 %", "< 0.01 %", "12.5 %"]);
  expect([milliseconds(null), milliseconds(1.2345), milliseconds(1500)]).toEqual(["–", "1.23 ms", "1.5 s"]);
  expect([bytes(0), bytes(999), bytes(1500), bytes(2.5e9)]).toEqual(["0 B", "999 B", "1.5 kB", "2.5 GB"]);
});
