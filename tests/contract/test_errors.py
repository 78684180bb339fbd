"""Errors: which status for what, always the envelope `{"error_msg": ...}`, and never the framework's own words."""

import json
from typing import Any

import pytest

from tests.contract.calls import Call, Caller, error, misfit
from tests.contract.conftest import new_group

pytestmark = pytest.mark.anyio

INVALID: list[tuple[str, Any, str]] = [
    ("services/s", {"name": "s", "path_prefix": 12345}, 'Error at "/path_prefix": value must be a string'),
    ("services/s", {"name": "s", "path_prefix": "no-slash"}, 'Error at "/path_prefix": string doesn\'t match'),
    ("services/s", {}, 'Error at "/name": property "name" is missing'),
    ("services/s", {"name": ""}, 'Error at "/name": minimum string length is 1'),
    ("services/s", {"name": "s", "type": "other"}, 'Error at "/type": value is not one of the allowed values'),
    ("services/s", {"name": "s", "status": True}, 'Error at "/status"'),
    ("services/s", {"name": "s", "hosts": "a.com"}, 'Error at "/hosts": value must be an array'),
    ("services/s", {"name": "s", "hosts": ["a b"]}, 'Error at "/hosts/0": string doesn\'t match'),
    ("services/s", {"name": "s", "hosts": [f"h{i}.com" for i in range(33)]}, 'Error at "/hosts": maximum number of'),
    ("services/s", {"name": "s", "labels": {"a": 1}}, 'Error at "/labels/a": value must be a string'),
    ("services/s", {"name": "s", "upstream": []}, 'Error at "/upstream": value must be an object'),
    (
        "services/s",
        {"name": "s", "upstream": {"nodes": [{"host": "a", "port": 0, "weight": 1}]}},
        'Error at "/upstream/nodes/0/port": number must be at least 1',
    ),
    (
        "services/s",
        {"name": "s", "upstream": {"nodes": [{"port": 1, "weight": 1}]}},
        '"/upstream/nodes/0/host": property',
    ),
    (
        "services/s",
        {"name": "s", "plugins": {"cors": {"max_age": "5"}}},
        'Error at "/plugins/cors/max_age": value must be',
    ),
    ("services/s", {"name": "s", "plugins": {"no-such": {}}}, "no-such"),
    ("services/s", {"name": "s", "plugins": {"a/b~c": {}}}, 'Error at "/plugins/a~1b~0c"'),
    ("services/s", [], "value must be an object"),
    ("services/not valid", {"name": "s"}, 'Error at "/id"'),
    (f"services/{'x' * 257}", {"name": "s"}, 'Error at "/id"'),
    ("routes/r", {"name": "r", "service_id": "owner"}, 'Error at "/paths": property "paths" is missing'),
    ("routes/r", {"name": "r", "service_id": "owner", "paths": []}, 'Error at "/paths": minimum number of items is 1'),
    ("routes/r", {"name": "r", "service_id": "owner", "paths": ["x"]}, 'Error at "/paths/0"'),
    (
        "routes/r",
        {"name": "r", "service_id": "owner", "paths": ["/"] * 65},
        'Error at "/paths": maximum number of items',
    ),
    ("routes/r", {"name": "r", "paths": ["/"]}, 'Error at "/service_id": property "service_id" is missing'),
    ("routes/r", {"name": "r", "service_id": "owner", "paths": ["/"], "methods": ["FETCH"]}, 'Error at "/methods/0"'),
    ("consumers/a b", {"username": "a b"}, 'Error at "/'),
    ("consumers/jack", {"username": "jill"}, "username"),
    ("consumers/boss/credentials/c", {"plugins": {"cors": {}}}, "cors"),
    ("consumers/boss/credentials/c", {"plugins": {}}, 'Error at "/plugins"'),
    ("ssls/c", {"snis": ["a.com"], "cert": "x" * 200, "key": "x" * 200}, "certificate"),
    ("global_rules/cors", {"plugins": {"cors": {}, "key-auth": {}}}, 'Error at "/plugins"'),
    ("plugin_metadata/limit-count", {"limit_header": 5}, 'Error at "/limit_header": value must be a string'),
    ("plugin_metadata/no-such", {}, "no-such"),
]


async def test_what_is_not_valid_answers_400_and_says_where(boss: Caller) -> None:
    group = await new_group(boss)
    await group.put("services/owner", {"name": "owner"})
    await group.put("consumers/boss", {"username": "boss"})
    for path, body, text in INVALID:
        await group.expect(Call("PUT", path, body, 400, error(text)))
    assert await group.ids("services") == ["owner"]
    assert await group.ids("routes", service_id="owner") == []


async def test_who_has_no_valid_credential_gets_401(visitor: Caller, boss: Caller) -> None:
    for credential in (
        {},
        {"X-API-KEY": ""},
        {"X-API-KEY": "wrong"},
        {"X-API-KEY": "a7adm-wrong"},
        {"X-API-KEY": "a7ee-wrong"},
        {"Authorization": "Basic d3Jvbmc6d3Jvbmc="},
        {"Authorization": "Basic !"},
        {"Authorization": "Bearer x"},
        {"Cookie": "gatefleet_session=wrong"},
        {**boss.credential, "Authorization": "Basic d3Jvbmc6d3Jvbmc="},
    ):
        caller = Caller(visitor.http, credential, "default")
        for call in (
            Call("GET", "services"),
            Call("PUT", "services/s1", {"name": "s"}),
            Call("GET", "/api/gateway_groups"),
            Call("GET", "/api/schema/core"),
            Call("POST", "/api/tokens", {"name": "t", "expires_at": 0}),
        ):
            await caller.expect(call._replace(status=401, shape=error()))


async def test_what_a_client_asks_before_it_has_a_credential(visitor: Caller) -> None:
    version = (await visitor.get("/api/version"))["value"]
    assert tuple(map(int, version.split("."))) >= (3, 9, 10)
    await visitor.get("/api/status")
    await visitor.get("/healthz")


async def test_the_admin_key_of_a_group_reaches_nothing_else(boss: Caller, group: Caller, admin_key: Caller) -> None:
    other = await new_group(boss)
    await other.put("services/theirs", {"name": "theirs"})
    await group.put("services/ours", {"name": "ours"})
    assert await admin_key.ids("services") == ["ours"]
    assert await Caller(admin_key.http, admin_key.credential, group.group).ids("services") == ["ours"]
    thief = Caller(admin_key.http, admin_key.credential, other.group)
    for method, path, body in (
        ("GET", "services", None),
        ("GET", "services/theirs", None),
        ("PUT", "services/theirs", {"name": "stolen"}),
        ("DELETE", "services/theirs", None),
        ("GET", f"/api/gateway_groups/{other.group}", None),
        ("PUT", f"/api/gateway_groups/{other.group}/admin_key", {}),
        ("POST", f"/api/gateway_groups/{other.group}/instance_token", {}),
        ("POST", "/api/gateway_groups", {"name": "mine"}),
        ("GET", "/api/users", None),
        ("POST", "/api/tokens", {"name": "mine", "expires_at": 0}),
        ("POST", "/api/services/publish", {"gateway_group_id": other.group, "services": []}),
    ):
        await thief.refused(403, method, path, body)
    assert (await other.get("services/theirs"))["value"]["name"] == "theirs"
    assert [item["id"] for item in (await admin_key.get("/api/gateway_groups"))["list"]] == [group.group]


async def test_a_user_without_a_role_may_do_nothing(boss: Caller, visitor: Caller) -> None:
    await boss.post("/api/invites", {"username": "nobody", "password": "p"})
    nobody = Caller(visitor.http, {"Authorization": "Basic bm9ib2R5OnA="}, "default")
    for method, path in (
        ("GET", "services"),
        ("PUT", "services/s"),
        ("POST", "/api/gateway_groups"),
        ("GET", "/api/users"),
    ):
        await nobody.refused(403, method, path, {})


OTHERS: list[Call] = [
    Call("GET", "/api/nothing", status=404),
    Call("GET", "/apisix/admin/nothing", status=404),
    Call("GET", "/apisix/admin/services?gateway_group_id=nowhere", status=404),
    Call("PUT", "/apisix/admin/services/s?gateway_group_id=nowhere", {"name": "s"}, 404),
    Call("GET", "/apisix/admin/services", status=400),
    Call("GET", "/apisix/admin/services?gateway_group_id=default&gateway_group_id=other", status=400),
    Call("DELETE", "/api/version", status=405),
    Call("PATCH", "/apisix/admin/services?gateway_group_id=default", {}, 405),
    Call("POST", "/apisix/admin/services/s?gateway_group_id=default", {}, 405),
    Call("POST", "/api/gateway_groups", {"name": "default"}, 409),
    Call("POST", "/api/gateway_groups", {"name": "n" * 101}, 400),
    Call("POST", "/api/gateway_groups", {"name": "x", "type": "other"}, 400),
    *(
        Call("GET", f"/apisix/admin/services?gateway_group_id=default&{query}", status=400)
        for query in (
            "page=0",
            "page=x",
            "page_size=-1",
            "page_size=1.5",
            "direction=up",
            "order_by=name",
            "page=9" * 9,
        )
    ),
]


@pytest.mark.parametrize("call", OTHERS, ids=lambda call: f"{call.status} {call.method} {call.path[-60:]}")
async def test_every_other_refusal_has_its_status(call: Call, boss: Caller) -> None:
    await boss.expect(call._replace(shape=error()))


async def test_what_is_taken_answers_409(group: Caller) -> None:
    await group.put("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": "taken"}}})
    await group.put("consumers/jill", {"username": "jill"})
    taken = {"plugins": {"key-auth": {"key": "taken"}}}
    message = await group.refused(409, "PUT", "consumers/jill/credentials/c", taken)
    assert "taken" not in message.replace("is already", "")
    await group.refused(409, "POST", "consumers", {"username": "jill"})
    await group.post("global_rules", {"plugins": {"cors": {}}})
    await group.refused(409, "POST", "global_rules", {"plugins": {"cors": {}}})


async def test_a_body_that_is_too_large_answers_413(group: Caller) -> None:
    answer = await raw(group, "PUT", "/apisix/admin/services/s", b'{"name": "' + b"n" * (17 << 20) + b'"}')
    assert (answer.status_code, misfit(answer.json(), error())) == (413, None)


ODD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b'{"name": "s"',
    "an array": b"[]",
    "a number": b"1",
    "null": b"null",
    "not UTF-8": b'{"name": "\xff"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "the character zero": b'{"name": "\\u0000"}',
    "the character zero in a key": b'{"name": "s", "labels": {"\\u0000": "x"}}',
    "a number beyond all": b'{"name": "s", "status": 1e999}',
    "a number beyond all, unknown": b'{"name": "s", "unknown": 1e999}',
    "NaN": b'{"name": "s", "unknown": NaN}',
    "a very deep array": b'{"name": "s", "unknown": ' + b"[" * 20000 + b"]" * 20000 + b"}",
    "a deep array": b'{"name": "s", "plugins": ' + b"[" * 500 + b"]" * 500 + b"}",
    "a form": b"name=s&type=http",
}


@pytest.mark.parametrize("case", ODD_BODIES)
async def test_odd_bodies_are_refused(case: str, group: Caller) -> None:
    answer = await raw(group, "PUT", "/apisix/admin/services/s", ODD_BODIES[case])
    assert (answer.status_code, misfit(answer.json(), error())) == (400, None), answer.text


ODD_PATHS: list[str] = [
    *(f"/apisix/admin/services/{odd}" for odd in ("%00", "%FF", "%C3%BC", "a%2Fb", "%20", "..", "x" * 300)),
    "/apisix/admin/services?search=%00",
    "/apisix/admin/services?search=%25_%5C",
    "/apisix/admin/services?labels[%00]=x",
    "/apisix/admin/services?labels[]=x",
    "/apisix/admin/services?name=%00",
    "/apisix/admin/routes?service_id=%00",
    "/apisix/admin/consumers/%00/credentials",
    "/apisix/admin/consumers/x/credentials?plugin_name=%00",
    "/api/gateway_groups/%00",
    "/api/gateway_groups?name=%00",
    "/api/gateway_groups?search=%00",
    "/api/services/template/%00",
    "/api/services/x/versions/%00",
    "/api/service_versions/%00",
    "/api/users/%00",
    "/api/users?search=%00",
]


@pytest.mark.parametrize("path", ODD_PATHS)
async def test_odd_addresses_break_nothing(path: str, group: Caller) -> None:
    answer = await group.send("GET", path)
    assert answer.status_code in {200, 400, 404}, answer.text
    assert answer.status_code == 200 or misfit(answer.json(), error()) is None


WRONG_TYPES = b'{"services": 5, "name": [], "username": 1, "labels": 1, "plugins": 1, "roles": {}, "page": 1}'


async def test_no_call_ever_answers_in_the_frameworks_words(boss: Caller) -> None:
    """FastAPI's own validation answers 422 with `detail`; nothing here may."""
    calls = [(path, method) for path, item in (await boss.get("/api/openapi.json"))["paths"].items() for method in item]
    assert len(calls) > 80
    for path, method in calls:
        parts = [part if "{" not in part else "nothing" for part in path.split("/")]
        for body in (b"",) if method == "get" else (b'{"', WRONG_TYPES):
            answer = await raw(Caller(boss.http, boss.credential, "default"), method, "/".join(parts), body)
            said = f"{method} {path} {body!r}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code in {200, 400, 403, 404}, said
            assert answer.status_code == 200 or misfit(answer.json(), error()) is None, said


async def test_an_answer_names_the_request(boss: Caller) -> None:
    answer = await boss.send("GET", "/api/nothing")
    assert answer.headers["x-request-id"]


async def raw(caller: Caller, method: str, path: str, content: bytes) -> Any:
    """Bytes as they are, with the caller's credential and group."""
    headers = {**caller.credential, "content-type": "application/json"}
    params = {"gateway_group_id": caller.group} if path.startswith("/apisix/admin/") else None
    return await caller.http.request(method.upper(), path, headers=headers, params=params, content=content)


def test_the_shape_language_tells_right_from_wrong() -> None:
    right = {"a": [1, {"b": "x"}], "c": True}
    assert misfit(right, {"a": [int, {"b": str}], "c": True}) is None
    for wrong in ({"a": [int]}, {"a": [int, {"b": int}]}, {"c": 1}, {"d": object}, {"a": [True, dict]}):
        assert misfit(json.loads(json.dumps(right)), wrong) is not None
