"""Who may do what: every endpoint declares it, nothing is open by chance, and one place decides."""

import base64
import re
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from admin_api import Api
from fastapi.routing import APIRoute
from sqlalchemy import text

from gatefleet.admin.access import Access, Caller, Reach, decide
from gatefleet.errors import Forbidden

pytestmark = pytest.mark.anyio
PASSWORD = "a long enough password"


def declared(api: Api) -> list[tuple[APIRoute, Access]]:
    found: list[tuple[APIRoute, Access]] = []
    for route in api.app.routes:
        assert isinstance(route, APIRoute), f"{route} is no endpoint of ours"
        accesses = [d.call for d in route.dependant.dependencies if isinstance(d.call, Access)]
        assert len(accesses) == 1, f"{route.methods} {route.path} declares no action"
        found.append((route, accesses[0]))
    return found


def url(route: APIRoute, group: str = "default") -> str:
    path = re.sub(r"\{\w+\}", "x", route.path.replace("{gateway_group_id}", group))
    return path if group in path else f"{path}?gateway_group_id={group}"


async def statuses(api: Api, headers: dict[str, str], reaches: set[Reach], group: str = "default") -> dict[str, int]:
    found: dict[str, int] = {}
    for route, access in declared(api):
        if access.reach in reaches:
            for method in route.methods:
                response = await api.raw.request(method, url(route, group), headers=headers)
                found[f"{method} {route.path}"] = response.status_code
    return found


async def test_only_these_are_open_to_everybody(api: Api) -> None:
    found = {f"{next(iter(r.methods))} {r.path}" for r, access in declared(api) if access.reach is Reach.PUBLIC}
    assert found == {"GET /api/version", "GET /api/status", "GET /healthz", "GET /readyz", "POST /api/login"}


async def test_without_a_valid_credential_every_endpoint_answers_401(api: Api) -> None:
    """Each endpoint with one of these; that every endpoint wants a credential at all is in the matrix."""
    invalid = cycle(
        [
            {"X-API-KEY": ""},
            {"X-API-KEY": "a7ee-nope"},
            {"X-API-KEY": "a7adm-nope"},
            {"Authorization": "Bearer x"},
            {"Authorization": "Basic !!!"},
            {"Cookie": "gatefleet_session=nope"},
        ]
    )
    for route, access in declared(api):
        if access.reach is not Reach.PUBLIC:
            method, headers = next(iter(route.methods)), next(invalid)
            response = await api.raw.request(method, url(route), headers=headers)
            assert response.status_code == 401, (method, route.path, headers)


async def test_a_wrong_password_is_401_and_says_so(api: Api) -> None:
    for name, password in (("admin", "nope"), ("nobody", "admin")):
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        response = await api.raw.get("/api/gateway_groups", headers={"Authorization": f"Basic {basic}"})
        assert response.status_code == 401
        assert response.json() == {"error_msg": "wrong username or password"}


async def test_two_credentials_on_one_request_are_401_also_if_both_are_good(api: Api) -> None:
    basic = "Basic " + base64.b64encode(b"admin:admin").decode()
    assert (await api.raw.get("/api/gateway_groups", headers={"Authorization": basic})).status_code == 200
    for more in ({"Authorization": basic}, {"Cookie": "gatefleet_session=x"}):
        response = await api.raw.get("/api/gateway_groups", headers={**api.headers, **more})
        assert response.status_code == 401
        assert "several credentials" in response.json()["error_msg"]


async def test_the_key_of_a_group_can_do_nothing_outside_it(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    key = (await api.call("PUT", f"/api/gateway_groups/{other}/admin_key"))["value"]["key"]
    assert key.startswith("a7adm-")
    headers = {"X-API-KEY": key}
    foreign = await statuses(api, headers, set(Reach) - {Reach.PUBLIC, Reach.ANY}, "default")
    assert set(foreign.values()) == {403}
    own = await statuses(api, headers, {Reach.SYSTEM, Reach.SELF}, other)
    assert set(own.values()) == {403}
    allowed = await statuses(api, headers, {Reach.GROUP}, other)
    assert not {401, 403, 500} & set(allowed.values())
    listed = (await api.raw.get("/api/gateway_groups", headers=headers)).json()
    assert [group["id"] for group in listed["list"]] == [other]


async def test_the_key_of_a_group_implies_its_group(api: Api) -> None:
    key = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    service = {"name": "s"}
    made = await api.raw.put("/apisix/admin/services/s", headers={"X-API-KEY": key}, json=service)
    assert made.status_code == 200
    await api.call("GET", "/apisix/admin/services/s")
    fresh = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    assert fresh != key
    assert (await api.raw.get("/apisix/admin/services", headers={"X-API-KEY": key})).status_code == 401


async def test_a_user_without_roles_can_only_mind_his_own_business(api: Api) -> None:
    await api.call("POST", "/api/invites", {"username": "test", "password": "test"})
    basic = {"Authorization": "Basic " + base64.b64encode(b"test:test").decode()}
    assert set((await statuses(api, basic, {Reach.GROUP, Reach.SYSTEM})).values()) == {403}
    assert (await api.raw.get("/api/me", headers=basic)).json()["value"]["username"] == "test"


async def test_an_expired_token_is_401(api: Api) -> None:
    soon = int(time.time()) + 60
    token = (await api.call("POST", "/api/tokens", {"name": "t", "expires_at": soon}))["value"]
    assert await api.acting_as(token["token"]).call("GET", "/api/me")
    async with api.store.transaction() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(
            text("update token set expires_at = :past where id = :id"), {"past": past, "id": token["id"]}
        )
    assert "expired" in await api.acting_as(token["token"]).refused("GET", "/api/me", status=401)
    assert "expires_at" in await api.refused("POST", "/api/tokens", {"name": "t", "expires_at": 1})


async def test_an_unknown_group_is_said_so(api: Api) -> None:
    assert await api.refused("GET", "/apisix/admin/services?gateway_group_id=nope", status=404) == (
        "gateway group [nope] not found"
    )
    assert "not found" in await api.refused(
        "PUT", "/apisix/admin/services/s?gateway_group_id=nope", {"name": "s"}, status=404
    )
    response = await api.raw.get("/apisix/admin/services", headers=api.headers)
    assert response.status_code == 400
    assert "gateway_group_id is missing" in response.json()["error_msg"]


@pytest.mark.parametrize("reach", [reach for reach in Reach if reach is not Reach.PUBLIC])
def test_what_a_caller_is_decides_first(reach: Reach) -> None:
    access = Access("Act", reach)
    admin = Caller("a", "api", user_id="1", roles=("super_admin_id",))
    fresh = Caller("f", "dashboard", user_id="3", roles=("super_admin_id",), must_change_password=True, session=b"s")
    key = Caller("k", "api", group_id="g")
    allowed = {
        ("admin", None): set(Reach),
        ("fresh", None): set(),
        ("key", None): {Reach.ANY, Reach.GROUP},
        ("key", "g"): {Reach.ANY, Reach.GROUP},
        ("key", "h"): {Reach.ANY},
    }
    callers: dict[str, Any] = {"admin": admin, "fresh": fresh, "key": key}
    decide(fresh, Access("UpdatePassword", Reach.SELF), None)
    for (name, group), reaches in allowed.items():
        if reach in reaches:
            decide(callers[name], access, group)
        else:
            with pytest.raises(Forbidden):
                decide(callers[name], access, group)
