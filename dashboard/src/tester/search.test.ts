import { expect, test } from "vitest";

import { requestFor, testerSearch } from "./search";

test("a route says what a request for it looks like", () => {
  const route = { methods: ["POST", "GET"], hosts: ["*.example.com"], paths: ["/users/:id/files/*"] };
  expect(requestFor(route, { hosts: ["a.test"] })).toEqual({ method: "POST", host: "www.example.com", path: "/users/1/files/" });
  expect(requestFor({ paths: ["/get"] }, { hosts: ["*"], path_prefix: "/api/" })).toEqual({
    method: undefined,
    host: undefined,
    path: "/api/get",
  });
});

test("an address that says something else is not believed", () => {
  expect(testerSearch({ method: 7, scheme: "ftp", path: "/a?b=c" })).toEqual({ path: "/a?b=c" });
});
