"""Numbers and names over gateway groups: labels in use, resources and nodes counted, who may read a group."""

import pytest

from tests.contract.calls import Call, Caller, value

pytestmark = pytest.mark.anyio


async def test_labels_in_use_are_listed_with_their_values(group: Caller, admin_key: Caller) -> None:
    for name, labels in (("a", {"team": "x"}), ("b", {"team": "y", "k8s/kind": "z"}), ("c", {})):
        await group.put(f"services/{name}", {"name": name, "labels": labels})
    wanted = value({"team": ["x", "y"], "k8s/kind": ["z"]})
    await group.expect(Call("GET", "/api/labels/service", shape=wanted), gateway_group_id=str(group.group))
    await admin_key.expect(Call("GET", "/api/labels/service", shape=wanted))
    assert (await admin_key.get("/api/labels/gateway_group"))["value"] == {}
    assert "service_template" in await group.refused(400, "GET", "/api/labels/nothing")
    await admin_key.refused(403, "GET", "/api/labels/service?gateway_group_id=default")


async def test_resources_are_counted_by_group(group: Caller, admin_key: Caller) -> None:
    for username in ("a", "b"):
        await group.put(f"consumers/{username}", {"username": username})
    counts = {item["id"]: item["count"] for item in (await group.get("/api/gateway_groups/count/consumer"))["list"]}
    assert counts[group.group] == 2
    assert counts["default"] == 0
    mine = (await admin_key.get("/api/gateway_groups/count/consumer"))["list"]
    assert [(item["id"], item["count"]) for item in mine] == [(group.group, 2)]
    assert (await group.get("/api/gateway_groups/count/gateway_instance"))["list"][0]["count"] == 0
    await group.refused(400, "GET", "/api/gateway_groups/count/nothing")


async def test_nodes_are_counted(group: Caller) -> None:
    assert (await group.get("/api/instances/count/status"))["value"] == []
    assert (await group.get("/api/instances/cores"))["value"] == {"current_dp_cores": 0}
    await group.refused(400, "GET", "/api/instances/count/password")


async def test_who_may_read_a_group_is_listed(group: Caller) -> None:
    await group.post("/api/invites", {"username": "nobody", "password": "x"})
    users = (await group.get(f"/api/gateway_groups/{group.group}/permitted_users"))["list"]
    assert [user["username"] for user in users] == ["admin"]
    await group.refused(404, "GET", "/api/gateway_groups/nowhere/permitted_users")
