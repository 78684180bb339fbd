"""Every kind lives through create, read, replace, patch, list and delete, by one table."""

import asyncio
from typing import Any

import pytest
from admin_api import Api
from conftest import certificate

pytestmark = pytest.mark.anyio
SERVICE = {"name": "s", "upstream": {"nodes": [{"host": "a.test", "port": 80, "weight": 1}]}}
PAIR = certificate("a.test")

LIVES: dict[str, tuple[list[tuple[str, Any]], str, Any, Any]] = {
    "services": ([], "/services/x", SERVICE, {"name": "t", "hosts": ["b.test"]}),
    "upstreams": ([("/services/o", SERVICE)], "/services/o/upstreams/x", {"name": "u"}, {"name": "v", "retries": 2}),
    "routes": (
        [("/services/o", SERVICE)],
        "/routes/x",
        {"name": "r", "paths": ["/a"], "service_id": "o"},
        {"name": "r", "paths": ["/b"], "service_id": "o", "desc": "d"},
    ),
    "consumers": ([], "/consumers/x", {"username": "x"}, {"username": "x", "desc": "d"}),
    "credentials": (
        [("/consumers/o", {"username": "o"})],
        "/consumers/o/credentials/x",
        {"name": "c", "plugins": {"key-auth": {"key": "k1"}}},
        {"name": "c", "plugins": {"key-auth": {"key": "k2"}}},
    ),
    "ssls": (
        [],
        "/ssls/x",
        {"snis": ["a.test"], "cert": PAIR.certificate, "key": PAIR.key},
        {"snis": ["a.test", "b.test"], "cert": PAIR.certificate, "key": PAIR.key},
    ),
    "global_rules": (
        [],
        "/global_rules/limit-count",
        {"plugins": {"limit-count": {"count": 1, "time_window": 60}}},
        {"plugins": {"limit-count": {"count": 2, "time_window": 60}}},
    ),
}


@pytest.mark.parametrize("kind", LIVES)
async def test_a_resource_lives_through_everything(api: Api, kind: str) -> None:
    owners, path, first, second = LIVES[kind]
    for owner, body in owners:
        await api.call("PUT", f"/apisix/admin{owner}", body)
    collection = "/apisix/admin" + path.rpartition("/")[0]
    path = "/apisix/admin" + path
    assert "not found" in await api.refused("GET", path, status=404)
    assert "not found" in await api.refused("DELETE", path, status=404)
    made = (await api.call("PUT", path, first))["value"]
    for key in set(first) - {"key"}:
        assert _within(first[key], made[key]), key
    assert made["created_at"] == made["updated_at"] > 1_700_000_000
    assert (await api.call("GET", path))["value"] == made
    again = (await api.call("PUT", path, first))["value"]
    assert {**again, "updated_at": 0} == {**made, "updated_at": 0}
    replaced = (await api.call("PUT", path, second))["value"]
    assert not (set(first) - set(second)) & set(replaced)
    patch = {"labels": {"a": "b"}}
    if kind != "global_rules":
        assert (await api.call("PATCH", path, patch))["value"]["labels"] == {"a": "b"}
        await api.call("PATCH", path, [{"op": "remove", "path": "/labels"}])
        assert "labels" not in (await api.call("GET", path))["value"]
    listed = await api.call("GET", collection)
    assert listed["total"] == len(listed["list"]) == (2 if kind == "upstreams" else 1)
    assert await api.call("DELETE", path) == ""
    assert "not found" in await api.refused("GET", path, status=404)


@pytest.mark.parametrize("kind", sorted(set(LIVES) - {"consumers", "global_rules"}))
async def test_post_gives_an_id(api: Api, kind: str) -> None:
    owners, path, first, _ = LIVES[kind]
    for owner, body in owners:
        await api.call("PUT", f"/apisix/admin{owner}", body)
    collection = "/apisix/admin" + path.rpartition("/")[0]
    made = (await api.call("POST", collection, first))["value"]
    assert len(made["id"]) == 36
    assert (await api.call("GET", f"{collection}/{made['id']}"))["value"] == made


@pytest.mark.parametrize("kind", ["consumers", "global_rules"])
async def test_post_of_what_names_itself_conflicts_the_second_time(api: Api, kind: str) -> None:
    _, path, first, _ = LIVES[kind]
    await api.call("POST", f"/apisix/admin/{kind}", first)
    assert "already exists" in await api.refused("POST", f"/apisix/admin/{kind}", first, status=409)
    assert (await api.call("GET", f"/apisix/admin{path}"))["value"]


async def test_plugin_metadata_is_a_map(api: Api) -> None:
    path = "/apisix/admin/plugin_metadata"
    assert await api.call("GET", path) == {"value": {}}
    assert "limit-count" in await api.call("GET", "/apisix/admin/plugins/list?has_metadata=true")
    conf = {"limit_header": "X-Limit", "more": {"kept": 1}}
    assert (await api.call("PUT", f"{path}/limit-count", conf))["value"] == conf
    assert (await api.call("GET", path))["value"] == {"limit-count": conf}
    assert (await api.call("GET", f"{path}/limit-count"))["value"] == conf
    assert await api.call("DELETE", f"{path}/limit-count") == ""
    assert "not found" in await api.refused("GET", f"{path}/limit-count", status=404)
    default = (await api.call("GET", f"{path}/limit-count/default"))["value"]
    assert default["limit_header"] == "X-RateLimit-Limit"
    assert "no metadata" in await api.refused("GET", f"{path}/key-auth/default", status=404)
    assert await api.refused("PUT", f"{path}/nope", {}) == "unknown plugin [nope]"
    assert "has no metadata" in await api.refused("PUT", f"{path}/key-auth", {})


async def test_a_consumer_is_also_put_without_its_name_in_the_path(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/consumers", {"username": "jack"})
    await api.call("PUT", "/apisix/admin/consumers", {"username": "jack", "desc": "d"})
    assert (await api.call("GET", "/apisix/admin/consumers/jack"))["value"]["desc"] == "d"
    assert (
        await api.refused("PUT", "/apisix/admin/consumers", {})
        == 'Error at "/username": property "username" is missing'
    )
    assert "/username" in await api.refused("PUT", "/apisix/admin/consumers/jill", {"username": "jack"})


async def test_services_are_filtered_by_type_and_host(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", {**SERVICE, "hosts": ["a.test", "b.test"]})
    await api.call("PUT", "/apisix/admin/services/t", SERVICE)
    for query, count in (("type=http", 2), ("type=stream", 0), ("hosts=b.test", 1), ("hosts=c.test", 0)):
        assert (await api.call("GET", f"/apisix/admin/services?{query}"))["total"] == count


async def test_deleting_a_service_or_consumer_takes_what_it_owns(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", SERVICE)
    await api.call("PUT", "/apisix/admin/services/s/upstreams/u", {"name": "u"})
    await api.call("PUT", "/apisix/admin/routes/r", {"name": "r", "paths": ["/"], "service_id": "s"})
    await api.call("DELETE", "/apisix/admin/services/s")
    assert (await api.call("GET", "/apisix/admin/routes"))["list"] == []
    await api.call("PUT", "/apisix/admin/services/s", SERVICE)
    assert [u["id"] for u in (await api.call("GET", "/apisix/admin/services/s/upstreams"))["list"]] == ["s"]
    await api.call("PUT", "/apisix/admin/consumers/c", {"username": "c"})
    credential = {"name": "k", "plugins": {"key-auth": {"key": "one"}}}
    await api.call("PUT", "/apisix/admin/consumers/c/credentials/k", credential)
    await api.call("DELETE", "/apisix/admin/consumers/c")
    await api.call("PUT", "/apisix/admin/consumers/d", {"username": "d"})
    await api.call("PUT", "/apisix/admin/consumers/d/credentials/k", credential)


async def test_the_same_id_below_two_owners_is_two_things(api: Api) -> None:
    for name in ("c", "d"):
        await api.call("PUT", f"/apisix/admin/consumers/{name}", {"username": name})
        credential = {"name": "k", "plugins": {"key-auth": {"key": f"key of {name}"}}}
        await api.call("PUT", f"/apisix/admin/consumers/{name}/credentials/same", credential)
    await api.call("DELETE", "/apisix/admin/consumers/c/credentials/same")
    kept = (await api.call("GET", "/apisix/admin/consumers/d/credentials/same"))["value"]
    assert kept["plugins"] == {"key-auth": {"key": "key of d"}}


async def test_what_something_belongs_to_must_be_there(api: Api) -> None:
    route = {"name": "r", "paths": ["/"], "service_id": "nope"}
    message = await api.refused("PUT", "/apisix/admin/routes/r", route)
    assert message == 'Error at "/service_id": service [nope] not found'
    assert "service [nope] not found" in await api.refused(
        "PUT", "/apisix/admin/services/nope/upstreams/u", {"name": "u"}, status=404
    )
    assert "consumer [nope] not found" in await api.refused(
        "GET", "/apisix/admin/consumers/nope/credentials", status=404
    )


async def test_the_private_key_of_a_certificate_is_never_shown_and_a_credential_is(api: Api) -> None:
    ssl = {"snis": ["a.test"], "cert": PAIR.certificate, "key": PAIR.key}
    made = (await api.call("PUT", "/apisix/admin/ssls/s", ssl))["value"]
    listed = await api.call("GET", "/apisix/admin/ssls")
    assert made["cert"] == PAIR.certificate
    assert "PRIVATE" not in str([made, listed])
    await api.call("PUT", "/apisix/admin/consumers/c", {"username": "c"})
    await api.call("PUT", "/apisix/admin/consumers/c/credentials/k", {"plugins": {"key-auth": {"key": "clear"}}})
    listed = await api.call("GET", "/apisix/admin/consumers/c/credentials?plugin_name=key-auth")
    assert listed["list"][0]["plugins"]["key-auth"]["key"] == "clear"
    assert (await api.call("GET", "/apisix/admin/consumers/c/credentials?plugin_name=basic-auth"))["list"] == []


async def test_a_patch_that_does_not_fit_changes_nothing(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", SERVICE)
    before = await api.call("GET", "/apisix/admin/services/s")
    assert "no [nope]" in await api.refused("PATCH", "/apisix/admin/services/s", [{"op": "remove", "path": "/nope"}])
    assert "/name" in await api.refused("PATCH", "/apisix/admin/services/s", {"name": 1})
    tried = (await api.call("PATCH", "/apisix/admin/services/s?dry-run=all", {"name": "other"}))["value"]
    assert tried["dry_run"]
    assert "/name" in await api.refused("PATCH", "/apisix/admin/services/s?dry-run=all", {"name": 1})
    assert await api.call("GET", "/apisix/admin/services/s") == before


async def test_parallel_patches_of_one_service_lose_nothing(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", SERVICE)
    patches = [{"labels": {f"l{number}": "x"}} for number in range(10)]
    await asyncio.gather(*(api.call("PATCH", "/apisix/admin/services/s", patch) for patch in patches))
    assert len((await api.call("GET", "/apisix/admin/services/s"))["value"]["labels"]) == 10


def _within(part: Any, whole: Any) -> bool:
    """Whether everything of `part` stands in `whole`."""
    if isinstance(part, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return bool(part == whole)


async def test_what_a_service_s_transport_cannot_carry_is_refused_when_its_stream_route_is_written(api: Api) -> None:
    upstream = {"scheme": "udp", "nodes": [{"host": "127.0.0.1", "port": 1, "weight": 1}]}
    await api.call("PUT", "/apisix/admin/services/u", {"name": "u", "type": "stream", "upstream": upstream})
    route = {"name": "r", "service_id": "u", "server_port": 9999}
    limited = {
        **route,
        "plugins": {"limit-conn": {"conn": 1, "burst": 0, "default_conn_delay": 1, "key": "remote_addr"}},
    }
    assert "/plugins/limit-conn" in await api.refused("PUT", "/apisix/admin/stream_routes/r", limited)
    await api.call("PUT", "/apisix/admin/stream_routes/r", route)
