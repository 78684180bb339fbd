"""Passwords, sessions and tokens: their rules and their ends."""

import pytest

from tests.contract.calls import Call, Caller, login, value

pytestmark = pytest.mark.anyio
CHOSEN = "Chosen-password-1"


async def test_passwords_have_a_policy_and_need_the_old_one(visitor: Caller, boss: Caller) -> None:
    await boss.post("/api/invites", {"username": "policy", "password": "p"})
    user = await login(visitor, "policy", "p")
    for old, new in (("p", "twelve chars"), ("p", ""), ("wrong", CHOSEN), ("p", 5), ("p", None)):
        await user.refused(400, "PUT", "/api/password", {"old_password": old, "new_password": new})
    await user.put("/api/password", {"old_password": "p", "new_password": "thirteen char"})
    await user.refused(403, "GET", "/api/users")
    assert "policy" in await boss.refused(409, "POST", "/api/invites", {"username": "policy", "password": "p"})


async def test_a_session_does_not_outlive_the_password(visitor: Caller, boss: Caller) -> None:
    await boss.post("/api/invites", {"username": "twice", "password": "p"})
    one, other = await login(visitor, "twice", "p"), await login(visitor, "twice", "p")
    await one.put("/api/password", {"old_password": "p", "new_password": CHOSEN})
    await one.get("/api/me")
    await other.refused(401, "GET", "/api/me")


async def test_tokens_end(boss: Caller) -> None:
    for expires_at in (1, -1, "soon"):
        await boss.refused(400, "POST", "/api/tokens", {"name": "old", "expires_at": expires_at})
    shape = {"expires_at": 4102444800, "created_at": int}
    await boss.expect(Call("POST", "/api/tokens", {"name": "2100", "expires_at": 4102444800}, 200, value(shape)))
