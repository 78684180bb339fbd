import { expect, test } from "vitest";

import { conditionsIn, FRESH, statementsOf, withConditions } from "./statement";

test("conditions come back as they were, however many ask for the same label", () => {
  const conditions = [
    { of: "gateway_group_label", key: "env", value: "dev" },
    { of: "gateway_group_label", key: "team", value: "payments" },
    { of: "service_label", key: "env", value: "dev" },
  ];
  const made = withConditions(FRESH, conditions);
  expect(conditionsIn(made)).toEqual(conditions);
  expect(Array.isArray(made.conditions?.["gateway_group_label"])).toBe(true);
  expect("conditions" in withConditions(made, [])).toBe(false);
});

test("a form can be drawn of whatever stands in the text beside it", () => {
  for (const statement of [undefined, "x", [], [null], [{ actions: 7, resources: ["a", 1] }]]) {
    for (const one of statementsOf({ statement })) expect(conditionsIn(one)).toEqual([]);
  }
  expect(statementsOf({ statement: [{ resources: ["a", 1] }] })[0]?.resources).toEqual(["a"]);
});
