"""Templates, versions, publications: the same version in two groups, each with its own runtime configuration."""

from datetime import UTC, datetime
from typing import Any

import pytest
from admin_api import Api

from gatefleet import pki

pytestmark = pytest.mark.anyio
NODES = {"nodes": [{"host": "a.test", "port": 80, "weight": 1}]}


async def template(api: Api) -> str:
    body = {"name": "orders", "description": "kept", "upstream": {"nodes": {"t.test:80": 1}}, "hosts": ["t.test"]}
    service_id = (await api.call("POST", "/api/services/template", body))["value"]["id"]
    await api.call("POST", "/api/routes/template", {"name": "r", "paths": ["/orders"], "service_id": service_id})
    return service_id


async def publish(api: Api, service_id: str, version: str, expect: int = 200, **more: Any) -> Any:
    item = {key: more.pop(key) for key in list(more) if key in ITEM}
    body = {"create_new_version": True, "gateway_group_id": "default", **more}
    body["services"] = [{"service_id": service_id, "version": version, **item}]
    return await api.call("POST", "/api/services/publish", body, expect=expect)


ITEM = {"hosts", "upstream", "path_prefix", "plugins", "status", "service_version_id", "name"}


async def live(api: Api, service_id: str, group: str = "default") -> dict[str, Any]:
    return (await api.call("GET", f"/api/gateway_groups/{group}/services/{service_id}"))["value"]


async def paths(api: Api, service_id: str, group: str = "default") -> list[str]:
    listed = await api.call("GET", f"/apisix/admin/routes?service_id={service_id}&gateway_group_id={group}")
    return sorted(path for route in listed["list"] for path in route["paths"])


async def test_a_version_reaches_two_groups_and_each_keeps_its_runtime_configuration(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    service_id = await template(api)
    done = (await publish(api, service_id, "1.0", hosts=["a.test"], upstream=NODES))["value"]
    assert (done["revisions"], done["warnings"]) == ({"default": 1}, [])
    await publish(api, service_id, "1.0", create_new_version=False, gateway_group_id=other)
    here, there = await live(api, service_id), await live(api, service_id, other)
    assert (here["version"], here["hosts"], here["gateway_group_name"]) == ("1.0", ["a.test"], "default")
    assert (there["version"], there["hosts"]) == ("1.0", ["t.test"])
    assert there["upstream"]["nodes"] == [{"host": "t.test", "port": 80, "weight": 1, "priority": 0}]
    assert await paths(api, service_id) == await paths(api, service_id, other) == ["/orders"]
    shown = (await api.call("GET", f"/api/services/template/{service_id}"))["value"]
    assert shown["published_gateway_groups_count"] == 2
    published = (await api.call("GET", f"/api/services/{service_id}/published_services"))["list"]
    assert {record["gateway_group_name"] for record in published} == {"default", "other"}


async def test_publishing_replaces_routes_and_rolling_back_brings_them_back(api: Api) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1", hosts=["a.test"])
    old = (await api.call("GET", f"/api/routes/template?service_id={service_id}"))["list"][0]["id"]
    await api.call("DELETE", f"/api/routes/template/{old}")
    await api.call("POST", "/api/routes/template", {"name": "n", "paths": ["/new"], "service_id": service_id})
    limit = {"limit-count": {"count": 1, "time_window": 60}}
    await publish(api, service_id, "2", plugins=limit, name="orders 2")
    now = await live(api, service_id)
    assert (now["version"], now["plugins"], now["name"], now["hosts"]) == ("2", limit, "orders 2", ["a.test"])
    assert await paths(api, service_id) == ["/new"]
    version = (await api.call("GET", f"/api/services/{service_id}/versions/1"))["value"]
    await publish(api, service_id, "", create_new_version=False, service_version_id=version["id"])
    now = await live(api, service_id)
    assert (now["version"], now.get("plugins"), now["hosts"]) == ("1", None, ["a.test"])
    assert await paths(api, service_id) == ["/orders"]
    history = (await api.call("GET", f"/api/gateway_groups/default/services/{service_id}/history"))["list"]
    assert [(row["action"], row["version"]) for row in history] == [
        ("rollback", "1"),
        ("publish", "2"),
        ("publish", "1"),
    ]


async def test_a_direct_edit_makes_it_no_version_and_runtime_configuration_does_not(api: Api) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1")
    runtime = f"/api/gateway_groups/default/services/{service_id}/runtime_configuration"
    changed = (await api.call("PATCH", runtime, [{"op": "replace", "path": "/status", "value": 0}]))["value"]
    assert changed["status"] == 0
    service = (await api.call("GET", f"/apisix/admin/services/{service_id}"))["value"]
    await api.call("PUT", f"/apisix/admin/services/{service_id}", {**service, "hosts": ["x.test"]})
    assert (await live(api, service_id))["version"] == "1"
    route = (await api.call("GET", f"/apisix/admin/routes?service_id={service_id}"))["list"][0]
    await api.call("PUT", f"/apisix/admin/routes/{route['id']}", {**route, "priority": 5})
    assert "version" not in await live(api, service_id)
    history = (await api.call("GET", f"/api/gateway_groups/default/services/{service_id}/history"))["list"]
    assert [entry["action"] for entry in history] == ["edit", "disable", "publish"]
    await publish(api, service_id, "1", create_new_version=False)
    again = await live(api, service_id)
    assert (again["version"], again["hosts"], again["status"]) == ("1", ["x.test"], 0)


async def test_runtime_configuration_is_bounded_and_can_be_tried(api: Api) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1")
    path = f"/api/gateway_groups/default/services/{service_id}/runtime_configuration"
    assert "not part of the runtime configuration" in await api.refused("PATCH", path, {"plugins": {}})
    assert "/hosts/0" in await api.refused("PATCH", path, {"hosts": [1]})
    tried = (await api.call("PATCH", f"{path}?dry-run=all", {"hosts": ["dry.test"]}))["value"]
    assert tried["groups"][0]["text"] == ["service orders: hosts t.test -> dry.test"]
    assert (await api.call("GET", path))["value"]["hosts"] == ["t.test"]


async def test_runtime_configuration_hides_keys_and_is_not_written_over_somebody_elses(api: Api) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1")
    path = f"/api/gateway_groups/default/services/{service_id}/runtime_configuration"
    ca = pki.create_ca(datetime.now(UTC))
    own = pki.issue_server(ca, ("gateway.test",), datetime.now(UTC))
    nodes = [{"host": "127.0.0.1", "port": 443, "weight": 1}]
    upstream = {"scheme": "https", "nodes": nodes, "tls": {"client_cert": own.certificate, "client_key": own.key}}
    told = (await api.call("PATCH", path, {"upstream": upstream}))["value"]
    assert told["upstream"]["tls"]["client_key"] == "***"
    read = await api.raw.get(path, headers=api.headers)
    assert own.key not in read.text
    tag = {**api.headers, "if-match": read.headers["etag"]}
    again = {**read.json()["value"]["upstream"], "retries": 2}
    answer = await api.raw.patch(path, json=[{"op": "add", "path": "/upstream", "value": again}], headers=tag)
    assert answer.status_code == 200
    async with api.store.read("default") as documents:
        stored = await documents.get("services", service_id)
    assert stored
    assert stored.document.body["upstream"]["tls"]["client_key"] == own.key
    stale = await api.raw.patch(path, json={"hosts": ["late.test"]}, headers=tag)
    assert stale.status_code == 412
    assert (await api.call("GET", path))["value"]["hosts"] == ["t.test"]


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ({"version": "1", "plugins": {"cors": {}}}, 409, "already exists with other content"),
        ({"version": ""}, 400, "version"),
        ({"version": "9", "create_new_version": False}, 404, "version [9]"),
        ({"version": "1", "create_new_version": False, "plugins": {}}, 400, "never changes"),
        ({"version": "2", "gateway_group_id": "nope"}, 404, "gateway group [nope] not found"),
        ({"version": "2", "gateway_group_id": ""}, 400, "gateway_group_id"),
        ({"version": "2", "hosts": ["a b"]}, 400, "/hosts/0"),
    ],
)
async def test_what_cannot_be_published_leaves_no_trace(
    api: Api, more: dict[str, Any], status: int, message: str
) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1")
    before = await live(api, service_id)
    assert message in (await publish(api, service_id, expect=status, **more))["error_msg"]
    assert await live(api, service_id) == before
    await publish(api, service_id, "2")


async def test_a_group_may_take_services_by_publishing_only(api: Api) -> None:
    body = {"name": "strict", "enforce_service_publishing": True}
    strict = (await api.call("POST", "/api/gateway_groups", body))["value"]["id"]
    query = f"?gateway_group_id={strict}"
    refused = await api.refused("PUT", f"/apisix/admin/services/s{query}", {"name": "s"})
    assert "by publishing only" in refused
    assert "POST /api/services/publish" in refused
    service_id = await template(api)
    await publish(api, service_id, "1", gateway_group_ids=["default", strict], gateway_group_id="")
    assert "by publishing only" in await api.refused("DELETE", f"/apisix/admin/services/{service_id}{query}")
    service = (await api.call("GET", f"/apisix/admin/services/{service_id}{query}"))["value"]
    mine = {**service, "name": "renamed", "labels": {"team": "a"}, "hosts": ["x.test"], "status": 0}
    await api.call("PUT", f"/apisix/admin/services/{service_id}{query}", mine)
    await api.refused("PUT", f"/apisix/admin/services/{service_id}{query}", {**mine, "plugins": {"cors": {}}})
    route = (await api.call("GET", f"/apisix/admin/routes{query}&service_id={service_id}"))["list"][0]
    await api.call("PUT", f"/apisix/admin/routes/{route['id']}{query}", route)
    await api.refused("PUT", f"/apisix/admin/routes/{route['id']}{query}", {**route, "priority": 5})
    assert (await live(api, service_id, strict))["version"] == "1"
    upstream = {"name": "canary", **NODES}
    await api.call("PUT", f"/apisix/admin/services/{service_id}/upstreams/u{query}", upstream)
    await api.call("DELETE", f"/api/gateway_groups/{strict}/services/{service_id}")
    assert "not found" in await api.refused("GET", f"/api/gateway_groups/{strict}/services/{service_id}", status=404)


async def test_a_published_template_is_not_deleted_by_mistake(api: Api) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1")
    path = f"/api/services/template/{service_id}"
    assert "still using it" in await api.refused("DELETE", path)
    await api.call("DELETE", f"/api/gateway_groups/default/services/{service_id}")
    await api.call("DELETE", path)
    assert "not found" in await api.refused("GET", path, status=404)
    assert (await api.call("GET", f"/api/routes/template?service_id={service_id}"))["list"] == []


async def test_a_version_is_read_as_it_was_published(api: Api) -> None:
    service_id = await template(api)
    await publish(api, service_id, "1")
    version = (await api.call("GET", f"/api/services/{service_id}/versions/1"))["value"]
    assert (version["number"], version["name"], len(version["routes"])) == (1, "orders", 1)
    path = f"/api/service_versions/{version['id']}"
    assert (await api.call("GET", path))["value"] == version
    routes = (await api.call("GET", f"{path}/routes"))["list"]
    assert routes == version["routes"]
    assert (await api.call("GET", f"{path}/routes/{routes[0]['id']}"))["value"] == routes[0]
    assert "not found" in await api.refused("GET", f"{path}/routes/nope", status=404)
    assert "not found" in await api.refused("GET", "/api/service_versions/nope", status=404)


async def test_conflicts_are_told_before_they_happen(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s", "hosts": ["t.test"]})
    for name, path in (("same", "/orders"), ("wide", "/ord*"), ("apart", "/else")):
        await api.call("PUT", f"/apisix/admin/routes/{name}", {"name": name, "paths": [path], "service_id": "s"})
    service_id = await template(api)
    body = {"gateway_group_id": "default", "services": [{"service_id": service_id, "version": "1"}]}
    found = (await api.call("POST", "/api/services/conflict_check", body))["value"]
    assert [[side["route_name"] for side in pair] for pair in found["duplicate"]] == [["r", "same"]]
    assert [[side["url"] for side in pair] for pair in found["overlapping"]] == [["t.test/orders", "t.test/ord*"]]
