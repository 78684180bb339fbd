"""The declarative configuration of a group: applied in one transaction, idempotent, guarded, with secrets kept."""

from typing import Any

import pytest
from admin_api import Api
from conftest import certificate
from orders import CONFIG, NODES, published, version
from sqlalchemy import insert, text

from gatefleet.admin.access import digest
from gatefleet.store import tables

pytestmark = pytest.mark.anyio
PAIR = certificate("a.test")
WHOLE: dict[str, Any] = {
    "services": [
        {
            "name": "orders",
            "hosts": ["a.test"],
            "upstream": {"nodes": NODES},
            "routes": [{"name": "all", "paths": ["/*"], "plugins": {"key-auth": {}}}],
            "upstreams": [{"name": "canary", "nodes": NODES}],
        },
    ],
    "consumers": [
        {"username": "jack", "credentials": [{"name": "c", "plugins": {"key-auth": {"key": "hush"}}}]},
    ],
    "ssls": [{"snis": ["a.test"], "cert": PAIR.certificate, "key": PAIR.key}],
    "global_rules": {"prometheus": {}},
}


async def apply(api: Api, body: dict[str, Any], query: str = "", expect: int = 200) -> Any:
    answer = await api.call("PUT", f"{CONFIG}?{query}", body, expect=expect)
    return answer["value"] if expect == 200 else answer


async def revision(api: Api) -> int:
    response = await api.raw.get(CONFIG, headers=api.headers)
    return int(response.headers["x-gateway-group-revision"])


async def test_a_group_becomes_what_the_document_says_and_a_second_time_nothing_changes(api: Api) -> None:
    tried = await apply(api, WHOLE, "dry_run=true")
    assert (tried["dry_run"], tried["changed"], tried["revision"], await revision(api)) == (True, True, 0, 0)
    done = await apply(api, WHOLE, "note=first")
    assert (done["dry_run"], done["revision"], done["changes"]) == (False, 1, tried["changes"])
    assert "service orders added" in done["text"]
    again = await apply(api, WHOLE, "prune=true")
    assert (again["changed"], again["revision"], again["changes"]) == (False, 1, [])
    read = (await api.call("GET", CONFIG))["value"]
    assert "hush" not in str(read)
    assert not (await apply(api, read, "prune=true"))["changed"]
    key = await api.call("GET", "/apisix/admin/consumers/jack/credentials")
    assert key["list"][0]["plugins"] == {"key-auth": {"key": "hush"}}
    log = (await api.call("GET", "/api/gateway_groups/default/revisions"))["list"]
    assert [(row["action"], row["note"], row["operator"]) for row in log] == [("apply", "first", "admin")]


async def test_what_is_dumped_with_secrets_and_given_its_private_keys_makes_another_group_the_same(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    await apply(api, WHOLE)
    read = (await api.call("GET", f"{CONFIG}?secrets=true"))["value"]
    assert "hush" in str(read)
    assert read["ssls"][0]["key"] == "***"
    assert PAIR.key not in str(read)
    read["ssls"][0]["key"] = PAIR.key
    await api.call("PUT", f"/api/gateway_groups/{other}/config", {"services": [{"name": "gone"}]})
    await api.call("PUT", f"/api/gateway_groups/{other}/config?prune=true", read)
    compared = (await api.call("GET", f"/api/gateway_groups/default/compare?with={other}"))["value"]
    assert (compared["same"], compared["changes"]) == (True, [])
    async with api.store.reading() as connection:
        rows = await connection.execute(text("select event_type from audit_log order by id"))
        assert "GetConfiguration" in rows.scalars().all()
    key = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    keyed = api.acting_as(key)
    assert "administrators" in await keyed.refused("GET", f"{CONFIG}?secrets=true", status=403)
    assert (await keyed.call("GET", CONFIG))["value"]["services"]
    with_other = f"/api/gateway_groups/default/compare?with={other}"
    assert "cannot read" in await keyed.refused("GET", with_other, status=403)


async def test_only_with_prune_is_something_deleted_and_only_of_kinds_that_are_named(api: Api) -> None:
    await apply(api, WHOLE)
    less = {"services": [{"name": "orders", "hosts": ["a.test"], "upstream": {"nodes": NODES}}]}
    assert not (await apply(api, less))["changed"]
    tried = await apply(api, less, "prune=true&dry_run=true")
    assert tried["text"] == [f"upstream canary of service {service_id(tried)} removed", "route all removed"]
    done = await apply(api, {"services": []}, "prune=true")
    assert {change["action"] for change in done["changes"]} == {"removed"}
    read = (await api.call("GET", CONFIG))["value"]
    assert (read["services"], len(read["consumers"]), len(read["ssls"])) == ([], 1, 1)


def service_id(answer: dict[str, Any]) -> str:
    return next(change["parent"] for change in answer["changes"] if change["kind"] == "upstreams")


async def test_every_problem_is_told_and_nothing_is_written(api: Api) -> None:
    bad = {
        "services": [{"name": "s", "path_prefix": 1, "routes": [{"name": "r", "paths": ["x"]}]}],
        "consumers": [{"username": "j", "credentials": [{"name": "c", "plugins": {"key-auth": {"key": "***"}}}]}],
        "ssls": WHOLE["ssls"],
    }
    answer = await apply(api, bad, expect=400)
    assert [error["pointer"] for error in answer["errors"]] == [
        "/services/0/path_prefix",
        "/services/0/routes/0/paths/0",
        "/consumers/0/credentials/0/plugins/key-auth/key",
    ]
    assert 'Error at "/services/0/path_prefix": value must be a string' in answer["error_msg"]
    assert await revision(api) == 0


async def test_credentials_that_two_hold_are_refused_and_can_change_hands(api: Api) -> None:
    def consumers(*keys: str) -> dict[str, Any]:
        return {
            "consumers": [
                {"username": f"u{n}", "credentials": [{"name": "c", "plugins": {"key-auth": {"key": key}}}]}
                for n, key in enumerate(keys)
            ]
        }

    await apply(api, consumers("a", "b"))
    await apply(api, consumers("b", "a"))
    assert "already used by" in (await apply(api, consumers("c", "c"), expect=409))["error_msg"]
    assert await revision(api) == 2


async def test_routes_that_answer_the_same_are_told(api: Api) -> None:
    twice = [{"name": name, "routes": [{"name": "r", "paths": ["/same"]}]} for name in ("one", "two")]
    conflicts = (await apply(api, {"services": twice}, "dry_run=true"))["conflicts"]
    assert [pair["service_name"] for pair in conflicts["duplicate"][0]] in (["one", "two"], ["two", "one"])


async def test_an_applied_document_is_a_direct_edit(api: Api) -> None:
    id_ = await published(api)
    read = (await api.call("GET", CONFIG))["value"]
    read["services"][0]["hosts"] = ["x.test"]
    assert (await apply(api, read))["text"] == ["service orders: hosts t.test -> x.test"]
    assert await version(api, id_) == "1.0"
    group = (await api.call("GET", "/api/gateway_groups/default"))["value"]
    enforced = {"name": group["name"], "description": "", "enforce_service_publishing": True}
    await api.call("PUT", "/api/gateway_groups/default", enforced)
    read["services"][0]["routes"][0]["priority"] = 7
    assert "POST /api/services/publish" in (await apply(api, read, expect=400))["error_msg"]
    await api.call("PUT", "/api/gateway_groups/default", {**enforced, "enforce_service_publishing": False})
    await apply(api, read)
    assert await version(api, id_) is None


async def test_a_document_and_a_restore_wait_for_somebody_else(api: Api) -> None:
    await apply(api, {"services": [{"name": "before"}]})
    group = {"name": "default", "description": "", "labels": {"stage": "production"}}
    await api.call("PUT", "/api/gateway_groups/default", group)
    rule = {"name": "four eyes", "labels": {"stage": "production"}}
    await api.call("POST", "/api/approval_rules", rule)
    asked = (await apply(api, WHOLE, "note=please", expect=202))["value"]["approval"]
    assert not (await apply(api, {}, "prune=true"))["changed"]
    assert await revision(api) == 1
    other = await another(api)
    seen = (await other.call("GET", f"/api/approvals/{asked['id']}"))["value"]
    assert "service orders added" in seen["preview"]["text"]
    assert "hush" not in str(seen)
    done = (await other.call("POST", f"/api/approvals/{asked['id']}/approve", {}))["value"]
    assert (done["revision"], done["approval"]["state"]) == (2, "approved")
    log = (await api.call("GET", "/api/gateway_groups/default/revisions"))["list"][0]
    assert (log["action"], log["note"], log["operator"]) == ("apply", "please", "admin, approved by other")
    restore = "/api/gateway_groups/default/revisions/1/restore"
    asked = (await api.call("POST", restore, {}, expect=202))["value"]["approval"]
    await other.call("POST", f"/api/approvals/{asked['id']}/approve", {})
    assert (await api.call("GET", "/api/gateway_groups/default/compare?with=1"))["value"]["same"]


async def another(api: Api) -> Api:
    """The same API, called by another administrator."""
    made = (await api.call("POST", "/api/invites", {"username": "other", "password": "test"}))["value"]["id"]
    await api.call("PUT", f"/api/users/{made}/assigned_roles", {"roles": ["super_admin_id"]})
    token = f"a7ee-{made}"
    async with api.store.transaction() as connection:
        row = {"id": made, "user_id": made, "name": "t", "token_hash": digest(token)}
        await connection.execute(insert(tables.token).values(row))
    return api.acting_as(token)
