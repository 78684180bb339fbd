"""The storage rule: what is sent is kept as it is, plus exactly the scalar defaults that /api/schema/core declares."""

from typing import Any

import pytest

from tests.contract.calls import Caller

pytestmark = pytest.mark.anyio
NODE = {"host": "10.0.0.1", "port": 80, "weight": 1}
TIMES = {"connect": 60, "send": 60, "read": 60}
UPSTREAM = {
    "name": "default",
    "scheme": "http",
    "type": "roundrobin",
    "hash_on": "vars",
    "pass_host": "pass",
    "retry_timeout": 0,
}
POOL = {"size": 320, "idle_timeout": 60, "requests": 1000}
SERVICE = {"type": "http", "status": 1, "strip_path_prefix": True}
LIMIT = {"count": 1, "time_window": 60, "_meta": {"disable": True}, "unknown": None}

STORED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a name is enough": ("services/s1", {"name": "s"}, {"name": "s", **SERVICE}),
    "what is given wins": (
        "services/s1",
        {"name": "s", "status": 0, "strip_path_prefix": False},
        {"name": "s", "type": "http", "status": 0, "strip_path_prefix": False},
    ),
    "an empty upstream gets scalars, and no nested object": (
        "services/s1",
        {"name": "s", "upstream": {}},
        {"name": "s", **SERVICE, "upstream": UPSTREAM},
    ),
    "objects that are there are filled": (
        "services/s1",
        {"name": "s", "upstream": {"timeout": {"read": 5}, "keepalive_pool": {}, "nodes": [NODE]}},
        {
            "name": "s",
            **SERVICE,
            "upstream": {
                **UPSTREAM,
                "timeout": {**TIMES, "read": 5},
                "keepalive_pool": POOL,
                "nodes": [{**NODE, "priority": 0}],
            },
        },
    ),
    "health checks get nothing": (
        "services/s1",
        {"name": "s", "upstream": {"checks": {"active": {"type": "tcp", "healthy": {"interval": 2}}}}},
        {
            "name": "s",
            **SERVICE,
            "upstream": {**UPSTREAM, "checks": {"active": {"type": "tcp", "healthy": {"interval": 2}}}},
        },
    ),
    "empty things that are given stay": (
        "services/s1",
        {"name": "s", "desc": "", "labels": {}, "hosts": [], "plugins": {}},
        {"name": "s", **SERVICE, "desc": "", "labels": {}, "hosts": [], "plugins": {}},
    ),
    "null is as good as absent": (
        "services/s1",
        {"name": "s", "desc": None, "hosts": None, "upstream": {"timeout": None}, "strip_path_prefix": None},
        {"name": "s", **SERVICE, "upstream": UPSTREAM},
    ),
    "plugin configurations are kept verbatim": (
        "services/s1",
        {"name": "s", "plugins": {"limit-count": LIMIT, "key-auth": {}}},
        {"name": "s", **SERVICE, "plugins": {"limit-count": LIMIT, "key-auth": {}}},
    ),
    "unknown keys are kept, the alias is not": (
        "services/s1",
        {"name": "s", "service_id": "s1", "unknown": {"x": [1]}},
        {"name": "s", **SERVICE, "unknown": {"x": [1]}},
    ),
    "the server says id and times": (
        "services/s1",
        {"name": "s", "id": "other", "created_at": 1, "updated_at": 1},
        {"name": "s", **SERVICE},
    ),
    "a route has a priority": (
        "routes/r1",
        {"name": "r", "service_id": "owner", "route_id": "r1", "paths": ["/a"]},
        {"name": "r", "service_id": "owner", "paths": ["/a"], "priority": 0},
    ),
    "a route may say null for enable_websocket": (
        "routes/r1",
        {"name": "r", "service_id": "owner", "paths": ["/a"], "enable_websocket": None},
        {"name": "r", "service_id": "owner", "paths": ["/a"], "priority": 0},
    ),
    "a route's timeout is filled": (
        "routes/r1",
        {"name": "r", "service_id": "owner", "paths": ["/a"], "timeout": {"connect": 1}, "vars": []},
        {
            "name": "r",
            "service_id": "owner",
            "paths": ["/a"],
            "priority": 0,
            "timeout": {**TIMES, "connect": 1},
            "vars": [],
        },
    ),
    "whole numbers stay whole": (
        "routes/r1",
        {"name": "r", "service_id": "owner", "paths": ["/a"], "timeout": {"connect": 1, "send": 2, "read": 2.5}},
        {
            "name": "r",
            "service_id": "owner",
            "paths": ["/a"],
            "priority": 0,
            "timeout": {"connect": 1, "send": 2, "read": 2.5},
        },
    ),
    "an extra upstream is an upstream": (
        "services/owner/upstreams/u1",
        {"nodes": [NODE], "discovery_args": {}},
        {**UPSTREAM, "nodes": [{**NODE, "priority": 0}], "discovery_args": {}},
    ),
    "nodes may be a map": (
        "services/owner/upstreams/u1",
        {"nodes": {"10.0.0.1:80": 1}},
        {**UPSTREAM, "nodes": [{**NODE, "priority": 0}]},
    ),
    "a consumer has no defaults": ("consumers/jack", {"username": "jack"}, {"username": "jack"}),
    "nor has a credential": (
        "consumers/boss/credentials/c1",
        {"name": "c", "plugins": {"key-auth": {"key": "k"}}},
        {"name": "c", "plugins": {"key-auth": {"key": "k"}}},
    ),
    "nor has a global rule": ("global_rules/cors", {"plugins": {"cors": {}}}, {"plugins": {"cors": {}}}),
}


@pytest.mark.parametrize("case", STORED)
async def test_what_is_stored(case: str, group: Caller) -> None:
    path, sent, stored = STORED[case]
    await group.put("services/owner", {"name": "owner"})
    await group.put("consumers/boss", {"username": "boss"})
    answered = (await group.put(path, sent))["value"]
    read = (await group.get(path))["value"]
    assert answered == read
    collection = path.rpartition("/")[0]
    assert read in (await group.get(collection, service_id="owner"))["list"]
    own = {key: part for key, part in read.items() if key not in {"id", "created_at", "updated_at"}}
    assert own == stored
    assert kinds(own) == kinds(stored)


async def test_a_second_write_replaces_the_first(group: Caller) -> None:
    first = (await group.put("services/s1", {"name": "s", "desc": "x", "hosts": ["a.com"]}))["value"]
    second = (await group.put("services/s1", {"name": "t"}))["value"]
    assert "desc" not in second
    assert "hosts" not in second
    assert second["created_at"] == first["created_at"]


async def test_the_schema_declares_the_defaults_clients_count_on(boss: Caller) -> None:
    schemas = (await boss.get("/api/schema/core"))["value"]
    upstream = {**UPSTREAM, "timeout": TIMES, "keepalive_pool": POOL, "nodes": [{"priority": 0}], "discovery_args": {}}
    stream = {key: upstream[key] for key in ("name", "type", "hash_on", "retry_timeout", "timeout", "nodes")}
    assert {name: defaults(schema) for name, schema in schemas.items()} == {
        "route": {"priority": 0, "timeout": TIMES},
        "service": {"strip_path_prefix": True, "upstream": upstream},
        "stream_service": {"upstream": {**stream, "scheme": "tcp"}},
        "upstream": upstream,
        **{name: {} for name in ("consumer", "consumer_credential", "global_rule", "plugin_metadata")},
        **{name: {} for name in ("stream_route", "ssl", "certificate", "ca_certificate", "proto", "service_registry")},
        "sni": {"mtls": {"enabled": False, "depth": 1}},
        "secret_provider": {"manager": "vault"},
    }
    assert {(schema["type"], type(schema["properties"])) for schema in schemas.values()} == {("object", dict)}


def kinds(part: Any) -> Any:
    """The types in a body: 60 equals 60.0, but a client that reads integers takes only the first."""
    match part:
        case dict():
            return {key: kinds(value) for key, value in part.items()}
        case list():
            return [kinds(value) for value in part]
        case _:
            return type(part)


def defaults(schema: dict[str, Any]) -> Any:
    """Every default a schema declares, at its place, read as ADC reads it."""
    if "default" in schema:
        return schema["default"]
    properties = {
        key: part for one in (schema, *schema.get("allOf", [])) for key, part in one.get("properties", {}).items()
    }
    if properties:
        found = {key: defaults(part) for key, part in properties.items()}
        return {key: part for key, part in found.items() if part is not None}
    if schema.get("type") == "array":
        items = defaults(schema.get("items", {}))
        return [items] if items else None
    return {} if "properties" in schema else None
