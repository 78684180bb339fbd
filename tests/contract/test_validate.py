"""POST /apisix/admin/configs/validate: a dry run of a whole configuration that reports every problem."""

from typing import Any

import pytest

from tests.contract.adc import Adc
from tests.contract.calls import ABSENT, Call, Caller, error
from tests.contract.configuration import MIXED
from tests.contract.pem import pair

pytestmark = pytest.mark.anyio
CERT, KEY = pair("a.example.com")
_, WRONG_KEY = pair("a.example.com")
NODES = [{"host": "127.0.0.1", "port": 80, "weight": 1}]
SERVICE = {"id": "s1", "name": "one"}


def route(id_: str = "r1", **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": id_, "service_id": "s1", "paths": ["/"], **more}


def problem(kind: str, index: int, text: str = "", id_: str | None = None) -> tuple[str, int, str, str | None]:
    return kind, index, text, id_


NO_COUNT = {"limit-count": {"time_window": 60, "rejected_code": 503}}
REFUSED: dict[str, tuple[dict[str, Any], list[tuple[str, int, str, str | None]]]] = {
    "a plugin without what it needs": (
        {"services": [SERVICE], "routes": [route(plugins=NO_COUNT)]},
        [problem("routes", 0, 'Error at "/plugins/limit-count/count": property "count" is missing', "r1")],
    ),
    "a wrong type": (
        {"services": [SERVICE], "routes": [route(), route("r2", paths=[123])]},
        [problem("routes", 1, 'Error at "/paths/0": value must be a string', "r2")],
    ),
    "all problems of all resources": (
        {
            "services": [SERVICE, {"name": 5}],
            "routes": [route(plugins=NO_COUNT), route("r2", paths=[123])],
            "consumers": [{"username": "not valid!"}],
            "global_rules": [{"id": "cors", "plugins": {"cors": {"max_age": "x"}}}],
            "plugin_metadata": [{"id": "limit-count", "limit_header": 1}],
        },
        [
            problem("services", 1, 'Error at "/name"'),
            problem("routes", 0, "/plugins/limit-count/count", "r1"),
            problem("routes", 1, "/paths/0", "r2"),
            problem("consumers", 0, 'Error at "/username"', "not valid!"),
            problem("global_rules", 0, "/plugins/cors/max_age", "cors"),
            problem("plugin_metadata", 0, "/limit_header", "limit-count"),
        ],
    ),
    "two problems of one resource": (
        {"services": [{"id": "s1", "path_prefix": 12345}]},
        [problem("services", 0, "", "s1")],
    ),
    "a service that is nowhere": ({"routes": [route()]}, [problem("routes", 0, "s1", "r1")]),
    "a stream route of a service of type http": (
        {"services": [SERVICE], "stream_routes": [{"id": "sr", "name": "sr", "service_id": "s1"}]},
        [problem("stream_routes", 0, 'Error at "/service_id": service [s1] is of type http', "sr")],
    ),
    "a route of a service of type stream": (
        {"services": [{**SERVICE, "type": "stream"}], "routes": [route()]},
        [problem("routes", 0, "is of type stream", "r1")],
    ),
    "a certificate that is nowhere": (
        {
            "services": [{**SERVICE, "upstream": {"scheme": "https", "ca_certificates": ["ca"]}}],
            "snis": [{"id": "n", "domain": "a.example.com", "certificates": ["c1", "c2"]}],
            "certificates": [{"id": "c1", "cert": CERT, "key": KEY}],
        },
        [
            problem("services", 0, 'Error at "/upstream/ca_certificates/0": ca certificate [ca] not found', "s1"),
            problem("snis", 0, 'Error at "/certificates/1": certificate [c2] not found', "n"),
        ],
    ),
    "a secret that is kept nowhere": (
        {"consumers": [{"username": "jack", "plugins": {"key-auth": {"key": "$secret://vault/1"}}}]},
        [problem("consumers", 0, 'Error at "/plugins/key-auth/key": [$secret://vault/1] is incomplete', "jack")],
    ),
    "a plugin that does not exist": (
        {"services": [{**SERVICE, "plugins": {"no-such-plugin": {}}}]},
        [problem("services", 0, "no-such-plugin", "s1")],
    ),
    "a key that is another certificate's": (
        {"ssls": [{"id": "c1", "snis": ["a.example.com"], "cert": CERT, "key": WRONG_KEY}]},
        [problem("ssls", 0, "", "c1")],
    ),
}
ACCEPTED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a secret that is kept outside": {
        "consumers": [{"username": "jack", "plugins": {"key-auth": {"key": "$secret://vault/1/jack/key"}}}]
    },
    "empty lists": {"services": [], "routes": [], "consumers": [], "ssls": [], "global_rules": []},
    "a stream route of a service in the same body": {
        "services": [{"id": "s2", "name": "two", "type": "stream", "upstream": {"nodes": NODES}}],
        "stream_routes": [{"name": "sr", "service_id": "s2", "server_port": 19101}],
    },
    "a server name of a certificate in the same body": {
        "snis": [{"domain": "a.example.com", "certificates": ["c1"]}],
        "certificates": [{"id": "c1", "cert": CERT, "key": KEY}],
        "ca_certificates": [{"id": "a1", "cert": CERT}],
        "protos": [{"id": "p1", "content": 'syntax = "proto3";'}],
        "secret_providers": [{"id": "vault/v1", "uri": "http://v", "prefix": "p", "token": "t"}],
    },
    "a route of a service in the same body": {"services": [SERVICE], "routes": [route()]},
    "a mixture": {
        "services": [{**SERVICE, "plugins": {"cors": {}}}],
        "routes": [route(plugins={"limit-count": {"count": 1, "time_window": 60}})],
        "consumers": [{"username": "jack", "plugins": {"key-auth": {"key": "k"}}}],
        "ssls": [{"snis": ["a.example.com"], "cert": CERT, "key": KEY}],
        "global_rules": [{"id": "prometheus", "plugins": {"prometheus": {}}}],
        "plugin_metadata": [{"id": "limit-count", "limit_header": "X-Quota"}],
    },
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_wrong_is_reported_with_its_place(case: str, group: Caller) -> None:
    body, problems = REFUSED[case]
    answer = await group.expect(Call("POST", "configs/validate", body, 400, error()))
    found = answer["errors"]
    assert {(one["resource_type"], one["index"]) for one in found} == {(kind, index) for kind, index, _, _ in problems}
    for kind, index, text, id_ in problems:
        mine = [one for one in found if (one["resource_type"], one["index"]) == (kind, index)]
        assert any(text in one["error"] for one in mine), mine
        assert {one.get("resource_id") for one in mine} == {id_}
    await nothing_is_stored(group)


@pytest.mark.parametrize("case", ACCEPTED)
async def test_what_is_right_is_not_stored(case: str, group: Caller) -> None:
    await group.expect(Call("POST", "configs/validate", ACCEPTED[case], 200, {"errors": ABSENT}))
    await nothing_is_stored(group)


async def test_a_route_may_name_a_service_that_is_there(group: Caller) -> None:
    await group.put("services/s1", {"name": "one"})
    await group.post("configs/validate", {"routes": [route()]})


async def test_adc_validates_what_it_would_sync(group: Caller, admin_key: Caller) -> None:
    for caller in (group, admin_key):
        answer = await Adc(caller).validate(MIXED)
        assert answer.status_code == 200, answer.text


async def nothing_is_stored(group: Caller) -> None:
    for path in ("services", "consumers", "ssls", "global_rules"):
        assert await group.ids(path) == []
    assert await group.get("plugin_metadata") == {"value": {}}
