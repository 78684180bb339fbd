"""The a7 command line: contexts, CRUD of every resource by PUT with an id and POST without, dumps by pages."""

import re
from typing import Any

import pytest

from tests.contract.calls import Call, Caller, Each, error, listed, value
from tests.contract.conftest import new_group
from tests.contract.pem import pair

pytestmark = pytest.mark.anyio
CERT, KEY = pair("a.example.com")
STREAM_UPSTREAM = {"nodes": [{"host": "127.0.0.1", "port": 5432, "weight": 1}]}
UPSTREAM = {"type": "roundrobin", "nodes": [{"host": "127.0.0.1", "port": 80, "weight": 1}]}

Resource = tuple[str, str, dict[str, Any], dict[str, Any]]
RESOURCES: dict[str, Resource] = {
    "service": (
        "services",
        "svc-1",
        {"id": "svc-1", "name": "one", "upstream": UPSTREAM},
        {"name": "two", "upstream": {**UPSTREAM, "nodes": {"127.0.0.1:80": 1}}},
    ),
    "route": (
        "routes",
        "route-1",
        {
            "id": "route-1",
            "name": "one",
            "paths": ["/one"],
            "service_id": "owner",
            "host": "a.com",
            "upstream": UPSTREAM,
        },
        {"name": "two", "paths": ["/two"], "service_id": "owner", "methods": ["GET"], "enable_websocket": None},
    ),
    "stream route": (
        "stream_routes",
        "stream-1",
        {"id": "stream-1", "name": "one", "service_id": "streams", "server_port": 19601, "sni": "a.example.com"},
        {"name": "two", "service_id": "streams", "server_port": 19602, "upstream_id": "unknown key"},
    ),
    "upstream of a service": (
        "services/owner/upstreams",
        "up-1",
        {"id": "up-1", "name": "one", **UPSTREAM},
        {"name": "two", **UPSTREAM},
    ),
    "consumer": (
        "consumers",
        "jack",
        {"username": "jack", "desc": "one"},
        {"username": "jill", "plugins": {"key-auth": {"key": "jill-key"}}},
    ),
    "credential": (
        "consumers/owner/credentials",
        "cred-1",
        {"id": "cred-1", "name": "one", "plugins": {"key-auth": {"key": "one-key"}}},
        {"name": "two", "plugins": {"basic-auth": {"username": "two", "password": "secret"}}},
    ),
    "ssl": (
        "ssls",
        "ssl-1",
        {"id": "ssl-1", "cert": CERT, "key": KEY, "snis": ["a.example.com"]},
        {"cert": CERT, "key": KEY, "snis": ["b.example.com"], "type": "server", "status": 1},
    ),
    "proto": (
        "protos",
        "proto-1",
        {"id": "proto-1", "content": 'syntax = "proto3";', "labels": {"team": "a"}},
        {"content": 'syntax = "proto3"; package two;', "desc": "two"},
    ),
    "certificate": (
        "certificates",
        "cert-1",
        {"id": "cert-1", "name": "one", "cert": CERT, "key": KEY},
        {"cert": CERT, "key": KEY},
    ),
    "certificate of an authority": (
        "ca_certificates",
        "ca-1",
        {"id": "ca-1", "name": "one", "cert": CERT},
        {"cert": CERT},
    ),
    "global rule": (
        "global_rules",
        "prometheus",
        {"id": "prometheus", "plugins": {"prometheus": {}}},
        {"plugins": {"request-id": {}}},
    ),
}


@pytest.mark.parametrize("name", RESOURCES)
async def test_a_resource_lives_through_all_calls(name: str, group: Caller) -> None:
    path, id_, with_id, without_id = RESOURCES[name]
    await group.put("services/owner", {"name": "owner"})
    await group.put("services/streams", {"name": "streams", "type": "stream", "upstream": STREAM_UPSTREAM})
    await group.put("consumers/owner", {"username": "owner"})
    owner = "streams" if name == "stream route" else "owner"
    before = (await group.get(path, service_id=owner))["total"]
    times = {"created_at": int, "updated_at": int}
    await group.expect(Call("PUT", f"{path}/{id_}", with_id, 200, value(times)))
    made = await group.expect_value("POST", path, times, without_id)
    other = made.get("id", made.get("username"))
    assert other
    assert other != id_
    for each, changed in ((id_, with_id), (other, without_id)):
        await group.expect(Call("GET", f"{path}/{each}", shape=value(times)))
        await group.expect(
            Call("PUT", f"{path}/{each}", {**changed, "desc": "changed"}, 200, value({"desc": "changed"}))
        )
        assert (await group.get(f"{path}/{each}"))["value"]["desc"] == "changed"
    assert (await group.get(path, service_id=owner))["total"] == before + 2
    for each in (id_, other):
        await group.expect(Call("DELETE", f"{path}/{each}", shape=""))
        for method in ("GET", "DELETE"):
            await group.expect(Call(method, f"{path}/{each}", status=404, shape=error()))
    assert (await group.get(path, service_id=owner))["total"] == before


NOWHERE: list[Call] = [
    *(
        Call(method, f"{path}/nonexistent-12345", status=404, shape=error())
        for method in ("GET", "DELETE")
        for path in (
            *("services", "routes", "stream_routes", "consumers", "ssls", "global_rules", "plugin_metadata"),
            *("protos", "secret_providers/vault", "certificates", "ca_certificates", "snis"),
            *("/api/services/template", "/api/gateway_groups"),
        )
    ),
    Call("DELETE", "consumers/nobody/credentials/x", status=404, shape=error()),
    Call("GET", "consumers/nobody/credentials", status=404, shape=error()),
    Call("PUT", "consumers/nobody/credentials/x", {"plugins": {"key-auth": {"key": "k"}}}, 404, error("nobody")),
    Call("GET", "services/nothing/upstreams", status=404, shape=error()),
    Call("PUT", "services/nothing/upstreams/u", UPSTREAM, 404, error("nothing")),
    Call("PUT", "routes/r", {"name": "r", "paths": ["/"], "service_id": "nothing"}, 400, error("nothing")),
    Call("GET", "plugins/no-such-plugin", status=404, shape=error("no-such-plugin")),
    *(Call("GET", path, status=404, shape=error()) for path in ("upstreams", "plugin_configs", "consumer_groups")),
    *(Call("PUT", f"{path}/1", {}, 404, error()) for path in ("upstreams", "plugin_configs", "consumer_groups")),
]


@pytest.mark.parametrize("call", NOWHERE, ids=lambda call: f"{call.method} {call.path}")
async def test_what_is_not_there_is_refused(call: Call, group: Caller) -> None:
    await group.expect(call)


async def test_consumers_can_be_put_without_an_id(group: Caller) -> None:
    await group.expect(Call("PUT", "consumers", {"username": "jack", "desc": "a"}, 200, value({"username": "jack"})))
    await group.expect(Call("PUT", "consumers", {"username": "jack"}, 200, value({"username": "jack"})))
    await group.expect(Call("GET", "consumers", shape=listed({"username": "jack"})))
    await group.refused(400, "PUT", "consumers", {"desc": "nobody"})


async def test_a_context_is_made_from_the_groups(boss: Caller, group: Caller) -> None:
    shown = {"id": str, "name": str, "type": "api7_gateway", "labels": dict, "enforce_service_publishing": False}
    shown |= {"config": {"control_plane_key_prefix": re.compile("^/gateway_groups/.")}, "description": str}
    await boss.expect(Call("GET", "/api/gateway_groups?page_size=1", shape={"list": [shown], "total": int}))
    await boss.expect(Call("GET", f"/api/gateway_groups/{group.group}", shape=value({**shown, "id": group.group})))
    await boss.expect(Call("GET", "/api/gateway_groups/default", shape=value({**shown, "name": "default"})))


async def test_gateway_groups_are_made_changed_and_deleted(boss: Caller) -> None:
    body = {"name": "a7-group", "description": "made", "desc": "made", "prefix": "/a7", "labels": {"env": "test"}}
    made = await boss.expect_value("POST", "/api/gateway_groups", {"id": str, "name": "a7-group"}, body)
    path = f"/api/gateway_groups/{made['id']}"
    held = await boss.expect_value("GET", path, {"description": "made", "labels": {"env": "test"}})
    await boss.expect(Call("PUT", path, {**held, "name": "renamed"}, 200, value({"name": "renamed"})))
    await boss.expect(Call("GET", path, shape=value({"name": "renamed", "description": "made"})))
    await boss.refused(400, "PUT", path, {"name": "no description"})
    await boss.refused(400, "PUT", path, {"description": "no name"})
    await boss.expect(Call("DELETE", path, shape=dict))
    for method in ("GET", "DELETE"):
        await boss.expect(Call(method, path, status=404, shape=error()))


async def test_a_name_is_looked_up_exactly(boss: Caller) -> None:
    """ADC takes the first of the list, so the exact name must win over the fuzzy search."""
    for name in ("exact", "exact-2", "not exact"):
        await new_group(boss, name)
    await boss.expect(Call("GET", "/api/gateway_groups?search=exact&name=exact", shape=listed({"name": "exact"})))
    await boss.expect(Call("GET", "/api/gateway_groups?search=nope&name=nope", shape=listed()))
    found = await boss.get("/api/gateway_groups", search="EXACT", order_by="created_at", direction="asc")
    assert [item["name"] for item in found["list"]] == ["exact", "exact-2", "not exact"]


async def test_groups_are_filtered_by_their_labels(boss: Caller) -> None:
    for name, env in (("labelled-1", "a"), ("labelled-2", "b")):
        await boss.post("/api/gateway_groups", {"name": name, "labels": {"env": env, "of/all": "yes"}})
    found = await boss.get("/api/gateway_groups", **{"labels[of/all]": "yes", "labels[env]": "b"})
    assert [item["name"] for item in found["list"]] == ["labelled-2"]


async def test_a_group_lists_its_instances(group: Caller) -> None:
    path = f"/api/gateway_groups/{group.group}/instances"
    await group.expect(Call("GET", path, shape=listed()))
    await group.expect(Call("GET", f"{path}?status=Healthy&page=1&page_size=10", shape=listed()))
    await group.refused(404, "GET", "/api/gateway_groups/nowhere/instances")


async def test_a_group_in_use_is_kept_until_it_is_empty(group: Caller) -> None:
    """a7 repeats a DELETE that was refused because something is `still using it`."""
    await group.put("services/s1", {"name": "one"})
    path = f"/api/gateway_groups/{group.group}"
    assert "still using it" in await group.refused(400, "DELETE", path)
    await group.delete("services/s1")
    await group.delete(path)
    await group.refused(404, "GET", "services")


async def test_a_group_in_use_goes_by_force(group: Caller) -> None:
    await group.put("services/s1", {"name": "one"})
    await group.delete(f"/api/gateway_groups/{group.group}?force=true")
    await group.refused(404, "GET", "services/s1")


async def test_a_template_is_published_and_taken_off_again(group: Caller) -> None:
    body = {"name": "template", "description": "unknown key", "upstream": {"nodes": {"127.0.0.1:80": 1}}}
    made = await group.expect_value("POST", "/api/services/template", {"id": str, "name": "template"}, body)
    path = f"/api/services/template/{made['id']}"
    await group.expect(Call("GET", path, shape=value({"name": "template", "created_at": int, "updated_at": int})))
    await group.expect(Call("PUT", path, {**body, "name": "renamed"}, 200, value({"name": "renamed"})))
    await group.expect(Call("PATCH", path, {"desc": "patched"}, 200, value({"name": "renamed", "desc": "patched"})))
    second = await group.expect_value("POST", "/api/services/template", {"id": str}, {**body, "id": made["id"]})
    assert second["id"] != made["id"], "the server makes the ids of templates"
    assert {made["id"], second["id"]} <= set(await group.ids("/api/services/template", page=1, page_size=500))
    order = {
        "create_new_version": True,
        "gateway_group_id": group.group,
        "services": [{"service_id": made["id"], "version": "1.0.0"}],
    }
    await group.expect(Call("POST", "/api/services/publish", order, 200, {"value": {}}))
    assert "still using it" in await group.refused(400, "DELETE", path)
    await group.expect(Call("DELETE", f"/api/gateway_groups/{group.group}/services/{made['id']}", shape=object))
    assert await group.ids("services") == []
    await group.delete(path)
    await group.refused(404, "GET", path)


async def test_a_dump_reads_pages_until_it_has_all(group: Caller) -> None:
    for number in range(7):
        await group.put(f"consumers/c{number}", {"username": f"c{number}"})
    for size, pages in ((500, 1), (3, 3), (7, 1)):
        found: list[str] = []
        page = 0
        while len(found) < 7:
            page += 1
            answer = await group.get("consumers", page=page, page_size=size)
            assert answer["total"] == 7
            found += [item["username"] for item in answer["list"]]
        assert (page, found) == (pages, [f"c{number}" for number in range(6, -1, -1)])
    await group.expect(Call("GET", "consumers?page=9&page_size=3", shape={"list": [], "total": 7}))


async def test_plugins_are_listed_with_their_schemas_and_metadata(group: Caller) -> None:
    names = await group.expect(Call("GET", "plugins/list", shape=Each(str)))
    assert {"proxy-rewrite", "key-auth", "limit-count", "prometheus"} <= set(names)
    with_metadata = await group.get("plugins/list", has_metadata="true")
    assert {"limit-count", "cors"} <= set(with_metadata) < set(names)
    for name in names:
        await group.expect(Call("GET", f"plugins/{name}", shape=value({"type": "object", "properties": dict})))
        assert (await group.send("GET", f"plugin_metadata/{name}")).status_code in {200, 400, 404}
    assert "filter" in (await group.get("plugins/key-auth"))["value"]["properties"]["_meta"]["properties"]
    catalogue = (await group.get("plugins"))["list"]
    assert [plugin["name"] for plugin in catalogue] == names
    assert all(example["title"] for plugin in catalogue for example in plugin["examples"])
    for streams in (plugin["name"] for plugin in catalogue if plugin["streams"]):
        assert (await group.get(f"plugins/{streams}", schema_type="stream"))["value"]["properties"]
    await group.put("plugin_metadata/limit-count", {"limit_header": "X-Quota"})
    await group.expect(Call("GET", "plugin_metadata/limit-count", shape=value({"limit_header": "X-Quota"})))


async def test_a_label_is_filtered_by_its_key(group: Caller) -> None:
    await group.put("services/s1", {"name": "one", "labels": {"env": "a"}})
    await group.put("services/s2", {"name": "two", "labels": {"other": "a"}})
    assert await group.ids("services", label="env") == ["s1"]
