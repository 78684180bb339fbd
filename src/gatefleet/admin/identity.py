"""What users do about themselves: sessions, passwords and tokens."""

import secrets
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, delete, func, insert, select, true, update

from gatefleet.admin import audit, lockout
from gatefleet.admin.access import (
    COOKIE,
    TOKEN_PREFIX,
    Access,
    Reach,
    address_of,
    caller_of,
    digest,
    later,
    user_by_name,
    user_of,
)
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import many, one, parameter
from gatefleet.admin.passwords import check_policy
from gatefleet.admin.policies import Policy, Statement
from gatefleet.admin.query import flag
from gatefleet.admin.users import existing_user, shown_user
from gatefleet.admin.web import answer, control, listing, read_shape, unix, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources.diff import MASK
from gatefleet.store.tables import session, token, user

PREFIX: Final = 12
"""Characters of a token that are kept: enough to tell whose it is, and nothing to guess the rest from."""
FAR_FUTURE: Final = 253_402_300_799
"""The last second of the year 9999."""


class Login(msgspec.Struct):
    username: str
    password: str


class NewPassword(msgspec.Struct):
    old_password: str
    new_password: str


class NewToken(msgspec.Struct):
    """`expires_at`: Unix seconds, 0 for never. `gateway_groups` and `actions` (patterns) narrow what a user may do."""

    name: str
    expires_at: int = 0
    gateway_groups: list[str] | None = None
    actions: list[str] | None = None


def router() -> APIRouter:
    api = APIRouter(tags=["identity"])
    add(api, "POST", "/api/login", _login, Access("Login", Reach.PUBLIC), body=Login)
    everywhere = parameter("everywhere", {"type": "boolean"}, "End all sessions of the user")
    add(api, "POST", "/api/logout", _logout, Access("Logout", Reach.SELF), query=(everywhere,))
    add(api, "GET", "/api/me", _me, Access("GetMe", Reach.SELF))
    add(api, "PUT", "/api/password", _password, Access("UpdatePassword", Reach.SELF), body=NewPassword)
    add(api, "GET", "/api/tokens", _tokens, Access("ListTokens", Reach.SELF))
    add(api, "POST", "/api/tokens", _new_token, Access("CreateToken", Reach.SELF), body=NewToken)
    again = Access("RegenerateToken", Reach.SELF)
    add(api, "PUT", "/api/tokens/{id}/regenerate", _regenerate, again, answers=one())
    add(api, "GET", "/api/issued_tokens", _find, system("FindToken"), answers=many(), query=(parameter("prefix"),))
    add(api, "DELETE", "/api/issued_tokens/{id}", _revoke, system("RevokeToken"), answers=one())
    add(api, "DELETE", "/api/tokens/{id}", _delete_token, Access("DeleteToken", Reach.SELF))
    return api


async def _login(request: Request) -> Response:
    wanted, state = await read_shape(request, Login), control(request)
    address = address_of(request)
    await lockout.check(state, wanted.username, address)
    row = await user_by_name(state, wanted.username)
    if not await state.passwords.verify(row.password_hash if row else None, wanted.password) or row is None:
        await lockout.failed(state, wanted.username, address)
        raise Invalid("wrong username or password")
    secret, now = secrets.token_urlsafe(32), state.now()
    async with audit.transact(request) as connection:
        ended = true() if state.settings.one_session else session.c.expires_at <= now
        await connection.execute(delete(session).where(session.c.user_id == row.id, ended))
        await lockout.succeeded(connection, wanted.username, address)
        values = {
            "token_hash": digest(secret),
            "user_id": row.id,
            "expires_at": later(state, now),
            "ip_address": address,
            "user_agent": request.headers.get("user-agent", "")[:500],
        }
        await connection.execute(insert(session).values(values))
        audit.note(request, "users", row.id, answer=shown_user(row))
    response = value(shown_user(row))
    secure = {"always": True, "never": False}.get(state.settings.cookie_secure, request.url.scheme == "https")
    same_site = state.settings.cookie_same_site
    response.set_cookie(COOKIE, secret, httponly=True, samesite=same_site, secure=secure, path="/")
    return response


async def _logout(request: Request) -> Response:
    """`?everywhere=true` ends all sessions of the user."""
    caller = caller_of(request)
    mine = session.c.token_hash == (caller.session or b"")
    if flag(request, "everywhere"):
        mine = session.c.user_id == user_of(request)[1]
    async with audit.transact(request) as connection:
        await connection.execute(delete(session).where(mine))
    response = answer({})
    response.delete_cookie(COOKIE, path="/")
    return response


async def _me(request: Request) -> Response:
    return value(shown_user(await existing_user(request, user_of(request)[1])))


async def _password(request: Request) -> Response:
    wanted, (caller, user_id) = await read_shape(request, NewPassword), user_of(request)
    state = control(request)
    row = await existing_user(request, user_id)
    if not await state.passwords.verify(row.password_hash, wanted.old_password):
        raise Invalid('Error at "/old_password": the password is wrong')
    check_policy(wanted.new_password)
    if wanted.new_password == wanted.old_password:
        raise Invalid('Error at "/new_password": the new password must differ from the old one')
    values = {
        "password_hash": await state.passwords.hash(wanted.new_password),
        "must_change_password": False,
        "updated_at": func.clock_timestamp(),
    }
    async with audit.transact(request) as connection:
        await connection.execute(update(user).where(user.c.id == user_id).values(values))
        others = (session.c.user_id == user_id) & (session.c.token_hash != (caller.session or b""))
        await connection.execute(delete(session).where(others))
        audit.note(request, "users", user_id)
    return value({})


async def _tokens(request: Request) -> Response:
    _, user_id = user_of(request)
    statement = select(token).where(token.c.user_id == user_id).order_by(token.c.created_at.desc(), token.c.id)
    async with control(request).store.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return listing([_token(row) for row in rows])


async def _new_token(request: Request) -> Response:
    """The answer is the only place where the token stands in clear."""
    wanted, (_, user_id) = await read_shape(request, NewToken), user_of(request)
    now = control(request).now()
    if not wanted.name:
        raise Invalid('Error at "/name": minimum string length is 1')
    if wanted.expires_at and not unix(now) < wanted.expires_at <= FAR_FUTURE:
        raise Invalid('Error at "/expires_at": must be Unix seconds in the future, or 0 for never')
    if wanted.actions is not None:
        Policy("token", (Statement(("*",), tuple(wanted.actions)),))
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    values = {
        "id": str(uuid4()),
        "user_id": user_id,
        "name": wanted.name,
        "token_hash": digest(secret),
        "prefix": secret[:PREFIX],
        "expires_at": datetime.fromtimestamp(wanted.expires_at, UTC) if wanted.expires_at else None,
        "gateway_groups": wanted.gateway_groups,
        "actions": wanted.actions,
    }
    async with audit.transact(request) as connection:
        row = (await connection.execute(insert(token).values(values).returning(token))).one()
        asked = {"name": wanted.name, "expires_at": wanted.expires_at}
        audit.note(request, "tokens", row.id, asked, answer={**_token(row), "token": MASK})
    return value({**_token(row), "token": secret})


async def _regenerate(request: Request) -> Response:
    """Another secret for the same token; the old one is not valid any more."""
    _, user_id = user_of(request)
    token_id, secret = request.path_params["id"], TOKEN_PREFIX + secrets.token_urlsafe(32)
    values = {"token_hash": digest(secret), "prefix": secret[:PREFIX], "last_used_at": None}
    mine = (token.c.id == token_id) & (token.c.user_id == user_id)
    async with audit.transact(request) as connection:
        row = (await connection.execute(update(token).where(mine).values(values).returning(token))).one_or_none()
        if row is None:
            raise NotFound(f"token [{token_id}] not found")
        audit.note(request, "tokens", token_id, answer={**_token(row), "token": MASK})
    return value({**_token(row), "token": secret})


async def _find(request: Request) -> Response:
    """Whose token begins like this: what to do with one that turned up where it should not be."""
    begins = request.query_params.get("prefix", "")
    if len(begins) < PREFIX:
        raise Invalid(f"prefix must be the first {PREFIX} characters of the token, or more")
    statement = select(token, user.c.username).join(user).where(token.c.prefix == begins[:PREFIX])
    async with control(request).store.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return listing([{**_token(row), "user_id": row.user_id, "username": row.username} for row in rows])


async def _revoke(request: Request) -> Response:
    """End anybody's token."""
    token_id = request.path_params["id"]
    async with audit.transact(request) as connection:
        gone = await connection.execute(delete(token).where(token.c.id == token_id).returning(token.c.user_id))
        if gone.one_or_none() is None:
            raise NotFound(f"token [{token_id}] not found")
        audit.note(request, "tokens", token_id)
    return value({})


async def _delete_token(request: Request) -> Response:
    _, user_id = user_of(request)
    token_id = request.path_params["id"]
    async with audit.transact(request) as connection:
        mine = (token.c.id == token_id) & (token.c.user_id == user_id)
        gone = await connection.execute(delete(token).where(mine).returning(token.c.id))
        if gone.one_or_none() is None:
            raise NotFound(f"token [{token_id}] not found")
        audit.note(request, "tokens", token_id)
    return value({})


def _token(row: Row[Any]) -> dict[str, Any]:
    optional = {
        "last_used_at": unix(row.last_used_at) if row.last_used_at else None,
        "gateway_groups": row.gateway_groups,
        "actions": row.actions,
    }
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "expires_at": unix(row.expires_at) if row.expires_at else 0,
        "created_at": unix(row.created_at),
        **{name: part for name, part in optional.items() if part is not None},
    }
