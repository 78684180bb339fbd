import { expect, test } from "vitest";

import { differenceOf } from "./difference";

test("a change is told field by field, what is made and what is gone as a whole", () => {
  const was = { name: "r", desc: "", labels: { env: "dev" }, policies: ["a"], updated_at: 1 };
  const is = { name: "r", desc: "new", labels: { env: "prod" }, policies: ["a", "b"], updated_at: 2 };
  const { changes, text } = differenceOf("role", "1", was, is);
  expect(changes[0]).toMatchObject({ action: "changed", name: "r" });
  expect(changes[0]?.fields.map(({ path }) => path)).toEqual(["desc", "labels.env", "policies"]);
  expect(text).toContain("labels.env: dev → prod");
  expect(differenceOf("role", "1", undefined, is).changes[0]?.action).toBe("added");
  expect(differenceOf("role", "1", was, undefined).changes[0]?.action).toBe("removed");
  expect(differenceOf("role", "1", was, { ...was, updated_at: 9 })).toEqual({ changes: [], text: [] });
});
