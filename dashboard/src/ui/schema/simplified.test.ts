import { expect, test } from "vitest";

import { simplified } from "./simplified";

test("what machines alone need is left out of forms", () => {
  const schema = {
    title: "Conf",
    type: "object" as const,
    additionalProperties: true,
    properties: {
      group: { anyOf: [{ type: "string" as const, minLength: 1 }, { type: "null" as const }], default: null, description: "d" },
      rules: { type: "array" as const, items: { title: "Rule", type: "object" as const, additionalProperties: true } },
    },
  };
  expect(simplified(schema)).toEqual({
    type: "object",
    properties: {
      group: { type: "string", minLength: 1, description: "d" },
      rules: { type: "array", items: { type: "object", additionalProperties: true } },
    },
  });
});

test("real choices stay choices", () => {
  const schema = { anyOf: [{ type: "string" as const }, { type: "integer" as const }, { type: "null" as const }] };
  expect(simplified(schema)).toEqual({ anyOf: [{ type: "string" }, { type: "integer" }] });
});
