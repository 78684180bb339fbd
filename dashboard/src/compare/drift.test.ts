import { describe, expect, it } from "vitest";

import { rowsOf } from "./drift";

const at = (version?: string, published_at = 1) => ({
  status: 1,
  ...(version ? { version, service_version_id: version, published_at } : {}),
});

const GROUPS = ["test", "uat", "prod"].map((id) => ({ id, name: id, revision: 1 }));

function row(groups: Record<string, ReturnType<typeof at>>, ids = GROUPS.map(({ id }) => id)) {
  const services = [{ service_id: "s", name: "s", same: false, groups }];
  return rowsOf({ gateway_groups: GROUPS, services }, ids, "all")[0];
}

describe("drift", () => {
  it("is none where all that have the service run one version, wherever it is missing", () => {
    expect(row({ test: at("1"), uat: at("1") })).toMatchObject({ drift: false, there: 2, odd: new Set() });
  });

  it("marks the gateway group that runs something else than most", () => {
    expect(row({ test: at("2", 9), uat: at("1"), prod: at("1") })).toMatchObject({ drift: true, odd: new Set(["test"]) });
  });

  it("marks, of as many on either side, those behind", () => {
    expect(row({ test: at("2", 9), prod: at("1", 1) })).toMatchObject({ drift: true, odd: new Set(["prod"]) });
  });

  it("is a state without a version beside others, but not of a service that is in one group only", () => {
    expect(row({ test: at(), prod: at("1") })).toMatchObject({ drift: true, odd: new Set(["test"]) });
    expect(row({ test: at() })).toMatchObject({ drift: false });
  });

  it("looks at the chosen gateway groups only, and leaves out what none of them has", () => {
    expect(row({ test: at("2"), prod: at("1") }, ["prod"])).toMatchObject({ drift: false });
    expect(row({ test: at("2") }, ["prod"])).toBeUndefined();
  });
});
