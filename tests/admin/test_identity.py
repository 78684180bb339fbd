"""Login, passwords, users and tokens, as the clients' own set-up does it."""

import base64

import pytest
from admin_api import Api

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
    assert (await mine.call("GET", "/api/tokens"))["list"] == [{k: v for k, v in token.items() if k != "token"}]
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
