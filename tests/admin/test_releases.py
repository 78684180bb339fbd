"""Sync, rollback, dry runs and what is known of versions: the same number means the same thing everywhere."""

from typing import Any

import pytest
from admin_api import Api

pytestmark = pytest.mark.anyio


def nodes(*hosts: str) -> dict[str, Any]:
    return {"nodes": [{"host": host, "port": 80, "weight": 1} for host in hosts]}


@pytest.fixture
async def groups(api: Api) -> tuple[str, str]:
    """UAT and Production; the test group is `default`."""
    made = [(await api.call("POST", "/api/gateway_groups", {"name": name}))["value"]["id"] for name in ("uat", "prod")]
    return made[0], made[1]


@pytest.fixture
async def shop(api: Api) -> str:
    """A template without runtime configuration, published to `default` as 1.0.0."""
    made = (await api.call("POST", "/api/services/template", {"name": "shop", "plugins": {"cors": {}}}))["value"]["id"]
    await api.call("POST", "/api/routes/template", {"name": "list", "paths": ["/list"], "service_id": made})
    upstream = {**nodes("test.internal"), "timeout": {"connect": 1, "send": 1, "read": 1}}
    await publish(api, made, "1.0.0", hosts=["test.shop"], path_prefix="/v1", upstream=upstream)
    return made


async def publish(api: Api, service: str, version: str, expect: int = 200, **item: Any) -> Any:
    body: dict[str, Any] = {"create_new_version": True, "gateway_group_id": item.pop("group", "default")}
    body |= {name: item.pop(name) for name in ("dry_run", "note", "rollback_note", "owner") if name in item}
    body["services"] = [{"service_id": service, "version": version, **item}]
    return await api.call("POST", "/api/services/publish", body, expect=expect)


async def sync(api: Api, service: str, *groups: str, expect: int = 200, **more: Any) -> Any:
    path = f"/api/gateway_groups/{more.pop('source', 'default')}/services/{service}/sync"
    return await api.call("POST", path, {"gateway_group_ids": groups, **more}, expect=expect)


async def roll_back(
    api: Api, service: str, version: str, group: str = "default", expect: int = 200, **more: Any
) -> Any:
    path = f"/api/gateway_groups/{group}/services/{service}/rollback"
    return await api.call("POST", path, {"version": version, **more}, expect=expect)


async def live(api: Api, service: str, group: str = "default") -> dict[str, Any]:
    return (await api.call("GET", f"/api/gateway_groups/{group}/services/{service}"))["value"]


async def history(api: Api, service: str, group: str = "default") -> list[dict[str, Any]]:
    return (await api.call("GET", f"/api/gateway_groups/{group}/services/{service}/history"))["list"]


async def revision(api: Api, group: str = "default") -> int:
    return (await api.store.revisions())[group]


async def add_route(api: Api, service: str, path: str) -> None:
    await api.call("POST", "/api/routes/template", {"name": path[1:], "paths": [path], "service_id": service})


async def test_the_running_version_goes_to_other_groups_with_the_same_number(
    api: Api, groups: tuple[str, str], shop: str
) -> None:
    uat, prod = groups
    asked = await sync(api, shop, uat, prod, expect=400)
    assert f"gateway group [{min(uat, prod)}]" in asked["error_msg"]
    assert "/upstream/nodes" in asked["error_msg"]
    done = await sync(api, shop, uat, hosts=["uat.shop"], upstream=nodes("uat.internal"), note="for UAT")
    assert done["value"]["revisions"] == {uat: 1}
    await sync(api, shop, prod, hosts=["shop"], upstream={"nodes": {"a.internal:80": 1, "b.internal:80": 1}})
    here, there, far = [await live(api, shop, group) for group in ("default", uat, prod)]
    assert {each["service_version_id"] for each in (here, there, far)} == {here["service_version_id"]}
    assert [each["hosts"] for each in (here, there, far)] == [["test.shop"], ["uat.shop"], ["shop"]]
    assert [node["host"] for node in far["upstream"]["nodes"]] == ["a.internal", "b.internal"]
    assert (far["upstream"]["timeout"], far["path_prefix"]) == (here["upstream"]["timeout"], "/v1")
    entry = (await history(api, shop, uat))[0]
    assert (entry["action"], entry["note"], entry["source_gateway_group_id"]) == ("sync", "for UAT", "default")
    await publish(api, shop, "1.1.0")
    await sync(api, shop, uat, prod)
    assert [(await live(api, shop, group))["hosts"] for group in (uat, prod)] == [["uat.shop"], ["shop"]]
    await roll_back(api, shop, "1.0.0")
    assert "only the running version" in (await sync(api, shop, uat, version="1.1.0", expect=400))["error_msg"]


async def test_a_source_without_a_version_is_given_one_and_both_hold_it(
    api: Api, groups: tuple[str, str], shop: str
) -> None:
    await api.call("PUT", "/apisix/admin/services/direct", {"name": "direct", "upstream": nodes("test.internal")})
    await api.call("PUT", "/apisix/admin/routes/direct", {"name": "r", "paths": ["/d"], "service_id": "direct"})
    assert "/version" in (await sync(api, "direct", groups[0], expect=400))["error_msg"]
    where: dict[str, Any] = {"hosts": ["uat.direct"], "upstream": nodes("uat.internal")}
    tried = (await sync(api, "direct", groups[0], version="0.1", dry_run=True, **where))["value"]
    assert tried["groups"][0]["text"] == ["service direct added", "route r added"]
    assert "version" not in await live(api, "direct")
    before = await revision(api)
    await sync(api, "direct", groups[0], version="0.1", **where)
    held = [await live(api, "direct", group) for group in ("default", groups[0])]
    assert [each["version"] for each in held] == ["0.1", "0.1"]
    assert held[0]["service_version_id"] == held[1]["service_version_id"]
    assert await revision(api) == before
    assert [entry["action"] for entry in await history(api, "direct")] == ["sync"]
    await api.call("PUT", "/apisix/admin/routes/direct", {"name": "r", "paths": ["/other"], "service_id": "direct"})
    assert "other content" in (await sync(api, "direct", groups[0], version="0.1", expect=409))["error_msg"]
    taken = await sync(api, shop, "default", source=groups[0], expect=404)
    assert shop in taken["error_msg"]


async def test_where_the_upstream_is_can_be_a_name_in_a_registry(api: Api, groups: tuple[str, str], shop: str) -> None:
    named = {"service_registry_id": "r1", "namespace": "public", "group": "g", "service_name": "shop"}
    refused = await sync(api, shop, groups[0], upstream=named, expect=400)
    assert "/upstream/service_name" in refused["error_msg"]
    both = await sync(api, shop, groups[0], upstream={**named, **nodes("a.internal")}, expect=400)
    assert "either nodes, or service_registry_id" in both["error_msg"]


async def test_a_rollback_says_what_it_does_and_keeps_what_is_the_group_s(api: Api, shop: str) -> None:
    await add_route(api, shop, "/new")
    await publish(api, shop, "1.1.0", plugins={"cors": {"max_age": 9}}, rollback_note="clear the cache", owner="team-a")
    path = f"/api/gateway_groups/default/services/{shop}/runtime_configuration"
    await api.call("PATCH", path, {"hosts": ["kept.shop"]})
    before, at = await live(api, shop), await revision(api)
    tried = (await roll_back(api, shop, "1.0.0", dry_run=True))["value"]
    assert tried["groups"][0]["text"] == ["service shop: plugin cors: max_age removed (was 9)", "route new removed"]
    assert (tried["leaving"]["rollback_note"], tried["leaving"]["owner"]) == ("clear the cache", "team-a")
    assert "expected_time_to_live" not in tried
    assert (await live(api, shop), await revision(api)) == (before, at)
    assert (await roll_back(api, shop, "1.0.0", note="it broke"))["value"]["revisions"] == {"default": at + 1}
    now = await live(api, shop)
    assert (now["version"], now["hosts"], now["plugins"]) == ("1.0.0", ["kept.shop"], {"cors": {}})
    entry = (await history(api, shop))[0]
    assert (entry["action"], entry["note"], entry["revision"]) == ("rollback", "it broke", at + 1)
    again = (await roll_back(api, shop, "1.0.0"))["value"]
    assert (again["revisions"], len(await history(api, shop))) == ({"default": at + 1}, 4)


async def test_a_group_goes_back_only_to_what_it_once_ran(api: Api, groups: tuple[str, str], shop: str) -> None:
    await publish(api, shop, "9.0.0", group=groups[0], upstream=nodes("uat.internal"))
    assert "never published" in (await roll_back(api, shop, "9.0.0", expect=400))["error_msg"]
    assert "not found" in (await roll_back(api, shop, "7.7.7", expect=404))["error_msg"]
    assert "/version" in (await roll_back(api, shop, "", expect=400))["error_msg"]
    await api.call("DELETE", f"/api/gateway_groups/default/services/{shop}?note=gone")
    assert "any more" in (await roll_back(api, shop, "1.0.0", expect=404))["error_msg"]
    last = (await history(api, shop))[0]
    assert (last["action"], last["note"], last["revision"]) == ("offline", "gone", 2)


@pytest.mark.usefixtures("shop")
async def test_a_second_answer_to_the_same_request_is_refused(api: Api) -> None:
    twin = (await api.call("POST", "/api/services/template", {"name": "twin"}))["value"]["id"]
    await add_route(api, twin, "/list")
    where: dict[str, Any] = {"hosts": ["test.shop"], "path_prefix": "/v1", "upstream": nodes("twin.internal")}
    at = await revision(api)
    refused = await publish(api, twin, "1", expect=409, **where)
    assert "test.shop/v1/list of route [list] (service [twin]) is already answered by" in refused["error_msg"]
    assert [pair[1]["service_name"] for pair in refused["value"]["duplicate"]] == ["shop"]
    tried = (await publish(api, twin, "1", dry_run=True, **where))["value"]
    assert len(tried["groups"][0]["conflicts"]["duplicate"]) == 1
    assert "is also answered by" in tried["warnings"][0]
    assert await revision(api) == at
    assert (await api.call("GET", f"/api/services/{twin}/versions"))["list"] == []
    route = (await api.call("GET", f"/api/routes/template?service_id={twin}"))["list"][0]
    await api.call("PUT", f"/api/routes/template/{route['id']}", {**route, "priority": 1})
    done = (await publish(api, twin, "1", **where))["value"]
    assert ["overlaps with" in warning for warning in done["warnings"]] == [True]


async def test_a_route_s_id_belongs_to_one_service_of_a_group(api: Api, groups: tuple[str, str]) -> None:
    for group, service in (("default", "one"), (groups[0], "two")):
        query = f"?gateway_group_id={group}"
        body = {"name": service, "hosts": [service], "upstream": nodes("a.internal")}
        await api.call("PUT", f"/apisix/admin/services/{service}{query}", body)
        await api.call("PUT", f"/apisix/admin/routes/r1{query}", {"name": "r", "paths": ["/"], "service_id": service})
    refused = await sync(api, "one", groups[0], version="1", upstream=nodes("b.internal"), expect=409)
    assert "route [r1]" in refused["error_msg"]
    assert "service [two]" in refused["error_msg"]


async def test_versions_tell_what_they_are_and_where_they_run(api: Api, groups: tuple[str, str], shop: str) -> None:
    await add_route(api, shop, "/new")
    await publish(api, shop, "1.1.0", group=groups[0], note="a new route", owner="ann", upstream=nodes("uat.internal"))
    newest, oldest = (await api.call("GET", f"/api/services/{shop}/versions"))["list"]
    assert (newest["version"], newest["number"], newest["note"], newest["owner"]) == ("1.1.0", 2, "a new route", "ann")
    assert newest["created_by"] == "admin"
    assert [group["gateway_group_name"] for group in newest["gateway_groups"]] == ["uat"]
    assert [group["gateway_group_id"] for group in oldest["gateway_groups"]] == ["default"]
    difference = (await api.call("GET", f"/api/services/{shop}/versions/1.0.0/diff/1.1.0"))["value"]
    assert difference["text"] == ["route new added"]
    assert (await api.call("GET", f"/api/services/{shop}/versions/1.1.0/diff/1.0.0"))["value"]["text"] == [
        "route new removed"
    ]
    await api.refused("GET", f"/api/services/{shop}/versions/1.0.0/diff/3", status=404)
    await api.refused("GET", "/api/services/nothing/versions", status=404)
    again = (await publish(api, shop, "1.1.0"))["value"]
    assert again["versions"][0]["service_version_id"] == newest["id"]


async def test_switching_off_and_on_is_kept_in_history(api: Api, shop: str) -> None:
    path = f"/api/gateway_groups/default/services/{shop}/runtime_configuration"
    await api.call("PATCH", f"{path}?note=incident", {"status": 0})
    await api.call("PATCH", path, {"status": 0})
    await api.call("PATCH", path, {"status": 1, "hosts": ["b.shop"]})
    await api.call("PATCH", path, {"hosts": ["c.shop"]})
    kept = [(entry["action"], entry["version"], entry["revision"], entry["note"]) for entry in await history(api, shop)]
    assert kept == [
        ("runtime", "1.0.0", 4, ""),
        ("enable", "1.0.0", 3, ""),
        ("disable", "1.0.0", 2, "incident"),
        ("publish", "1.0.0", 1, ""),
    ]


async def test_a_template_is_copied_with_its_routes_and_without_its_versions(api: Api, shop: str) -> None:
    copy = (await api.call("POST", f"/api/services/template/{shop}/clone", {"name": "shop 2"}))["value"]
    assert (copy["name"], copy["plugins"], copy["published_gateway_groups_count"]) == ("shop 2", {"cors": {}}, 0)
    routes = [(await api.call("GET", f"/api/routes/template?service_id={id_}"))["list"] for id_ in (shop, copy["id"])]
    assert [route["paths"] for route in routes[1]] == [["/list"]]
    assert routes[0][0]["id"] != routes[1][0]["id"]
    assert (await api.call("GET", f"/api/services/{copy['id']}/versions"))["list"] == []
    await publish(api, copy["id"], "1.0.0", hosts=["copy.shop"], upstream=nodes("a.internal"))
    await api.refused("POST", "/api/services/template/nothing/clone", {"name": "x"}, status=404)
    assert "/name" in await api.refused("POST", f"/api/services/template/{shop}/clone", {"name": ""})


async def test_stream_routes_are_versioned_like_routes(api: Api, shop: str) -> None:
    body: dict[str, Any] = {"name": "mqtt", "type": "stream"}
    mqtt = (await api.call("POST", "/api/services/template", body))["value"]["id"]
    route = {"name": "tcp", "service_id": mqtt, "server_port": 9100}
    made = (await api.call("POST", "/api/stream_routes/template", route))["value"]["id"]
    assert "of type stream" in await api.refused(
        "POST", "/api/routes/template", {"name": "r", "paths": ["/"], "service_id": mqtt}
    )
    assert "of type http" in await api.refused("POST", "/api/stream_routes/template", {**route, "service_id": shop})
    assert "delete them first" in await api.refused("PUT", f"/api/services/template/{mqtt}", {"name": "mqtt"})
    upstream = {"scheme": "tcp", **nodes("mqtt.internal")}
    await publish(api, mqtt, "1", upstream=upstream)
    await api.call("PUT", f"/api/stream_routes/template/{made}", {**route, "server_port": 9101})
    await publish(api, mqtt, "2")
    text = (await api.call("GET", f"/api/services/{mqtt}/versions/1/diff/2"))["value"]["text"]
    assert text == ["stream route tcp: server_port 9100 -> 9101"]
    await roll_back(api, mqtt, "1")
    path = f"/apisix/admin/stream_routes?service_id={mqtt}"
    assert [each["server_port"] for each in (await api.call("GET", path))["list"]] == [9100]
    version = (await api.call("GET", f"/api/services/{mqtt}/versions/2"))["value"]
    listed = (await api.call("GET", f"/api/service_versions/{version['id']}/stream_routes"))["list"]
    assert listed == version["stream_routes"]


async def test_a_direct_edit_can_be_tried(api: Api, shop: str) -> None:
    at, path = await revision(api), f"/apisix/admin/services/{shop}"
    service = (await api.call("GET", path))["value"]
    tried = (await api.call("PUT", f"{path}?dry_run=true", {**service, "plugins": {}, "hosts": ["b.shop"]}))["value"]
    assert tried["groups"][0]["text"] == [
        "service shop: hosts test.shop -> b.shop",
        "service shop: plugin cors removed",
    ]
    assert tried["warnings"] == [f"gateway group [default]: service [{shop}] leaves version [1.0.0]"]
    route = (await api.call("GET", f"/apisix/admin/routes?service_id={shop}"))["list"][0]
    more = {"name": "more", "paths": ["/more"], "service_id": shop}
    calls: list[tuple[str, str, Any, list[str]]] = [
        ("POST", "/apisix/admin/routes?dry_run=true", more, ["route more added"]),
        ("PATCH", f"/apisix/admin/routes/{route['id']}?dry-run=all", {"priority": 5}, ["route list: priority 0 -> 5"]),
        ("DELETE", f"/apisix/admin/routes/{route['id']}?dry_run=true", None, ["route list removed"]),
        ("DELETE", f"{path}?dry_run=true", None, ["service shop removed", "route list removed"]),
    ]
    for method, url, body, text in calls:
        assert (await api.call(method, url, body))["value"]["groups"][0]["text"] == text
    await api.call("PUT", "/apisix/admin/consumers/jack", {"username": "jack"})
    key = {"name": "k", "plugins": {"key-auth": {"key": "a-secret-of-jack"}}}
    tried = await api.call("PUT", "/apisix/admin/consumers/jack/credentials/k?dry_run=true", key)
    assert tried["value"]["groups"][0]["text"] == ["consumer credential k of consumer jack added"]
    assert "a-secret-of-jack" not in str(tried)
    assert "not found" in await api.refused("POST", "/apisix/admin/routes?dry_run=true", {**more, "service_id": "no"})
    assert await revision(api) == at + 1
    assert (await live(api, shop))["version"] == "1.0.0"


async def test_an_edit_that_changes_nothing_leaves_the_version_also_where_it_holds_secrets(api: Api, shop: str) -> None:
    sealed = {"name": "form", "paths": ["/form"], "service_id": shop, "plugins": {"csrf": {"key": "a-key-of-the-shop"}}}
    made = (await api.call("POST", "/api/routes/template", sealed))["value"]["id"]
    await publish(api, shop, "2.0.0")
    await api.call("PUT", f"/apisix/admin/routes/{made}", sealed)
    service = (await api.call("GET", f"/apisix/admin/services/{shop}"))["value"]
    await api.call("PUT", f"/apisix/admin/services/{shop}", {**service, "hosts": ["c.shop"], "desc": "ours"})
    assert (await live(api, shop))["version"] == "2.0.0"
    await api.call("PUT", "/apisix/admin/services/other", {"name": "other"})
    await api.call("PUT", f"/apisix/admin/routes/{made}", {**sealed, "service_id": "other"})
    assert "version" not in await live(api, shop)
    text = (await roll_back(api, shop, "2.0.0", dry_run=True, expect=409))["error_msg"]
    assert f"route [{made}] of service [{shop}]" in text
    await api.call("PUT", f"/apisix/admin/routes/{made}", {**sealed, "plugins": {"csrf": {"key": "another"}}})
    tried = (await roll_back(api, shop, "2.0.0", dry_run=True))["value"]
    (group,) = tried["groups"]
    assert group["text"] == ["service shop: desc removed (was ours)", "route form: plugin csrf: key (secret changed)"]
