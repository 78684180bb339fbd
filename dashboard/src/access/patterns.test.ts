import { expect, test } from "vitest";

import { covered, covers } from "./patterns";

test("patterns mean what the API takes them for", () => {
  const group = "arn:api7:gateway:gatewaygroup";
  for (const [pattern, text, wanted] of [
    [`${group}/a`, `${group}/a`, true],
    [`${group}/a`, `${group}/ab`, false],
    [`${group}/*`, `${group}/a/publishedservice/b`, true],
    ["gateway:<Get|Update>SNI", "gateway:UpdateSNI", true],
    ["gateway:<Get|Update>SNI", "gateway:DeleteSNI", false],
    ["gateway:Get.onsumer", "gateway:GetConsumer", false],
    ["<[", "x", undefined],
    ["<(>", "x", undefined],
  ] as const) {
    expect(covers(pattern, text), pattern).toBe(wanted);
  }
  expect(covered(["a*", "b"], ["ab", "b", "bc"], (each) => each)).toEqual(["ab", "b"]);
});
