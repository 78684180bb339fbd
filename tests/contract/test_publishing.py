"""Templates, versions and publications: one version on several groups, each with its own runtime configuration."""

from typing import Any

import pytest

from tests.contract.calls import ABSENT, Call, Caller, error, value
from tests.contract.conftest import new_group

pytestmark = pytest.mark.anyio
NODES = [{"host": "10.0.0.1", "port": 80, "weight": 1}]


@pytest.fixture
async def other(boss: Caller) -> Caller:
    """A second group."""
    return await new_group(boss)


@pytest.fixture
async def template(boss: Caller) -> str:
    """The id of a template with one route."""
    body = {"name": "shop", "plugins": {"cors": {}}, "hosts": ["shop.com"], "upstream": {"nodes": NODES}}
    made = (await boss.post("/api/services/template", body))["value"]["id"]
    await boss.post("/api/routes/template", {"name": "all", "service_id": made, "paths": ["/*"]})
    return made


async def publish(boss: Caller, service: str, *groups: Caller, version: str = "1.0.0", **item: Any) -> None:
    await boss.expect(order(service, *groups, version=version, **item))


def order(service: str, *groups: Caller, version: str = "1.0.0", **item: Any) -> Call:
    """The call that makes a new version and publishes it to these groups."""
    where = {"gateway_group_ids": [one.group for one in groups]}
    body = {"create_new_version": True, **where, "services": [{"service_id": service, "version": version, **item}]}
    return Call("POST", "/api/services/publish", body, 200, {"value": {}})


async def record(group: Caller, service: str) -> dict[str, Any]:
    """What a group runs of a service."""
    return (await group.get(f"/api/gateway_groups/{group.group}/services/{service}"))["value"]


async def test_one_version_goes_to_one_group_and_then_to_a_second(
    boss: Caller, template: str, group: Caller, other: Caller
) -> None:
    item = {"service_id": template, "version": "1.0.0"}
    first = {"create_new_version": True, "gateway_group_id": group.group, "services": [item]}
    await boss.expect(Call("POST", "/api/services/publish", first, 200, {"value": {}}))
    here = await record(group, template)
    assert (here["version"], here["name"], here["hosts"]) == ("1.0.0", "shop", ["shop.com"])
    assert [route["paths"] for route in (await group.get("routes", service_id=template))["list"]] == [["/*"]]
    assert await other.ids("services") == []
    again = {"service_id": template, "service_version_id": here["service_version_id"]}
    second = {"create_new_version": False, "gateway_group_id": other.group, "services": [again]}
    await boss.expect(Call("POST", "/api/services/publish", second, 200, {"value": {}}))
    there = await record(other, template)
    assert (there["version"], there["service_version_id"]) == ("1.0.0", here["service_version_id"])
    assert (await other.get("routes", service_id=template))["list"][0]["paths"] == ["/*"]
    published = (await boss.get(f"/api/services/{template}/published_services"))["list"]
    assert {one["gateway_group_id"]: one["version"] for one in published} == {
        group.group: "1.0.0",
        other.group: "1.0.0",
    }
    shape = {"service_id": template, "gateway_group_name": str, "status": 1, "created_at": int, "id": str}
    await boss.expect(
        Call("GET", f"/api/services/{template}/published_services", shape={"list": [shape, shape], "total": 2})
    )
    counted = {"published_gateway_groups_count": 2, "last_published": int}
    await boss.expect(Call("GET", f"/api/services/template/{template}", shape=value(counted)))


async def test_a_publication_to_several_groups_happens_everywhere_or_nowhere(
    boss: Caller, template: str, group: Caller, other: Caller
) -> None:
    nowhere = Caller(boss.http, boss.credential, "nowhere")
    call = order(template, group, nowhere, other)
    await boss.expect(call._replace(status=404, shape=error("nowhere")))
    await nothing_happened(boss, template, group, other)
    broken = order(template, group, other, hosts=["not a host"])
    await boss.expect(broken._replace(status=400, shape=error()))
    await nothing_happened(boss, template, group, other)
    two = {**order(template, group, other).body}
    two["services"] = [*two["services"], {"service_id": "no-such-template", "version": "1.0.0"}]
    await boss.expect(Call("POST", "/api/services/publish", two, 404, error("no-such-template")))
    await nothing_happened(boss, template, group, other)
    await publish(boss, template, group, other)
    assert {(await record(one, template))["version"] for one in (group, other)} == {"1.0.0"}


async def nothing_happened(boss: Caller, template: str, *groups: Caller) -> None:
    for one in groups:
        assert await one.ids("services") == []
    await boss.refused(404, "GET", f"/api/services/{template}/versions/1.0.0")
    await boss.expect(Call("GET", f"/api/services/{template}/published_services", shape={"list": [], "total": 0}))


async def test_a_version_never_changes(boss: Caller, template: str, group: Caller) -> None:
    await publish(boss, template, group)
    first = (await boss.get(f"/api/services/{template}/versions/1.0.0"))["value"]
    await boss.put(f"/api/services/template/{template}", {"name": "shop", "plugins": {"key-auth": {}}})
    changed = order(template, group)
    await boss.expect(changed._replace(status=409, shape=error("1.0.0")))
    assert (await record(group, template))["plugins"] == {"cors": {}}
    await publish(boss, template, group, version="2.0.0")
    assert (await record(group, template))["plugins"] == {"key-auth": {}}
    assert (await boss.get(f"/api/services/{template}/versions/1.0.0"))["value"] == first
    old = {"service_id": template, "service_version_id": first["id"]}
    back = {"create_new_version": False, "gateway_group_id": group.group, "services": [old]}
    await boss.expect(Call("POST", "/api/services/publish", back))
    rolled = await record(group, template)
    assert (rolled["version"], rolled["plugins"]) == ("1.0.0", {"cors": {}})
    path = f"/api/gateway_groups/{group.group}/services/{template}"
    assert [entry["version"] for entry in (await boss.get(f"{path}/history"))["list"]] == ["1.0.0", "2.0.0", "1.0.0"]
    versions = (await boss.get(f"{path}/versions", order_by="publish_time"))["list"]
    assert [(entry["version"], entry["running"]) for entry in versions] == [("1.0.0", True), ("2.0.0", False)]


async def test_versions_can_be_read(boss: Caller, template: str, group: Caller) -> None:
    await publish(boss, template, group)
    shape = {"id": str, "service_id": template, "version": "1.0.0", "plugins": {"cors": {}}, "hosts": ABSENT}
    path = f"/api/services/{template}/versions/1.0.0"
    version = await boss.expect_value("GET", path, {**shape, "upstream": ABSENT, "created_at": int})
    await boss.expect(Call("GET", f"/api/service_versions/{version['id']}", shape=value(shape)))
    routes = (await boss.get(f"/api/service_versions/{version['id']}/routes"))["list"]
    assert [(route["name"], route["paths"]) for route in routes] == [("all", ["/*"])]
    one = f"/api/service_versions/{version['id']}/routes/{routes[0]['id']}"
    await boss.expect(Call("GET", one, shape=value({"paths": ["/*"]})))
    for path in ("/api/service_versions/none", f"/api/service_versions/{version['id']}/routes/none"):
        await boss.refused(404, "GET", path)


EDITS: list[tuple[str, str, Any, bool]] = [
    ("plugins of the service", "services/{service}", {"name": "shop", "plugins": {"key-auth": {}}}, True),
    ("a new route", "routes/new", {"name": "new", "service_id": "{service}", "paths": ["/new"]}, True),
    ("hosts", "services/{service}", {"name": "shop", "plugins": {"cors": {}}, "hosts": ["other.com"]}, False),
    (
        "nodes",
        "services/{service}",
        {"name": "shop", "plugins": {"cors": {}}, "upstream": {"nodes": [{**NODES[0], "port": 81}]}},
        False,
    ),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit[0])
async def test_a_direct_edit_of_what_is_versioned_leaves_no_version(
    edit: tuple[str, str, Any, bool], boss: Caller, template: str, group: Caller
) -> None:
    """What differs per group anyway (hosts, nodes, status) is no part of the version."""
    await publish(boss, template, group)
    _, path, body, ends = edit
    sent = {key: part.replace("{service}", template) if isinstance(part, str) else part for key, part in body.items()}
    await group.put(path.replace("{service}", template), sent)
    assert (await record(group, template)).get("version") == (None if ends else "1.0.0")
    published = (await boss.get(f"/api/services/{template}/published_services"))["list"]
    assert [one.get("version") for one in published] == [None if ends else "1.0.0"]


async def test_a_service_written_directly_has_no_version(group: Caller) -> None:
    await group.put("services/s1", {"name": "direct"})
    shape = {"id": "s1", "service_id": "s1", "gateway_group_id": group.group, "version": ABSENT, "status": 1}
    await group.expect(Call("GET", f"/api/gateway_groups/{group.group}/services/s1", shape=value(shape)))
    path = f"/api/gateway_groups/{group.group}/services"
    await group.expect(Call("GET", path, shape={"list": [shape], "total": 1}))


async def test_runtime_configuration_is_per_group_and_survives_versions(
    boss: Caller, template: str, group: Caller, other: Caller
) -> None:
    await publish(boss, template, group, other)
    path = f"/api/gateway_groups/{group.group}/services/{template}/runtime_configuration"
    patch = [
        {"op": "replace", "path": "/status", "value": 0},
        {"op": "replace", "path": "/hosts", "value": ["here.com"]},
    ]
    await boss.expect(Call("PATCH", f"{path}?dry-run=all", patch))
    assert (await record(group, template))["status"] == 1
    await boss.expect(Call("PATCH", path, patch))
    runtime = {"status": 0, "hosts": ["here.com"], "upstream": {"nodes": [{**NODES[0], "priority": 0}]}}
    await boss.expect(Call("GET", path, shape=value(runtime)))
    await publish(boss, template, group, other, version="2.0.0")
    here, there = await record(group, template), await record(other, template)
    assert (here["version"], here["status"], here["hosts"]) == ("2.0.0", 0, ["here.com"])
    assert (there["version"], there["status"], there["hosts"]) == ("2.0.0", 1, ["shop.com"])
    await publish(boss, template, group, version="3.0.0", hosts=["sent.com"], status=1)
    here = await record(group, template)
    assert (here["status"], here["hosts"]) == (1, ["sent.com"])


async def test_a_group_may_take_services_by_publishing_only(boss: Caller, template: str) -> None:
    body = {"name": "enforced", "enforce_service_publishing": True}
    made = (await boss.post("/api/gateway_groups", body))["value"]
    group = Caller(boss.http, boss.credential, made["id"])
    for method, path in (("PUT", "services/s1"), ("POST", "services")):
        answer = await group.send(method, path, {"name": "direct"})
        assert answer.status_code == 400
        assert answer.json()["error_msg"]
    await publish(boss, template, group)
    assert (await group.send("DELETE", f"services/{template}")).status_code == 400
    await group.put("consumers/jack", {"username": "jack"})
    assert await group.ids("services") == [template]


async def test_conflicts_are_told_before_publishing(boss: Caller, template: str, group: Caller) -> None:
    call = order(template, group)._replace(path="/api/services/conflict_check")
    await boss.expect(call._replace(shape=value({"duplicate": [], "overlapping": []})))
    await group.put("services/s1", {"name": "other", "hosts": ["shop.com"]})
    await group.put("routes/r1", {"name": "same", "service_id": "s1", "paths": ["/*"]})
    await group.put("routes/r2", {"name": "inside", "service_id": "s1", "paths": ["/a"]})
    found = (await boss.expect(call._replace(shape=object)))["value"]
    assert [[one["route_name"] for one in pair] for pair in found["duplicate"]] == [["all", "same"]]
    assert [[one["route_name"] for one in pair] for pair in found["overlapping"]] == [["all", "inside"]]
    assert await group.ids("services") == ["s1"]


async def test_a_route_template_needs_its_service_template(boss: Caller, template: str) -> None:
    await boss.refused(400, "POST", "/api/routes/template", {"name": "r", "service_id": "nothing", "paths": ["/"]})
    routes = await boss.ids("/api/routes/template", service_id=template)
    assert len(routes) == 1
    await boss.delete(f"/api/services/template/{template}")
    await boss.refused(404, "GET", f"/api/routes/template/{routes[0]}")


WRONG: list[tuple[int, dict[str, Any]]] = [
    (400, {}),
    (400, {"services": []}),
    (400, {"create_new_version": True, "gateway_group_id": "default", "services": [{"service_id": "{template}"}]}),
    (400, {"create_new_version": True, "services": [{"service_id": "{template}", "version": "1"}]}),
    (
        404,
        {"create_new_version": True, "gateway_group_id": "default", "services": [{"service_id": "no", "version": "1"}]},
    ),
    (404, {"gateway_group_id": "default", "services": [{"service_id": "{template}", "service_version_id": "no"}]}),
    (404, {"gateway_group_id": "default", "services": [{"service_id": "{template}", "version": "9.9.9"}]}),
]


@pytest.mark.parametrize(("status", "body"), WRONG)
async def test_an_order_that_makes_no_sense_is_refused(
    status: int, body: dict[str, Any], boss: Caller, template: str
) -> None:
    services = [
        {**item, "service_id": item["service_id"].replace("{template}", template)} for item in body.get("services", ())
    ]
    await boss.refused(status, "POST", "/api/services/publish", {**body, "services": services} if services else body)
