import { expect, test } from "vitest";

import { validator } from "./validator";

const schema = {
  type: "object" as const,
  required: ["count"],
  properties: { count: { type: "integer" as const, exclusiveMinimum: 0 }, key: { enum: ["var", "constant"] } },
};

test("an error stands at the field that has it", () => {
  const found = validator.validateFormData({ count: 0, key: "x" }, schema);
  expect(found.errorSchema["count"]?.__errors).toHaveLength(1);
  expect(found.errorSchema["key"]?.__errors).toHaveLength(1);
  expect(validator.validateFormData({ count: 1 }, schema).errors).toEqual([]);
});

test("a missing field is told", () => {
  expect(validator.validateFormData({}, schema).errors).not.toEqual([]);
});
