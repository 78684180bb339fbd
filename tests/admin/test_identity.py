"""Login, passwords, users and tokens, as the clients' own set-up does it."""

import asyncio
import base64

import httpx
import pytest
from admin_api import Api, serving
from sqlalchemy import text
from typer.testing import CliRunner

from gatefleet.cli import app
from gatefleet.settings import AdminSettings

pytestmark = pytest.mark.anyio
PASSWORD = "Admin12345!@#$%"


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


async def login(api: Api, username: str, password: str) -> dict[str, str]:
    """The session's cookie, echoed back the way clients do: name=value of the first Set-Cookie."""
    response = await api.raw.post("/api/login", json={"username": username, "password": password})
    api.raw.cookies.clear()
    assert response.status_code == 200, response.text
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" in cookie
    return {"Cookie": cookie.partition(";")[0]}


async def test_the_first_login_must_change_the_password_and_the_rest_of_a_client_s_set_up(api: Api) -> None:
    client = api.raw
    cookie = await login(api, "admin", "admin")
    refused = await client.get("/api/gateway_groups", headers=cookie)
    assert refused.status_code == 403
    assert "change the password first" in refused.json()["error_msg"]
    change = {"old_password": "admin", "new_password": PASSWORD}
    assert (await client.put("/api/password", json=change, headers=cookie)).status_code == 200
    cookie = await login(api, "admin", PASSWORD)
    assert (await client.put("/api/license", json={"data": "x"}, headers=cookie)).status_code == 200
    invited = await client.post("/api/invites", json={"username": "test", "password": "test"}, headers=cookie)
    user_id = invited.json()["value"]["id"]
    roles = {"roles": ["super_admin_id"]}
    assert (await client.put(f"/api/users/{user_id}/assigned_roles", json=roles, headers=cookie)).status_code == 200
    cookie = await login(api, "test", "test")
    change = {"old_password": "test", "new_password": PASSWORD}
    assert (await client.put("/api/password", json=change, headers=cookie)).status_code == 200
    cookie = await login(api, "test", PASSWORD)
    made = await client.post("/api/tokens", json={"expires_at": 0, "name": "n"}, headers=cookie)
    token = made.json()["value"]
    assert token["token"].startswith("a7ee-")
    assert token["expires_at"] == 0
    mine = api.acting_as(token["token"])
    (listed,) = (await mine.call("GET", "/api/tokens"))["list"]
    assert listed.pop("last_used_at") >= token["created_at"]
    assert listed == {k: v for k, v in token.items() if k != "token"}
    assert (await mine.call("GET", "/api/gateway_groups"))["total"] == 1
    assert (await mine.call("DELETE", f"/api/tokens/{token['id']}")) == {"value": {}}
    assert await mine.refused("GET", "/api/me", status=401) == "the token is not valid"


async def test_basic_keeps_working_before_the_first_change_and_ends_with_it(api: Api) -> None:
    assert (await api.raw.get("/api/gateway_groups", headers=basic("admin", "admin"))).status_code == 200
    change = {"old_password": "admin", "new_password": PASSWORD}
    assert (await api.raw.put("/api/password", json=change, headers=basic("admin", "admin"))).status_code == 200
    assert (await api.raw.get("/api/gateway_groups", headers=basic("admin", "admin"))).status_code == 401
    assert (await api.raw.get("/api/gateway_groups", headers=basic("admin", PASSWORD))).status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nope", PASSWORD, "/old_password"),
        ("admin", "twelve chars", "longer than 12"),
        ("admin", "", "longer than 12"),
        ("admin", "a" * 13, "5 different characters"),
    ],
)
async def test_a_password_that_is_not_good_enough_is_refused(api: Api, old: str, new: str, message: str) -> None:
    body = {"old_password": old, "new_password": new}
    assert message in await api.refused("PUT", "/api/password", body)


async def test_a_changed_password_ends_the_other_sessions_and_logout_ends_its_own(api: Api) -> None:
    one, two = await login(api, "admin", "admin"), await login(api, "admin", "admin")
    change = {"old_password": "admin", "new_password": PASSWORD}
    assert (await api.raw.put("/api/password", json=change, headers=one)).status_code == 200
    assert (await api.raw.get("/api/me", headers=two)).status_code == 401
    assert (await api.raw.get("/api/me", headers=one)).status_code == 200
    assert (await api.raw.post("/api/logout", headers=one)).status_code == 200
    assert (await api.raw.get("/api/me", headers=one)).status_code == 401


async def test_a_failed_login_says_nothing_of_who_exists(api: Api) -> None:
    wrong = [{"username": "admin", "password": "x"}, {"username": "nobody", "password": "x"}]
    answers = [await api.raw.post("/api/login", json=body) for body in wrong]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (400, '{"error_msg":"wrong username or password"}')
    }


async def test_users_are_listed_found_and_never_show_their_password(api: Api) -> None:
    made = (await api.call("POST", "/api/invites", {"username": "jill", "password": "x"}))["value"]
    assert "already exists" in await api.refused(
        "POST", "/api/invites", {"username": "jill", "password": "y"}, status=409
    )
    listed = await api.call("GET", "/api/users?search=JIL")
    assert [user["username"] for user in listed["list"]] == ["jill"]
    assert (await api.call("GET", f"/api/users/{made['id']}"))["value"]["roles"] == []
    assert "not found" in await api.refused("GET", "/api/users/nope", status=404)
    assert "argon2" not in str(await api.call("GET", "/api/users"))


async def test_the_last_administrator_keeps_his_role(api: Api) -> None:
    me = (await api.call("GET", "/api/me"))["value"]
    assert "last administrator" in await api.refused("PUT", f"/api/users/{me['id']}/assigned_roles", {"roles": []})
    assert "unknown roles" in await api.refused("PUT", f"/api/users/{me['id']}/assigned_roles", {"roles": ["x"]})
    jill = (await api.call("POST", "/api/invites", {"username": "jill", "password": "x"}))["value"]
    await api.call("PUT", f"/api/users/{jill['id']}/assigned_roles", {"roles": ["super_admin_id"]})
    await api.call("PUT", f"/api/users/{me['id']}/assigned_roles", {"roles": []})
    assert "not allowed" in await api.refused("GET", "/api/users", status=403)


async def test_guessing_gets_slower_for_one_who_guesses_and_not_for_others(api: Api) -> None:
    async def tried(username: str, password: str, address: str = "127.0.0.1") -> httpx.Response:
        transport = httpx.ASGITransport(api.raw._transport.app, client=(address, 1))  # noqa: SLF001
        async with httpx.AsyncClient(transport=transport, base_url="https://admin.test") as client:
            return await client.post("/api/login", json={"username": username, "password": password})

    for name in ("admin", "nobody"):
        assert [(await tried(name, "wrong")).status_code for _ in range(5)] == [400] * 5
        refused = await tried(name, "wrong")
        assert (refused.status_code, "too many wrong passwords" in refused.text) == (429, True)
        assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert (await tried("admin", "admin")).status_code == 429
    assert (await api.raw.get("/api/me", headers=basic("admin", "wrong"))).status_code == 429
    assert (await tried("admin", "admin", "10.0.0.9")).status_code == 200
    async with api.store.transaction() as connection:
        await connection.execute(text("update login_failure set last_at = now() - interval '1 hour'"))
    assert (await tried("admin", "admin")).status_code == 200
    assert (await tried("admin", "wrong")).status_code == 400


@pytest.mark.parametrize(
    "foreign",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "https://admin.test.evil.test"},
    ],
    ids=str,
)
async def test_what_another_site_sends_with_our_cookie_is_refused(api: Api, foreign: dict[str, str]) -> None:
    cookie = await login(api, "admin", "admin")
    change = {"old_password": "admin", "new_password": PASSWORD}
    refused = await api.raw.put("/api/password", json=change, headers={**cookie, **foreign})
    assert (refused.status_code, "another site" in refused.text) == (403, True)
    own = {"Origin": "https://admin.test", "Sec-Fetch-Site": "same-origin"}
    assert (await api.raw.put("/api/password", json=change, headers={**cookie, **own})).status_code == 200


async def test_a_session_ends_everywhere_at_once_and_after_its_longest_time(api: Api) -> None:
    one, two = await login(api, "admin", "admin"), await login(api, "admin", "admin")
    assert (await api.raw.post("/api/logout?everywhere=true", headers=one)).status_code == 200
    for cookie in (one, two):
        assert (await api.raw.get("/api/me", headers=cookie)).status_code == 401
    three = await login(api, "admin", "admin")
    async with api.store.transaction() as connection:
        await connection.execute(text("update session set created_at = now() - interval '8 days'"))
    assert (await api.raw.get("/api/me", headers=three)).status_code == 401


async def test_a_token_may_be_narrower_than_its_user_and_can_be_found_renewed_and_revoked(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    wanted = {"name": "ci", "gateway_groups": [other], "actions": ["gateway:*Consumer", "gateway:GetGatewayGroup"]}
    made = (await api.call("POST", "/api/tokens", wanted))["value"]
    assert (made["gateway_groups"], made["token"].startswith(made["prefix"])) == ([other], True)
    ci = api.acting_as(made["token"])
    await ci.call("PUT", f"/apisix/admin/consumers/c?gateway_group_id={other}", {"username": "c"})
    assert [g["id"] for g in (await ci.call("GET", "/api/gateway_groups"))["list"]] == [other]
    for method, path, body in (
        ("PUT", "/apisix/admin/consumers/c?gateway_group_id=default", {"username": "c"}),
        ("GET", f"/apisix/admin/services?gateway_group_id={other}", None),
        ("GET", "/api/users", None),
        ("POST", "/api/tokens", {"name": "wider"}),
        ("PUT", "/api/password", {"old_password": "admin", "new_password": PASSWORD}),
    ):
        await ci.refused(method, path, body, status=403)
    (found,) = (await api.call("GET", f"/api/issued_tokens?prefix={made['token']}"))["list"]
    assert (found["id"], found["username"], "last_used_at" in found) == (made["id"], "admin", True)
    assert "first 12 characters" in await api.refused("GET", "/api/issued_tokens?prefix=a7ee-")
    fresh = (await api.call("PUT", f"/api/tokens/{made['id']}/regenerate"))["value"]["token"]
    await ci.refused("GET", "/api/me", status=401)
    assert await api.acting_as(fresh).call("GET", "/api/me")
    await api.call("DELETE", f"/api/issued_tokens/{made['id']}")
    await api.acting_as(fresh).refused("GET", "/api/me", status=401)
    assert "/actions" in await api.refused("POST", "/api/tokens", {"name": "x", "actions": ["<("]})


async def test_answers_are_data_and_say_so(api: Api) -> None:
    headers = (await api.raw.get("/api/version")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" in headers


async def test_one_session_and_the_cookie_are_as_set(admin_settings: AdminSettings) -> None:
    changes = {"one_session": True, "cookie_secure": "never", "cookie_same_site": "strict"}
    async with serving(admin_settings.model_copy(update=changes)) as api:
        secret = {"username": "admin", "password": "admin"}
        first, second = [await api.raw.post("/api/login", json=secret) for _ in range(2)]
        api.raw.cookies.clear()
        cookies = [answer.headers["set-cookie"] for answer in (first, second)]
        assert ("SameSite=strict" in cookies[0], "Secure" in cookies[0]) == (True, False)
        found = [await api.raw.get("/api/me", headers={"Cookie": cookie.partition(";")[0]}) for cookie in cookies]
        assert [answer.status_code for answer in found] == [401, 200]


async def test_a_session_somebody_else_has_fixed_is_never_taken_over(api: Api) -> None:
    fixed = {"Cookie": "gatefleet_session=known-to-the-attacker"}
    answer = await api.raw.post("/api/login", json={"username": "admin", "password": "admin"}, headers=fixed)
    api.raw.cookies.clear()
    assert "known-to-the-attacker" not in answer.headers["set-cookie"]
    assert (await api.raw.get("/api/me", headers=fixed)).status_code == 401


async def test_who_has_lost_all_access_gets_it_back_beside_the_database(
    api: Api, admin_settings: AdminSettings
) -> None:
    cookie = await login(api, "admin", "admin")
    for _ in range(6):
        await api.raw.post("/api/login", json={"username": "admin", "password": "wrong"})
    dsn = admin_settings.dsn.get_secret_value()
    done = await asyncio.to_thread(CliRunner().invoke, app, ["rescue", "--dsn", dsn, "--username", "admin"])
    password = done.stdout.splitlines()[-1]
    for headers in (cookie, api.headers, basic("admin", "admin")):
        assert (await api.raw.get("/api/me", headers=headers)).status_code == 401
    cookie = await login(api, "admin", password)
    assert "change the password" in (await api.raw.get("/api/users", headers=cookie)).text
    change = {"old_password": password, "new_password": PASSWORD}
    assert (await api.raw.put("/api/password", json=change, headers=cookie)).status_code == 200
    events = (await api.raw.get("/api/audit_logs?event_type=RescueAdministrator", headers=cookie)).json()["list"]
    assert [(event["source"], event["http_request"]["body"]) for event in events] == [("cli", {"username": "admin"})]


async def test_other_login_options_are_refused_by_name_and_the_built_in_one_stays(api: Api) -> None:
    (option,) = (await api.call("GET", "/api/login_options"))["list"]
    assert (option["id"], option["enabled"]) == ("built_in", True)
    for kind in ("oidc", "saml", "ldap"):
        body = {"name": "sso", "type": kind}
        assert f"type [{kind}] are not carried" in await api.refused("POST", "/api/login_options", body)
    await api.refused("DELETE", "/api/login_options/built_in", status=403)
    named = {"name": "Here", "type": "built_in"}
    assert (await api.call("PUT", "/api/login_options/built_in", named))["value"]["name"] == "Here"
    assert "/enabled" in await api.refused("PUT", "/api/login_options/built_in", {**named, "enabled": False})
