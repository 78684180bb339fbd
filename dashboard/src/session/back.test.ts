import { expect, test } from "vitest";

import { ownPath } from "./back";

test("signing in leads back to our own pages only", () => {
  expect(ownPath("/groups/default?x=1")).toBe("/groups/default?x=1");
  for (const foreign of ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "/", 7, undefined]) {
    expect(ownPath(foreign)).toBeUndefined();
  }
});
