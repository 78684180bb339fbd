"""Users, sessions, passwords and tokens."""

import secrets
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gatefleet.admin import audit
from gatefleet.admin.access import (
    COOKIE,
    SUPER_ADMIN,
    TOKEN_PREFIX,
    Access,
    Reach,
    caller_of,
    digest,
    later,
    user_by_name,
    user_of,
)
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.passwords import check_policy
from gatefleet.admin.query import read_query
from gatefleet.admin.web import answer, control, listing, read_shape, unix, value
from gatefleet.errors import Conflict, Invalid, NotFound
from gatefleet.store.tables import session, token, user

FAR_FUTURE: Final = 253_402_300_799
"""The last second of the year 9999."""


class Login(msgspec.Struct):
    username: str
    password: str


class NewPassword(msgspec.Struct):
    old_password: str
    new_password: str


class Roles(msgspec.Struct):
    roles: list[str]


class NewToken(msgspec.Struct):
    """`expires_at`: Unix seconds, 0 for never."""

    name: str
    expires_at: int = 0


def router() -> APIRouter:
    api = APIRouter(tags=["identity"])
    add(api, "POST", "/api/login", _login, Access("Login", Reach.PUBLIC))
    add(api, "POST", "/api/logout", _logout, Access("Logout", Reach.SELF))
    add(api, "GET", "/api/me", _me, Access("GetMe", Reach.SELF))
    add(api, "PUT", "/api/password", _password, Access("UpdatePassword", Reach.SELF))
    add(api, "POST", "/api/invites", _invite, system("CreateUser"))
    add(api, "GET", "/api/users", _users, system("ListUsers"))
    add(api, "GET", "/api/users/{id}", _user, system("GetUser"))
    add(api, "PUT", "/api/users/{id}/assigned_roles", _assign, system("UpdateUserRoles"))
    add(api, "GET", "/api/tokens", _tokens, Access("ListTokens", Reach.SELF))
    add(api, "POST", "/api/tokens", _new_token, Access("CreateToken", Reach.SELF))
    add(api, "DELETE", "/api/tokens/{id}", _delete_token, Access("DeleteToken", Reach.SELF))
    return api


async def _login(request: Request) -> Response:
    wanted, state = await read_shape(request, Login), control(request)
    row = await user_by_name(state, wanted.username)
    if not await state.passwords.verify(row.password_hash if row else None, wanted.password) or row is None:
        raise Invalid("wrong username or password")
    secret, now = secrets.token_urlsafe(32), state.now()
    async with audit.transact(request) as connection:
        await connection.execute(delete(session).where(session.c.user_id == row.id, session.c.expires_at <= now))
        values = {"token_hash": digest(secret), "user_id": row.id, "expires_at": later(state, now)}
        await connection.execute(insert(session).values(values))
        audit.note(request, "users", row.id)
    response = value(_shown(row))
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret, httponly=True, samesite="lax", secure=secure, path="/")
    return response


async def _logout(request: Request) -> Response:
    caller = caller_of(request)
    async with audit.transact(request) as connection:
        await connection.execute(delete(session).where(session.c.token_hash == (caller.session or b"")))
    response = answer({})
    response.delete_cookie(COOKIE, path="/")
    return response


async def _me(request: Request) -> Response:
    return value(_shown(await _existing(request, user_of(request)[1])))


async def _password(request: Request) -> Response:
    wanted, (caller, user_id) = await read_shape(request, NewPassword), user_of(request)
    state = control(request)
    row = await _existing(request, user_id)
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


async def _invite(request: Request) -> Response:
    """A new user, who must change this password at the first login and has no role yet."""
    wanted = await read_shape(request, Login)
    if not wanted.username or ":" in wanted.username or not wanted.password:
        raise Invalid("a user needs a username (without colon) and a password")
    values = {
        "id": str(uuid4()),
        "username": wanted.username,
        "password_hash": await control(request).passwords.hash(wanted.password),
        "must_change_password": True,
    }
    try:
        async with audit.transact(request) as connection:
            row = (await connection.execute(insert(user).values(values).returning(user))).one()
            audit.note(request, "users", row.id, {"username": wanted.username})
    except IntegrityError as error:
        raise Conflict(f"user [{wanted.username}] already exists") from error
    return value(_shown(row))


async def _users(request: Request) -> Response:
    query = read_query(request)
    statement = select(user).order_by(user.c.created_at.desc(), user.c.id)
    if query.search:
        statement = statement.where(user.c.username.icontains(query.search, autoescape=True))
    async with control(request).store.reading() as connection:
        rows = (await connection.execute(statement)).all()
    size = query.page_size or len(rows)
    return listing([_shown(row) for row in rows[(query.page - 1) * size : query.page * size]], len(rows))


async def _user(request: Request) -> Response:
    return value(_shown(await _existing(request, request.path_params["id"])))


async def _assign(request: Request) -> Response:
    wanted, user_id = await read_shape(request, Roles), request.path_params["id"]
    unknown = [role for role in wanted.roles if role != SUPER_ADMIN]
    if unknown:
        raise Invalid(f'Error at "/roles": unknown roles {unknown}; there is [{SUPER_ADMIN}]')
    await _existing(request, user_id)
    async with audit.transact(request) as connection:
        if SUPER_ADMIN not in wanted.roles:
            await connection.execute(select(user.c.id).where(user.c.roles.contains([SUPER_ADMIN])).with_for_update())
            others = select(func.count()).where(user.c.roles.contains([SUPER_ADMIN]), user.c.id != user_id)
            if (await connection.execute(others)).scalar_one() == 0:
                raise Invalid(f"user [{user_id}] is the last administrator; give [{SUPER_ADMIN}] to another user first")
        values = {"roles": sorted(set(wanted.roles)), "updated_at": func.clock_timestamp()}
        row = (await connection.execute(update(user).where(user.c.id == user_id).values(values).returning(user))).one()
        audit.note(request, "users", user_id, {"roles": wanted.roles})
    return value(_shown(row))


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
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    values = {
        "id": str(uuid4()),
        "user_id": user_id,
        "name": wanted.name,
        "token_hash": digest(secret),
        "expires_at": datetime.fromtimestamp(wanted.expires_at, UTC) if wanted.expires_at else None,
    }
    async with audit.transact(request) as connection:
        row = (await connection.execute(insert(token).values(values).returning(token))).one()
        audit.note(request, "tokens", row.id, {"name": wanted.name, "expires_at": wanted.expires_at})
    return value({**_token(row), "token": secret})


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


async def _existing(request: Request, user_id: str) -> Row[Any]:
    async with control(request).store.reading() as connection:
        row = (await connection.execute(select(user).where(user.c.id == user_id))).one_or_none()
    if row is None:
        raise NotFound(f"user [{user_id}] not found")
    return row


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "username": row.username,
        "roles": row.roles,
        "must_change_password": row.must_change_password,
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }


def _token(row: Row[Any]) -> dict[str, Any]:
    expires_at = unix(row.expires_at) if row.expires_at else 0
    return {"id": row.id, "name": row.name, "expires_at": expires_at, "created_at": unix(row.created_at)}
