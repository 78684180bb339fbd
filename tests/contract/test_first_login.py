"""The first login as ADC's end-to-end suite does it: sessions, forced password changes, invitations, roles, tokens."""

import pytest

from tests.contract.calls import ABSENT, Call, Caller, Each, error, listed, login, value

pytestmark = pytest.mark.anyio
FIRST, SECOND = "Admin-password-1", "Test-password-1"


async def test_the_whole_set_up(visitor: Caller) -> None:
    admin = await login(visitor, "admin", "admin")
    message = await admin.refused(403, "GET", "/api/gateway_groups")
    assert "/api/password" in message
    await admin.put("/api/password", {"old_password": "admin", "new_password": FIRST})
    admin = await login(visitor, "admin", FIRST)
    await admin.get("/api/gateway_groups")
    await admin.put("/api/license", {"data": "licence"})
    invite = {"username": "test", "password": "test"}
    user = await admin.expect_value("POST", "/api/invites", {"id": str, "username": "test"}, invite)
    await admin.put(f"/api/users/{user['id']}/assigned_roles", {"roles": ["super_admin_id"]})
    test = await login(visitor, "test", "test")
    await test.refused(403, "POST", "/api/tokens", {"name": "e2e", "expires_at": 0})
    await test.put("/api/password", {"old_password": "test", "new_password": SECOND})
    test = await login(visitor, "test", SECOND)
    shape = {"id": str, "name": "e2e", "token": str, "expires_at": 0}
    made = await test.expect_value("POST", "/api/tokens", shape, {"name": "e2e", "expires_at": 0})
    shown = {"id": made["id"], "name": "e2e", "expires_at": 0, "token": ABSENT}
    await test.expect(Call("GET", "/api/tokens", shape=listed(shown)))
    by_token = Caller(visitor.http, {"X-API-KEY": made["token"]}, "default")
    await by_token.expect(Call("GET", "services", shape=listed()))
    me = await by_token.expect_value("GET", "/api/me", {"username": "test", "roles": ["super_admin_id"]})
    await admin.expect(Call("GET", f"/api/users/{me['id']}", shape=value({"roles": Each(str)})))
    await admin.expect(Call("GET", "/api/users?search=tes", shape=listed({"username": "test"})))
    await test.expect(Call("DELETE", f"/api/tokens/{made['id']}"))
    await by_token.refused(401, "GET", "services")
    await test.expect(Call("POST", "/api/logout"))
    await test.refused(401, "GET", "/api/me")


REFUSED: list[Call] = [
    Call("POST", "/api/login", {"username": "admin", "password": "wrong"}, 400, error()),
    Call("POST", "/api/login", {"username": "nobody", "password": "admin"}, 400, error()),
    Call("POST", "/api/login", {}, 400, error()),
    Call("POST", "/api/login", {"username": 1, "password": ["x"]}, 400, error()),
    Call("GET", "/api/me", status=401, shape=error()),
    Call("PUT", "/api/password", {"old_password": "admin", "new_password": FIRST}, 401, error()),
]


@pytest.mark.parametrize("call", REFUSED, ids=lambda call: f"{call.method} {call.path} {call.body}")
async def test_who_is_not_known_is_refused(call: Call, visitor: Caller) -> None:
    await visitor.expect(call)
