"""Four eyes: what a rule covers waits for somebody else, and then happens exactly as it was asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from admin_api import Api
from sqlalchemy import select, update

from gatefleet.dpm import leader
from gatefleet.store.release_tables import approval
from gatefleet.store.tables import audit_log

pytestmark = pytest.mark.anyio
NODES = {"nodes": [{"host": "a.test", "port": 80, "weight": 1}]}


@pytest.fixture
async def production(api: Api) -> str:
    """A group whose releases somebody else has to approve."""
    group = {"name": "production", "labels": {"stage": "production", "region": "eu"}}
    made = (await api.call("POST", "/api/gateway_groups", group))["value"]["id"]
    rule = {"name": "four eyes", "labels": {"stage": "production"}}
    await api.call("POST", "/api/approval_rules", rule)
    return made


@pytest.fixture
async def service(api: Api) -> str:
    """A template with one route."""
    body = {"name": "orders", "upstream": NODES, "hosts": ["t.test"]}
    made = (await api.call("POST", "/api/services/template", body))["value"]["id"]
    await api.call("POST", "/api/routes/template", {"name": "r", "paths": ["/orders"], "service_id": made})
    return made


@pytest.fixture
async def colleague(api: Api) -> Api:
    """Another administrator."""
    return await another(api, "colleague")


async def another(api: Api, name: str) -> Api:
    """The same API, called by another administrator who has just been made."""
    made = (await api.call("POST", "/api/invites", {"username": name, "password": "test"}))["value"]["id"]
    await api.call("PUT", f"/api/users/{made}/assigned_roles", {"roles": ["super_admin_id"]})
    login = await api.raw.post("/api/login", json={"username": name, "password": "test"})
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    password = f"a-long-password-of-{name}"
    api.raw.cookies.clear()
    body = {"old_password": "test", "new_password": password}
    assert (await api.raw.put("/api/password", json=body, headers=cookie)).status_code == 200
    login = await api.raw.post("/api/login", json={"username": name, "password": password})
    api.raw.cookies.clear()
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    token = (await api.raw.post("/api/tokens", json={"name": "t", "expires_at": 0}, headers=cookie)).json()["value"]
    return api.acting_as(token["token"])


async def ask(api: Api, service: str, *groups: str, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    """Ask for a publication that waits for approval."""
    item = {"service_id": service, "version": version}
    body = {"create_new_version": True, "gateway_group_ids": groups, "services": [item], "note": "please", **more}
    return (await api.call("POST", "/api/services/publish", body, expect=202))["value"]["approval"]


async def test_a_publication_waits_until_somebody_else_approves_it(
    api: Api, colleague: Api, production: str, service: str
) -> None:
    asked = await ask(api, service, "default", production)
    assert (asked["state"], asked["rule"], asked["requested_by"]) == ("pending", "four eyes", "admin")
    for group in ("default", production):
        await api.refused("GET", f"/api/gateway_groups/{group}/services/{service}", status=404)
    path = f"/api/approvals/{asked['id']}"
    seen = (await colleague.call("GET", path))["value"]
    assert [group["text"] for group in seen["preview"]["groups"]] == [["service orders added", "route r added"]] * 2
    assert "somebody else" in await api.refused("POST", f"{path}/approve", {}, status=403)
    await api.call("PUT", f"/api/services/template/{service}", {"name": "orders", "plugins": {"cors": {}}})
    done = (await colleague.call("POST", f"{path}/approve", {"note": "looks good"}))["value"]
    assert done["revisions"] == {"default": 1, production: 1}
    assert (done["approval"]["state"], done["approval"]["decided_by"]) == ("approved", "colleague")
    for group in ("default", production):
        live = (await api.call("GET", f"/api/gateway_groups/{group}/services/{service}"))["value"]
        assert (live["version"], live.get("plugins")) == ("1.0.0", None)
        entry = (await api.call("GET", f"/api/gateway_groups/{group}/services/{service}/history"))["list"][0]
        assert (entry["operator"], entry["note"]) == ("admin, approved by colleague", "please")
    assert "is approved" in await colleague.refused("POST", f"{path}/reject", {}, status=409)


async def test_a_group_s_key_can_ask_and_not_approve(api: Api, production: str, service: str, colleague: Api) -> None:
    asked = await ask(api, service, production)
    await colleague.call("POST", f"/api/approvals/{asked['id']}/approve")
    rules = (await api.call("GET", "/api/approval_rules"))["list"]
    stricter = {**rules[0], "operations": ["publish", "rollback"]}
    await api.call("PUT", f"/api/approval_rules/{rules[0]['id']}", stricter)
    key = (await api.call("PUT", f"/api/gateway_groups/{production}/admin_key"))["value"]["key"]
    group, path = api.acting_as(key), f"/api/gateway_groups/{production}/services/{service}/rollback"
    back = (await group.call("POST", path, {"version": "1.0.0"}, expect=202))["value"]["approval"]
    await group.refused("POST", f"/api/approvals/{back['id']}/approve", {}, status=403)
    await api.call("POST", f"/api/approvals/{back['id']}/reject", {"note": "no"})
    found = (await api.call("GET", "/api/approvals?state=rejected"))["list"]
    assert [(each["id"], each["decision_note"]) for each in found] == [(back["id"], "no")]


async def test_a_request_nobody_decides_expires(api: Api, colleague: Api, production: str, service: str) -> None:
    asked = await ask(api, service, production)
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with api.store.transaction() as connection:
        await connection.execute(update(approval).values(expires_at=past))
    assert (await api.call("GET", "/api/approvals?state=expired"))["total"] == 1
    assert (await api.call("GET", "/api/approvals?state=pending"))["total"] == 0
    assert "is expired" in await colleague.refused("POST", f"/api/approvals/{asked['id']}/approve", {}, status=409)
    async with api.store.reading() as connection:
        assert (await connection.execute(select(approval.c.state))).scalars().all() == ["expired"]
        refused = select(audit_log.c.status).where(audit_log.c.path == f"/api/approvals/{asked['id']}/approve")
        assert (await connection.execute(refused)).scalars().all() == [409]
    await api.refused("GET", f"/api/gateway_groups/{production}/services/{service}", status=404)


async def test_who_leads_writes_down_what_expired(api: Api, production: str, service: str) -> None:
    asked = await ask(api, service, production)
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with api.store.transaction() as connection:
        await connection.execute(update(approval).values(expires_at=past))
    jobs = {job.name: job for job in leader.jobs(api.store)}
    await jobs["approvals"].run()
    await jobs["approvals"].run()
    async with api.store.transaction() as connection:
        assert (await connection.execute(select(approval.c.state))).scalars().all() == ["expired"]
    (event,) = (await api.call("GET", "/api/audit_logs?event_type=ExpireApproval"))["list"]
    assert (event["source"], event["gateway_group_id"], event["resource_id"]) == ("system", production, asked["id"])


async def test_what_became_impossible_stays_pending_and_says_why(
    api: Api, colleague: Api, production: str, service: str
) -> None:
    asked = await ask(api, service, production)
    other = await api.call("POST", "/api/services/template", {"name": "twin", "upstream": NODES, "hosts": ["t.test"]})
    twin = other["value"]["id"]
    await api.call("POST", "/api/routes/template", {"name": "r", "paths": ["/orders"], "service_id": twin})
    await colleague.call("POST", f"/api/approvals/{(await ask(api, twin, production))['id']}/approve")
    path = f"/api/approvals/{asked['id']}"
    assert "is already answered by" in await colleague.refused("POST", f"{path}/approve", {}, status=409)
    seen = (await api.call("GET", path))["value"]
    assert (seen["state"], len(seen["preview"]["groups"][0]["conflicts"]["duplicate"])) == ("pending", 1)


async def test_a_rule_leaves_no_way_around_it(api: Api, colleague: Api, production: str, service: str) -> None:
    query = f"?gateway_group_id={production}"
    message = await api.refused("PUT", f"/apisix/admin/services/s{query}", {"name": "s"})
    assert "approval rule [four eyes]" in message
    asked = await ask(api, service, production)
    await colleague.call("POST", f"/api/approvals/{asked['id']}/approve")
    live = (await api.call("GET", f"/apisix/admin/services/{service}{query}"))["value"]
    await api.call("PUT", f"/apisix/admin/services/{service}{query}", {**live, "hosts": ["x.test"]})
    tried = {"create_new_version": True, "gateway_group_id": production, "dry_run": True}
    item: dict[str, Any] = {"service_id": service, "version": "2.0.0", "plugins": {"cors": {}}}
    seen = (await api.call("POST", "/api/services/publish", {**tried, "services": [item]}))["value"]
    assert (seen["approval_rule"], seen["groups"][0]["text"]) == ("four eyes", ["service orders: plugin cors added"])
