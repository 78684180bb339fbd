import { expect, test } from "vitest";

import { problemsOf } from "./problems";
import { expanded, lookOf } from "./schema";

const text = { type: "string" };
const nothing = { type: "null" };

test("what only machines need is left out of forms", () => {
  const schema = {
    title: "Conf",
    type: "object",
    $defs: { Rule: { title: "Rule", type: "object", properties: { again: { $ref: "#/$defs/Rule" } } } },
    properties: {
      group: { anyOf: [{ type: "string", minLength: 1 }, nothing], default: null, description: "d" },
      rules: { type: "array", items: { $ref: "#/$defs/Rule" } },
    },
  };
  expect(expanded(schema)).toEqual({
    type: "object",
    properties: {
      group: { type: "string", minLength: 1, description: "d" },
      rules: { type: "array", items: { type: "object", properties: { again: {} } } },
    },
  });
});

test("choices among words are one choice, others stay what they are", () => {
  expect(expanded({ anyOf: [{ type: "string", enum: ["a"] }, { type: "string", enum: ["b"] }] })).toEqual({ enum: ["a", "b"] });
  expect(expanded({ anyOf: [text, { type: "integer" }, nothing] })).toEqual({ anyOf: [text, { type: "integer" }] });
});

test("every part has a look", () => {
  expect(lookOf({ type: "array", items: text })).toBe("tags");
  expect(lookOf({ type: "array", items: { type: "object", properties: {} } })).toBe("list");
  expect(lookOf({ type: "array", items: { type: "array" } })).toBe("yaml");
  expect(lookOf({ type: "object", additionalProperties: text })).toBe("yaml");
  expect(lookOf({ type: "string", format: "password" })).toBe("secret");
  expect(lookOf({})).toBe("yaml");
});

test("an error stands at the field that has it, also if the field is missing", () => {
  const schema = {
    type: "object",
    required: ["count"],
    properties: { count: { type: "integer", exclusiveMinimum: 0 }, key: { enum: ["var", "constant"] } },
  };
  expect(Object.keys(problemsOf(schema, { count: 0, key: "x" })).sort()).toEqual(["/count", "/key"]);
  expect(Object.keys(problemsOf(schema, {}))).toEqual(["/count"]);
  expect(problemsOf(schema, { count: 1 })).toEqual({});
});
