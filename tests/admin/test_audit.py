"""Every change has its audit row, in the change's own transaction and without secrets; what is refused has one too."""

import base64
import csv
import io
import json
import re
from typing import Any

import pytest
from admin_api import Api
from conftest import certificate
from sqlalchemy import select, text

from gatefleet.store.tables import audit_log

pytestmark = pytest.mark.anyio
LONG = {f"label-{number}": "x" * 60 for number in range(300)}


async def rows(api: Api) -> list[Any]:
    async with api.store.transaction() as connection:
        return list((await connection.execute(select(audit_log).order_by(audit_log.c.id))).all())


async def test_a_change_tells_who_what_where_and_in_which_request(api: Api) -> None:
    response = await api.raw.put(
        "/apisix/admin/services/s?gateway_group_id=default",
        json={"name": "s"},
        headers={**api.headers, "X-Request-Id": "my-request"},
    )
    assert response.headers["x-request-id"] == "my-request"
    (row,) = await rows(api)
    assert (row.event_type, row.operator, row.source, row.request_id) == ("UpdateService", "admin", "api", "my-request")
    assert (row.gateway_group_id, row.resource_kind, row.resource_id) == ("default", "services", "s")
    assert (row.method, row.path, row.status, row.error_message) == ("PUT", "/apisix/admin/services/s", 200, None)
    assert row.request["name"] == "s"
    async with api.store.transaction() as connection:
        logged = (await connection.execute(text("select operator, request_id, upserts from revision_log"))).one()
    assert tuple(logged) == ("admin", "my-request", [["services", "s"]])


async def test_secrets_never_reach_the_audit_log(api: Api) -> None:
    pair = certificate("a.test")
    await api.call("PUT", "/apisix/admin/ssls/s", {"snis": ["a.test"], "cert": pair.certificate, "key": pair.key})
    await api.call("PUT", "/apisix/admin/consumers/c", {"username": "c", "plugins": {"key-auth": {"key": "hush-1"}}})
    basic = {"plugins": {"basic-auth": {"username": "u", "password": "hush-2"}}}
    await api.call("PUT", "/apisix/admin/consumers/c/credentials/k", basic)
    tls = {"client_cert": pair.certificate, "client_key": pair.key}
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s", "upstream": {"tls": tls}})
    await api.call("POST", "/api/invites", {"username": "hush-name", "password": "hush-3"})
    await api.call("PUT", "/api/password", {"old_password": "admin", "new_password": "hush-4 hush-4 hush-4"})
    token = (await api.call("POST", "/api/tokens", {"name": "t"}))["value"]["token"]
    key = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    join = (await api.call("POST", "/api/gateway_groups/default/instance_token"))["value"]["token_plain_text"]
    bad = {"username": "d", "plugins": {"key-auth": {"key": "hush-5"}, "nope": {}}}
    await api.refused("PUT", "/apisix/admin/consumers/d", bad)
    found = json.dumps([list(map(str, row)) for row in await rows(api)])
    for secret in ("hush-1", "hush-2", "hush-3", "hush-4", "hush-5", "PRIVATE KEY", token, key, join):
        assert secret not in found, secret
    assert "***" in found


async def test_the_answer_of_a_change_is_recorded_but_not_what_it_shows_only_once(api: Api) -> None:
    group, told = "/api/gateway_groups/default", list[str]()
    token = (await api.call("POST", "/api/tokens", {"name": "t"}))["value"]
    told.append((await api.call("PUT", f"/api/tokens/{token['id']}/regenerate"))["value"]["token"])
    told.append((await api.call("PUT", f"{group}/admin_key"))["value"]["key"])
    join = await api.call("POST", f"{group}/instance_token")
    told.append(join["value"]["token_plain_text"])
    told.append((await api.raw.post(f"{group}/instance_token?only_token=true", headers=api.headers)).text)
    for kind in ("docker", "helm"):
        script = (await api.call("POST", f"{group}/instance_scripts", {"type": kind}))["value"]["script"]
        told += re.findall(r"[\w-]{40,}", script)
    bundle = (await api.call("POST", f"{group}/dp_client_certificates", {}))["value"]
    told += [bundle["bundle"], bundle["private_key"].splitlines()[1]]
    login = await api.raw.post("/api/login", json={"username": "admin", "password": "admin"})
    told.append(next(iter(login.cookies.values())))
    api.raw.cookies.clear()
    pair = certificate("a.test")
    tls = {"client_cert": pair.certificate, "client_key": pair.key}
    plugins = {"openid-connect": {"client_id": "i", "client_secret": "hush-1", "discovery": "https://i.test/d"}}
    body = {"name": "s", "upstream": {"nodes": [{"host": "h.test", "port": 1, "weight": 1}], "tls": tls}}
    await api.call("POST", "/api/services/template", {**body, "plugins": plugins})
    await api.call("PUT", "/apisix/admin/services/s", {**body, "plugins": plugins})
    await api.call("PATCH", f"{group}/services/s/runtime_configuration", {"status": 0})
    await api.call("PUT", "/apisix/admin/consumers/c", {"username": "c", "plugins": {"key-auth": {"key": "hush-2"}}})
    hook = {"url": "http://127.0.0.1:9", "headers": {"Authorization": "hush-3"}}
    await api.call("POST", "/api/audit_sinks", {"name": "h", "type": "webhook", "config": hook})
    found = await rows(api)
    text = json.dumps([list(map(str, row)) for row in found])
    for secret in (token["token"], *told, "PRIVATE KEY", "hush-"):
        assert secret not in text, secret
    answers = {(row.event_type, row.path): row.response for row in found}
    shown = answers["CreateToken", "/api/tokens"]
    assert (shown["id"], shown["token"]) == (token["id"], "***")
    assert answers["CreateInstanceToken", f"{group}/instance_token"]["token_plain_text"] == "***"
    assert answers["UpdateConsumer", "/apisix/admin/consumers/c"]["plugins"] == {"key-auth": {"key": "***"}}
    whole = answers["UpdateService", "/apisix/admin/services/s"]
    assert (whole["id"], whole["plugins"]["openid-connect"]["client_secret"]) == ("s", "***")


async def test_a_long_answer_is_cut(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s", "desc": "x" * 200, "labels": LONG})
    ((row,),) = [await rows(api)]
    assert row.response["bytes"] > 16 << 10 == len(row.response["beginning"])


async def test_a_refused_change_is_recorded_and_a_refused_read_of_a_stranger_is_not(api: Api) -> None:
    await api.refused("PUT", "/apisix/admin/services/s", {})
    await api.raw.get("/apisix/admin/services")
    await api.raw.post("/api/login", json={"username": "admin", "password": "hush"})
    wrong = {"Authorization": "Basic " + base64.b64encode(b"admin:wrong").decode()}
    await api.raw.get("/api/gateway_groups", headers=wrong)
    key = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    await api.acting_as(key).refused("GET", "/api/users", status=403)
    found = [(row.event_type, row.status, row.operator, row.request) for row in await rows(api)]
    assert found == [
        ("UpdateService", 400, "admin", None),
        ("Login", 400, "", None),
        ("ListGatewayGroup", 401, "", None),
        ("UpdateGatewayGroup", 200, "admin", None),
        ("ListUsers", 403, "admin key of default", None),
    ]


async def test_a_change_without_its_audit_row_does_not_happen(api: Api) -> None:
    async with api.store.transaction() as connection:
        await connection.execute(text("alter table audit_log add constraint broken check (status <> 200)"))
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s"}, expect=500)
    await api.call("POST", "/api/gateway_groups", {"name": "g"}, expect=500)
    await api.refused("GET", "/apisix/admin/services/s", status=404)
    assert (await api.call("GET", "/api/gateway_groups"))["total"] == 1
    assert (await api.store.read_changes("default", 0)).revision == 0


async def test_every_change_leaves_exactly_one_row(api: Api) -> None:
    calls: list[tuple[str, str, Any]] = [
        ("PUT", "/apisix/admin/services/s", {"name": "s"}),
        ("PATCH", "/apisix/admin/services/s", {"desc": "d"}),
        ("PATCH", "/api/gateway_groups/default/services/s/runtime_configuration", {"status": 0}),
        ("POST", "/apisix/admin/routes", {"name": "r", "paths": ["/"], "service_id": "s"}),
        ("DELETE", "/api/gateway_groups/default/services/s", None),
        ("PUT", "/api/system_settings", {"dp_manager_address": []}),
        ("POST", "/api/gateway_groups/default/dp_client_certificates", {}),
        ("POST", "/api/services/template", {"name": "t"}),
        ("POST", "/api/login", {"username": "admin", "password": "admin"}),
    ]
    for number, (method, path, body) in enumerate(calls, 1):
        await api.call(method, path, body)
        api.raw.cookies.clear()
        assert len(await rows(api)) == number, path


async def test_the_source_is_the_dashboard_for_a_session(api: Api) -> None:
    login = await api.raw.post("/api/login", json={"username": "admin", "password": "admin"})
    api.raw.cookies.clear()
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    await api.raw.post("/api/logout", headers=cookie)
    basic = {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()}
    await api.raw.put("/api/system_settings", json={}, headers=basic)
    assert [row.source for row in await rows(api)] == ["api", "dashboard", "api"]


async def test_the_log_is_read_by_filters_and_exported_without_formulas(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", {"name": "=cmd()"})
    await api.raw.put(
        "/apisix/admin/services/t?gateway_group_id=default",
        json={"name": "t"},
        headers={**api.headers, "User-Agent": "=HYPERLINK(1)"},
    )
    await api.refused("PUT", "/apisix/admin/services/s", {"name": 1})
    listed = await api.call("GET", "/api/audit_logs?resource_id=s&event_type=UpdateService")
    (entry,) = listed["list"]
    assert (listed["total"], entry["operator"]["username"], entry["token_name"]) == (1, "admin", "tests")
    assert entry["http_request"]["method"] == "PUT"
    assert entry["http_request"]["body"]["name"] == "=cmd()"
    assert entry["http_response"]["status_code"] == 200
    assert entry["http_response"]["body"]["name"] == "=cmd()"
    everything = await api.call("GET", "/api/audit_logs?page_size=2&direction=asc")
    assert (len(everything["list"]), everything["total"]) == (2, 3)
    assert (await api.call("GET", "/api/audit_logs?end_at=1"))["total"] == 0
    assert "start_at" in await api.refused("GET", "/api/audit_logs?start_at=yesterday")
    kinds = await api.call("GET", "/api/audit_logs/event_types")
    assert {"key": "UpdateService", "name": "UpdateService"} in kinds["list"]
    exported = await api.raw.get("/api/audit_logs/export?format=json", headers=api.headers)
    assert [found["http_response"]["status_code"] for found in exported.json()][:3] == [200, 200, 400]
    sheet = await api.raw.get("/api/audit_logs/export?format=csv", headers=api.headers)
    assert sheet.headers["content-disposition"] == 'attachment; filename="audit-logs.csv"'
    records = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [record["user_agent"][:2] for record in records][1] == "'="
    assert all(not cell.startswith(("=", "+", "-", "@")) for record in records for cell in record.values())
