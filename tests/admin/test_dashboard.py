"""What the Dashboard needs of the API: its own files, what the caller may do, and writes that overwrite nobody."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from admin.test_roles import GROUP, env, somebody, statement
from admin_api import Api

from gatefleet.admin.app import Logged
from gatefleet.admin.dashboard import Dashboard
from gatefleet.admin.metrics import Metrics

pytestmark = pytest.mark.anyio
ROUTE = {"name": "r", "service_id": "s", "paths": ["/r"]}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<meta nonce="GATEFLEET_NONCE"><script nonce="GATEFLEET_NONCE"></script>')
    (tmp_path / "assets" / "a-1.js").write_text("plain")
    (tmp_path / "assets" / "a-1.js.br").write_text("small")
    return tmp_path


@asynccontextmanager
async def browser(api: Api, built: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody who asks the API with these files of the Dashboard before it."""
    transport = httpx.ASGITransport(Logged(Dashboard(api.app, built), Metrics()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://admin.test") as client:
        yield client


async def test_the_page_answers_every_address_of_its_own_under_a_strict_policy(api: Api, built: Path) -> None:
    async with browser(api, built) as client:
        nonces: set[str] = set()
        for path in ("/", "/groups/default/services/x"):
            page = await client.get(path)
            policy = page.headers["content-security-policy"]
            nonce = re.findall(r"style-src 'self' 'nonce-([\w-]+)'", policy)[0]
            assert "default-src 'none'; script-src 'self';" in policy
            assert "unsafe" not in policy
            assert page.text.count(nonce) == 2
            assert page.headers["cache-control"] == "no-cache"
            nonces.add(nonce)
        assert len(nonces) == 2, "nobody can guess the next one"
        assert (await client.get("/api/nothing")).status_code == 404
        assert (await client.post("/groups")).status_code == 404


async def test_assets_come_compressed_and_keep_for_ever(api: Api, built: Path) -> None:
    async with browser(api, built) as client:
        asset = await client.get("/assets/a-1.js", headers={"accept-encoding": "identity"})
        assert (asset.text, asset.headers["content-type"]) == ("plain", "text/javascript; charset=utf-8")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        packed = await client.head("/assets/a-1.js", headers={"accept-encoding": "gzip, br"})
        assert packed.headers["content-encoding"] == "br"
        assert (await client.get("/assets/a-2.js")).status_code == 404


async def test_without_a_build_the_page_says_how_to_make_one(api: Api, tmp_path: Path) -> None:
    async with browser(api, tmp_path) as client:
        page = await client.get("/")
        assert (page.status_code, "make install" in page.text) == (503, True)


async def test_a_user_learns_what_he_may_do_before_he_tries(api: Api) -> None:
    everything = (await api.call("GET", "/api/me/permissions"))["value"]
    assert set(everything.values()) == {True}
    test = (await api.call("POST", "/api/gateway_groups", {"name": "t", "labels": {"env": "test"}}))["value"]["id"]
    prod = (await api.call("POST", "/api/gateway_groups", {"name": "p", "labels": {"env": "prod"}}))["value"]["id"]
    jane, _, _ = await somebody(
        api,
        statement(["gateway:GetGatewayGroup"], ["*"]),
        statement(["gateway:CreateConsumer"], [f"{GROUP}/*"], conditions=env("test")),
        statement(["gateway:UpdatePublishedService"], [f"{GROUP}/{prod}/publishedservice/mine"]),
    )
    here = (await jane.call("GET", f"/api/me/permissions?gateway_group_id={test}"))["value"]
    assert here["GetGatewayGroup"] is here["CreateConsumer"] is True
    assert "[jane] is not allowed to do [iam:DeleteUser]" in here["DeleteUser"]
    there = (await jane.call("GET", f"/api/me/permissions?gateway_group_id={prod}&service_id=mine"))["value"]
    assert there["UpdateService"] is True
    assert "CreateConsumer" in there["CreateConsumer"]
    other = (await jane.call("GET", f"/api/me/permissions?gateway_group_id={prod}&service_id=other"))["value"]
    assert other["UpdateService"] is not True


async def test_a_matrix_of_services_holds_the_groups_one_may_read(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "o"}))["value"]["id"]
    jane, _, _ = await somebody(api, statement(["gateway:GetConfiguration"], [f"{GROUP}/{other}"]))
    matrix = (await jane.call("GET", "/api/compare/services"))["value"]
    assert [group["id"] for group in matrix["gateway_groups"]] == [other]
    await jane.refused("GET", f"/api/compare/services?gateway_group_ids={other},default", status=403)
    nobody, _, _ = await somebody(api, statement(["gateway:GetConsumer"], ["*"]), name="joe")
    await nobody.refused("GET", "/api/compare/services", status=403)


async def test_a_write_over_somebody_elses_change_is_refused(api: Api) -> None:
    path = "/apisix/admin/routes/r?gateway_group_id=default"
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s"})
    made = await api.raw.put(path, json=ROUTE, headers=api.headers)
    await only_if_unchanged(api, path, made, ROUTE)
    gone = await api.raw.put(path.replace("/r?", "/new?"), json=ROUTE, headers={**api.headers, "if-match": "*"})
    assert gone.status_code == 412, "If-Match asks for what is there"


async def test_a_write_over_somebody_elses_change_of_a_template_is_refused(api: Api) -> None:
    body = {"name": "t"}
    made = await api.raw.post("/api/services/template", json=body, headers=api.headers)
    await only_if_unchanged(api, f"/api/services/template/{made.json()['value']['id']}", made, body)


async def test_a_write_over_somebody_elses_change_of_a_group_is_refused(api: Api) -> None:
    body = {"name": "g", "description": "as it was made"}
    made = await api.raw.post("/api/gateway_groups", json=body, headers=api.headers)
    path = f"/api/gateway_groups/{made.json()['value']['id']}"
    await api.call("PUT", f"/apisix/admin/services/s?gateway_group_id={made.json()['value']['id']}", {"name": "s"})
    read = await api.raw.get(path, headers=api.headers)
    assert read.headers["etag"] == made.headers["etag"], "what is in it is not what is said of it"
    mine = {**api.headers, "if-match": read.headers["etag"]}
    put = await api.raw.put(path, json={**body, "description": "theirs"}, headers=mine)
    for method, address in (("PUT", path), ("DELETE", f"{path}?force=true")):
        refused = await api.raw.request(method, address, json=body, headers=mine)
        assert (refused.status_code, "read it again" in refused.json()["error_msg"]) == (412, True)
    assert (await api.call("GET", path))["value"]["description"] == "theirs"
    again = {**api.headers, "if-match": put.headers["etag"]}
    assert (await api.raw.delete(f"{path}?force=true", headers=again)).status_code == 200


async def only_if_unchanged(api: Api, path: str, made: httpx.Response, body: dict[str, Any]) -> None:
    """Writes of what was just made count only with the ETag of what is there; it is deleted at the end."""
    read = await api.raw.get(path, headers=api.headers)
    assert read.headers["etag"] == made.headers["etag"]
    mine = {**api.headers, "if-match": read.headers["etag"]}
    assert (await api.raw.put(path, json={**body, "desc": "theirs"}, headers=mine)).status_code == 200
    for method, sent in (("PUT", body), ("PATCH", {"desc": "mine"}), ("DELETE", None)):
        refused = await api.raw.request(method, path, json=sent, headers=mine)
        assert (refused.status_code, "read it again" in refused.json()["error_msg"]) == (412, True)
    assert (await api.call("GET", path))["value"]["desc"] == "theirs"
    assert (await api.raw.delete(path, headers={**api.headers, "if-match": "*"})).status_code == 200
