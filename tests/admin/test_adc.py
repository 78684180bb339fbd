"""What `adc ping`, `dump`, `diff`, `sync` and `validate` need of the server."""

from copy import deepcopy
from typing import Any

import pytest
from admin.adc import Adc, defaults
from admin_api import Api
from conftest import certificate

pytestmark = pytest.mark.anyio
PAIR = certificate("test.com")
LIMIT = {"_meta": {"disable": False}, "count": 2, "time_window": 60, "rejected_code": 503, "policy": "local"}
TIMEOUT = {"connect": 60, "send": 60, "read": 60}

CONFIGURATION: dict[str, Any] = {
    "services": [
        {
            "name": "service1",
            "desc": "service1 description",
            "hosts": ["a.test.com", "*.test.com"],
            "path_prefix": "/v1",
            "upstream": {
                "nodes": [{"host": "127.0.0.1", "port": 1100, "weight": 1100}],
                "timeout": {"connect": 1.5},
                "checks": {"active": {"type": "tcp", "healthy": {"successes": 2}}},
                "keepalive_pool": {"size": 10},
            },
            "plugins": {"limit-count": LIMIT},
            "routes": [
                {"name": "route1.1", "paths": ["/anything"], "desc": "", "methods": ["GET"], "plugins": {"cors": {}}},
                {"name": "route1.2", "paths": ["/a", "/b*"], "enable_websocket": True, "priority": 3},
                {"name": "route1.3", "paths": ["/t"], "timeout": {"connect": 111, "send": 222, "read": 333}},
                {"name": "route1.4", "paths": ["/v"], "vars": [["http_x_team", "==", "a"]]},
            ],
            "upstreams": [
                {"name": "canary1", "nodes": [{"host": "c1", "port": 80, "weight": 1}]},
                {"name": "canary2", "nodes": [{"host": "c2", "port": 80, "weight": 1}], "retry_timeout": 1.5},
            ],
        },
        {"name": "service2", "upstream": {"scheme": "https", "nodes": [{"host": "h", "port": 443, "weight": 1}]}},
        {"name": "custom", "id": "custom-service", "upstream": {"nodes": []}, "routes": []},
    ],
    "consumers": [
        {
            "username": "jack",
            "labels": {"team": "1", "many": '["x","y"]', "managed-by": "adc"},
            "credentials": [
                {"name": "key", "plugins": {"key-auth": {"key": "secret of jack"}}},
                {"name": "basic", "plugins": {"basic-auth": {"username": "jack", "password": "p"}}},
            ],
        },
        {"username": "jane", "plugins": {"key-auth": {"key": "secret of jane"}}},
    ],
    "ssls": [{"snis": ["test.com"], "type": "server", "cert": PAIR.certificate, "key": PAIR.key}],
    "global_rules": {"prometheus": {"prefer_name": False, "test": {"more": 1}}},
    "plugin_metadata": {"limit-count": {"limit_header": "X-L", "unknown": [1]}},
}


async def test_what_was_synchronised_has_no_difference(api: Api) -> None:
    adc = Adc(api)
    await adc.ping()
    events = await adc.sync(CONFIGURATION)
    assert set(events.values()) == {"create"}
    assert await adc.diff(CONFIGURATION) == {}
    assert await adc.sync(CONFIGURATION) == {}


async def test_with_the_key_of_a_group_and_no_group_id(api: Api) -> None:
    key = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    adc = Adc(api.acting_as(key))
    await adc.ping()
    await adc.sync(CONFIGURATION)
    assert await adc.diff(CONFIGURATION) == {}


async def test_one_change_is_one_event_and_removing_deletes(api: Api) -> None:
    adc = Adc(api)
    await adc.sync(CONFIGURATION)
    changed = deepcopy(CONFIGURATION)
    changed["services"][0]["upstreams"][0]["retry_timeout"] = 100
    del changed["services"][0]["upstreams"][1]
    changed["services"][0]["routes"][0]["plugins"] = {}
    changed["consumers"][0]["credentials"][0]["plugins"]["key-auth"]["key"] = "another"
    del changed["global_rules"]["prometheus"]
    del changed["services"][1]
    events = await adc.sync(changed)
    assert sorted(events.values()) == ["delete"] * 3 + ["update"] * 3
    assert await adc.diff(changed) == {}
    assert set((await adc.sync({})).values()) == {"delete"}
    assert await adc.dump() == {}


async def test_an_untouched_resource_without_the_label_is_left_alone(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/consumers/mine", {"username": "mine", "labels": {"team": "2"}})
    await Adc(api).sync({})
    assert (await api.call("GET", "/apisix/admin/consumers/mine"))["value"]["labels"] == {"team": "2"}


async def test_ten_parallel_writes_lose_nothing_and_revisions_have_no_gaps(api: Api) -> None:
    rules = ("cors", "ip-restriction", "limit-count", "prometheus", "request-id", "response-rewrite", "redirect")
    confs = {
        "ip-restriction": {"blacklist": ["10.0.0.0/8"]},
        "limit-count": LIMIT,
        "redirect": {"uri": "/x"},
        "response-rewrite": {"headers": {"set": {"x": "y"}}},
    }
    local = {
        "services": [{"name": f"s{n}", "routes": [{"name": "r", "paths": [f"/{n}"]}]} for n in range(20)],
        "global_rules": {name: confs.get(name, {}) for name in rules},
    }
    adc = Adc(api)
    await adc.sync(local)
    assert await adc.diff(local) == {}
    changes = await api.store.read_changes("default", 0)
    assert changes.revision == len(adc.writes) == len(changes.upserts) == 47


async def test_the_core_schemas_carry_exactly_these_defaults(api: Api) -> None:
    schemas = (await api.call("GET", "/api/schema/core"))["value"]
    upstream = {
        "discovery_args": {},
        "hash_on": "vars",
        "keepalive_pool": {"idle_timeout": 60, "requests": 1000, "size": 320},
        "name": "default",
        "nodes": [{"priority": 0}],
        "pass_host": "pass",
        "retry_timeout": 0,
        "scheme": "http",
        "timeout": TIMEOUT,
        "type": "roundrobin",
    }
    only_http = {"discovery_args", "keepalive_pool", "pass_host"}
    stream = {key: part for key, part in upstream.items() if key not in only_http} | {"scheme": "tcp"}
    assert {name: defaults(schema) for name, schema in schemas.items()} == {
        "consumer": {},
        "consumer_credential": {},
        "global_rule": {},
        "plugin_metadata": {},
        "route": {"priority": 0, "timeout": TIMEOUT},
        "service": {"strip_path_prefix": True, "upstream": upstream},
        "ssl": {},
        "stream_route": {},
        "stream_service": {"upstream": stream},
        "upstream": upstream,
    }
    assert all("properties" in schema and schema["type"] == "object" for schema in schemas.values())


async def test_ssls_come_newest_update_first(api: Api) -> None:
    for name in ("one.test", "two.test", "three.test"):
        pair = certificate(name)
        await api.call("PUT", f"/apisix/admin/ssls/{name}", {"snis": [name], "cert": pair.certificate, "key": pair.key})
    pair = certificate("one.test")
    await api.call(
        "PUT", "/apisix/admin/ssls/one.test", {"snis": ["one.test"], "cert": pair.certificate, "key": pair.key}
    )
    listed = (await api.call("GET", "/apisix/admin/ssls"))["list"]
    assert [ssl["id"] for ssl in listed] == ["one.test", "three.test", "two.test"]
    assert listed[0]["cert"] == pair.certificate


async def test_labels_filter_where_there_are_labels_and_are_ignored_elsewhere(api: Api) -> None:
    for name, team in (("a", "1"), ("b", "2")):
        labels = {"team": team, "k8s/kind": "Gateway"}
        await api.call("PUT", f"/apisix/admin/consumers/{name}", {"username": name, "labels": labels})
    await api.call("PUT", "/apisix/admin/global_rules/prometheus", {"plugins": {"prometheus": {}}})

    async def names(path: str, query: str) -> list[str]:
        return [i.get("username") or i["id"] for i in (await api.call("GET", f"/apisix/admin/{path}?{query}"))["list"]]

    assert await names("consumers", "labels[team]=1") == ["a"]
    assert await names("consumers", "labels%5Bteam%5D=2&labels%5Bk8s%2Fkind%5D=Gateway") == ["b"]
    assert await names("consumers", "label=team") == ["b", "a"]
    assert await names("consumers", "labels[team]=3") == []
    assert await names("global_rules", "labels[team]=1") == ["prometheus"]
    assert (await api.call("GET", "/apisix/admin/plugin_metadata?labels[team]=1")) == {"value": {}}


async def test_long_names_and_own_ids_are_taken_and_a_wrong_type_is_told_in_the_known_words(api: Api) -> None:
    long = "x" * 65536
    made = await api.call("PUT", "/apisix/admin/services/custom-service", {"name": long, "desc": long})
    assert made["value"]["name"] == made["value"]["desc"] == long
    message = await api.refused("PUT", "/apisix/admin/services/s", {"name": "s", "path_prefix": 12345})
    assert message == 'Error at "/path_prefix": value must be a string'


async def test_an_empty_configuration_is_valid(api: Api) -> None:
    assert await Adc(api).validate({}) == {"value": {}}


async def test_validation_collects_every_error_and_writes_nothing(api: Api) -> None:
    adc = Adc(api)
    await adc.validate(CONFIGURATION)
    broken = {
        "services": [
            {
                "name": "s",
                "routes": [
                    {"name": "r1", "paths": ["/1"], "plugins": {"limit-count": {}}},
                    {"name": "good", "paths": ["/2"]},
                    {"name": "r2", "paths": [123]},
                ],
            }
        ],
        "consumers": [{"username": "j", "plugins": {"nope": {}}}],
        "global_rules": {"prometheus": {"prefer_name": "x"}},
        "plugin_metadata": {"nope": {}},
    }
    answer = await adc.validate(broken, expect=400)
    told = {(error["resource_type"], error["index"]): error["error"] for error in answer["errors"]}
    assert set(told) == {
        ("routes", 0),
        ("routes", 2),
        ("consumers", 0),
        ("global_rules", 0),
        ("plugin_metadata", 0),
    }
    assert 'property "count" is missing' in told["routes", 0]
    assert told["routes", 2] == 'Error at "/paths/0": value must be a string'
    assert "unknown plugin [nope]" in told["consumers", 0]
    assert "5 problems" in answer["error_msg"]
    assert await adc.dump() == {}
    assert (await api.store.read_changes("default", 0)).revision == 0


async def test_a_route_may_name_a_service_of_the_group_but_no_unknown_one(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/there", {"name": "there"})
    route = {"name": "r", "paths": ["/"]}
    path = "/apisix/admin/configs/validate"
    await api.call("POST", path, {"routes": [{**route, "service_id": "there"}]})
    answer = await api.call("POST", path, {"routes": [{**route, "service_id": "not"}]}, expect=400)
    assert answer["errors"] == [
        {
            "resource_type": "routes",
            "resource_id": "not",
            "index": 0,
            "error": 'Error at "/service_id": service [not] not found',
        }
    ]


async def test_the_version_opens_the_clients_features(api: Api) -> None:
    response = await api.raw.get("/api/version")
    major, minor, patch = (int(part) for part in response.json()["value"].split("."))
    assert (major, minor, patch) >= (3, 9, 10)
    assert response.json()["gatefleet_version"]
