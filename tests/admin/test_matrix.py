"""Every endpoint there is, tried in every way of not being allowed to; made from the endpoints themselves."""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from admin_api import Api
from conftest import certificate
from fastapi.routing import APIRoute
from sqlalchemy import delete, insert, update

from gatefleet.admin.access import Access, Reach, digest
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.prometheus import PROXY, QUERIES
from gatefleet.store.access_tables import permission_policy, role
from gatefleet.store.tables import token, user

pytestmark = pytest.mark.anyio
PAIR = certificate("a.test")
SEEDS: dict[str, dict[str, Any]] = {
    "services/x": {"name": "x", "upstream": {"nodes": [{"host": "a.test", "port": 80, "weight": 1}]}},
    "services/y": {"name": "y", "type": "stream"},
    "services/x/upstreams/other": {"name": "x"},
    "routes/x": {"name": "x", "paths": ["/x"], "service_id": "x"},
    "stream_routes/x": {"name": "x", "service_id": "y", "server_port": 12345},
    "consumers/x": {"username": "x"},
    "consumers/x/credentials/x": {"name": "x", "plugins": {"key-auth": {"key": "x"}}},
    "ssls/x": {"snis": ["a.test"], "cert": PAIR.certificate, "key": PAIR.key},
    "global_rules/cors": {"plugins": {"cors": {}}},
    "plugin_metadata/limit-count": {"limit_header": "X-Limit"},
    "certificates/x": {"cert": PAIR.certificate, "key": PAIR.key},
    "ca_certificates/x": {"cert": PAIR.certificate},
    "snis/x": {"domain": "b.test", "certificates": ["x"]},
    "protos/x": {"content": 'syntax = "proto3";'},
    "secret_providers/vault/x": {"uri": "http://v.test", "prefix": "p", "token": "t"},
    "service_registries/x": {"name": "x", "type": "consul", "consul_config": {"hosts": ["http://c.test:8500"]}},
}
"""A document of every kind, by its path below /apisix/admin."""
READ_ONLY = {"id": "evil", "created_at": 1, "updated_at": 1, "revision": 9, "group_id": "other", "sealed": [["name"]]}
OPEN = {
    "Login", "GetVersion", "GetStatus",
    "GetMe", "Logout", "UpdatePassword", "ListTokens", "CreateToken", "RegenerateToken", "DeleteToken",
    "GetCoreSchema", "GetOpenApi", "GetPlugins", "ListPolicyActions", "ParseCertificate", "ValidateCertificateKey",
    "ListGatewayGroup", "ListLabels", "CountResources", "Search", "GetTraffic", "ListAccessLog",
}  # fmt: skip
"""Actions that need no permission: without a credential, about oneself, or telling each only what he may read."""


@dataclass
class Actor:
    """A user with one policy, and the API as he calls it."""

    api: Api
    id: str

    async def may(self, *statements: dict[str, Any]) -> None:
        """Say anew what he may do."""
        async with self.api.store.transaction() as connection:
            await connection.execute(
                update(permission_policy).where(permission_policy.c.id == self.id).values(statement=list(statements))
            )


def allow(actions: str | list[str], resources: str = "*", effect: str = "allow") -> dict[str, Any]:
    return {
        "actions": [actions] if isinstance(actions, str) else actions,
        "resources": [resources],
        "effect": effect,
    }


@pytest.fixture
async def actor(api: Api) -> Actor:
    """A user who may do nothing yet."""
    id_, secret = str(uuid4()), "a7ee-" + secrets.token_urlsafe(32)
    values = {"id": id_, "username": id_, "password_hash": "", "must_change_password": False, "roles": [id_]}
    async with api.store.transaction() as connection:
        await connection.execute(insert(permission_policy).values(id=id_, name=id_, statement=[allow("none")]))
        await connection.execute(insert(role).values(id=id_, name=id_, policies=[id_]))
        await connection.execute(insert(user).values(values))
        await connection.execute(
            insert(token).values(id=id_, user_id=id_, name="t", token_hash=digest(secret), prefix=secret[:12])
        )
    return Actor(api.acting_as(secret), id_)


def endpoints(api: Api) -> list[tuple[str, APIRoute, Access]]:
    """Method, route and access of all there is; what deletes stands last."""
    found = [
        (method, route, dependency.call)
        for route in api.app.routes
        if isinstance(route, APIRoute)
        for dependency in route.dependant.dependencies
        if isinstance(dependency.call, Access)
        for method in route.methods
    ]
    assert len(found) == len(api.app.routes), "an endpoint declares no access, or another route was added"
    return sorted(found, key=lambda each: each[0] == "DELETE")


def url(route: APIRoute, group: str = "default") -> str:
    path = re.sub(r"\{\w+\}", "x", route.path.replace("{gateway_group_id}", group))
    return path if group in path else f"{path}?gateway_group_id={group}"


async def statuses(api: Api, group: str = "default", *, guarded: bool = False) -> dict[str, int]:
    """What each endpoint that is not public answers; `guarded`: only those that need a permission."""
    reaches = {Reach.GROUP, Reach.SYSTEM} if guarded else set(Reach) - {Reach.PUBLIC}
    return {
        f"{method} {route.path}": await status(api, method, route, group)
        for method, route, access in endpoints(api)
        if access.reach in reaches
    }


async def status(api: Api, method: str, route: APIRoute, group: str = "default") -> int:
    body = None if method in {"GET", "DELETE"} else {}
    return (await api.raw.request(method, url(route, group), headers=api.headers, json=body)).status_code


def other_than(found: dict[str, int], *wanted: int) -> dict[str, int]:
    return {name: code for name, code in found.items() if code not in wanted}


async def test_every_operation_of_the_description_names_its_action_and_the_permission_for_it(api: Api) -> None:
    description = await api.call("GET", "/api/openapi.json")
    operations = {
        f"{method} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    assert len(operations) == len(endpoints(api))
    reaches = {reach.name.lower() for reach in Reach}
    assert {name for name, operation in operations.items() if operation["x-reach"] not in reaches} == set()
    unguarded = {o["summary"] for o in operations.values() if o["x-reach"] not in {"group", "system"}}
    assert unguarded == OPEN
    assert {o["summary"] for o in operations.values()} - OPEN - PERMISSIONS.keys() == set()


async def test_a_stranger_an_expired_and_a_revoked_token_are_401_everywhere(api: Api, actor: Actor) -> None:
    await actor.may(allow("*"))
    assert other_than(await statuses(Api(api.app, api.store, api.raw, {})), 401) == {}
    async with api.store.transaction() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(update(token).where(token.c.id == actor.id).values(expires_at=past))
    assert other_than(await statuses(actor.api), 401) == {}
    async with api.store.transaction() as connection:
        await connection.execute(delete(token).where(token.c.id == actor.id))
    assert other_than(await statuses(actor.api), 401) == {}


async def test_the_right_of_another_group_or_no_right_at_all_is_403_everywhere(actor: Actor) -> None:
    assert other_than(await statuses(actor.api, guarded=True), 403) == {}
    await actor.may(allow("*", "arn:api7:gateway:gatewaygroup/other<.*>"))
    assert other_than(await statuses(actor.api, guarded=True), 403) == {}


async def test_a_denial_is_403_everywhere_whatever_else_is_allowed(api: Api, actor: Actor) -> None:
    found: dict[str, int] = {}
    for method, route, access in endpoints(api):
        if access.reach in {Reach.GROUP, Reach.SYSTEM}:
            await actor.may(allow("*"), allow(PERMISSIONS[access.action].action, effect="deny"))
            found[f"{method} {route.path}"] = await status(actor.api, method, route)
    assert len(found) > 150
    assert other_than(found, 403) == {}


async def test_the_one_action_that_is_needed_is_enough_everywhere(api: Api, actor: Actor) -> None:
    found: dict[str, int] = {}
    for method, route, access in endpoints(api):
        if access.reach in {Reach.GROUP, Reach.SYSTEM}:
            await actor.may(allow(PERMISSIONS[access.action].action))
            found[f"{method} {route.path}"] = await status(actor.api, method, route)
    assert {name: code for name, code in found.items() if code in {401, 403} or code >= 500} == {}
    lists = {name: code for name, code in found.items() if name.startswith("GET") and "{" not in name}
    asking_more = {"GET /api/issued_tokens", "GET /api/export/services", "GET /api/compare/services"}
    asking_more |= {f"GET {PROXY}/{name}" for name in QUERIES}
    assert {name for name, code in lists.items() if code != 200} <= asking_more


async def test_nothing_of_another_group_can_be_had_by_its_id(api: Api, actor: Actor) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    for path, body in SEEDS.items():
        await api.call("PUT", f"/apisix/admin/{path}", body)
    await actor.may(allow("*", f"arn:api7:gateway:gatewaygroup/{other}<.*>"))
    for path in SEEDS:
        for method, body in (("GET", None), ("PATCH", {"desc": "mine"}), ("DELETE", None)):
            mine = f"/apisix/admin/{path}?gateway_group_id={other}"
            assert (await actor.api.call(method, mine, body, expect=404))["error_msg"], (method, path)
            await actor.api.refused(method, f"/apisix/admin/{path}?gateway_group_id=default", body, status=403)
            two = f"/apisix/admin/{path}?gateway_group_id={other}&gateway_group_id=default"
            assert "several gateway groups" in await actor.api.refused(method, two, body)
    for path in SEEDS:
        assert (await api.call("GET", f"/apisix/admin/{path}"))["value"]


async def test_what_a_document_does_not_say_of_itself_cannot_be_written(api: Api) -> None:
    seen = 0
    for path, body in SEEDS.items():
        if path.startswith("plugin_metadata"):
            continue
        response = await api.raw.put(
            f"/apisix/admin/{path}?gateway_group_id=default", headers=api.headers, json={**READ_ONLY, **body}
        )
        if response.status_code == 400:
            await api.call("PUT", f"/apisix/admin/{path}", body)
            continue
        assert response.status_code == 200, response.text
        shown, seen = response.json()["value"], seen + 1
        assert shown.get("id") != "evil"
        assert shown["created_at"] > 1 < shown["updated_at"], path
        assert "evil" not in json.dumps(await api.call("GET", f"/apisix/admin/{path}"))
    assert seen > 5
    made = (await api.call("POST", "/api/gateway_groups", {"name": "g", **READ_ONLY}))["value"]
    assert (made["id"] != "evil", made["created_at"] > 1) == (True, True)
    built_in = {**READ_ONLY, "built_in": True, "name": "r", "statement": [allow("none")]}
    for kind in ("roles", "permission_policies"):
        made = (await api.call("POST", f"/api/{kind}", built_in))["value"]
        assert (made["id"] != "evil", made["built_in"], made["created_at"] > 1) == (True, False, True)
    invited = {"username": "u", "password": "p", "roles": ["super_admin_id"], "must_change_password": False}
    made = (await api.call("POST", "/api/invites", {**READ_ONLY, **invited}))["value"]
    assert (made["id"] != "evil", made["roles"], made["must_change_password"]) == (True, [], True)
    stolen = {"name": "t", "user_id": made["id"], "token": "a7ee-mine", "prefix": "a7ee-mine"}
    made = (await api.call("POST", "/api/tokens", {**READ_ONLY, **stolen}))["value"]
    assert (made["id"] != "evil", made["token"] != "a7ee-mine") == (True, True)
    assert [each["name"] for each in (await api.call("GET", "/api/tokens"))["list"]] == ["t", "tests"]


async def test_who_may_give_roles_gives_neither_himself_more_nor_anybody_everything(api: Api, actor: Actor) -> None:
    await actor.may(allow("iam:*"))
    jill = (await api.call("POST", "/api/invites", {"username": "jill", "password": "p"}))["value"]["id"]
    for path, body in (
        (f"/api/users/{jill}/assigned_roles", {"roles": ["super_admin_id"]}),
        (f"/api/users/{actor.id}/assigned_roles", {"roles": []}),
        (f"/api/users/{actor.id}/boundary", {"permission_policies": []}),
    ):
        assert "administrator" in await actor.api.refused("PUT", path, body, status=403)
    await actor.api.call("PUT", f"/api/users/{jill}/assigned_roles", {"roles": [actor.id]})
