"""Users as administrators see them: invitations, roles, boundaries, passwords set anew, departures."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit
from gatefleet.admin.access import SUPER_ADMIN, caller_of
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.grants import Subject
from gatefleet.admin.openapi import TEXT, TIME, many, one
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.visible import permitted
from gatefleet.admin.web import answer, control, listing, read_shape, unix, value
from gatefleet.errors import Conflict, Forbidden, Invalid, NotFound
from gatefleet.store.access_tables import permission_policy, role
from gatefleet.store.tables import session, user

IDS: Final = {"type": "array", "items": TEXT}
USER: Final = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "username": TEXT,
        "roles": IDS,
        "boundary": IDS,
        "must_change_password": {"type": "boolean"},
        "created_at": TIME,
        "updated_at": TIME,
    },
}


class Invitation(msgspec.Struct):
    username: str
    password: str


class Roles(msgspec.Struct):
    """Ids of roles."""

    roles: list[str]


class Boundary(msgspec.Struct):
    """Ids of permission policies beyond which the user's roles allow nothing; none: no boundary."""

    permission_policies: list[str]


class Password(msgspec.Struct):
    password: str


def router() -> APIRouter:
    api = APIRouter(tags=["users"])
    own = "/api/users/{id}"
    add(api, "POST", "/api/invites", _invite, system("CreateUser"), body=Invitation, answers=one(USER))
    add(api, "GET", "/api/users", _users, system("ListUsers", filtered=True), answers=many(USER))
    add(api, "GET", own, _user, system("GetUser"), answers=one(USER))
    add(api, "DELETE", own, _delete, system("DeleteUser"), answers=one())
    add(api, "PUT", f"{own}/assigned_roles", _assign, system("UpdateUserRoles"), body=Roles, answers=one(USER))
    add(api, "PUT", f"{own}/boundary", _bound, system("UpdateUserBoundary"), body=Boundary, answers=one(USER))
    add(api, "PUT", f"{own}/password_reset", _reset, system("ResetPassword"), body=Password, answers=one(USER))
    return api


async def _invite(request: Request) -> Response:
    """A new user, who must change this password at the first login and has no role yet."""
    wanted = await read_shape(request, Invitation)
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
            audit.note(request, "users", row.id, {"username": wanted.username}, answer=shown_user(row))
    except IntegrityError as error:
        raise Conflict(f"user [{wanted.username}] already exists") from error
    return value(shown_user(row))


async def _users(request: Request) -> Response:
    query = read_query(request)
    statement = select(user).order_by(user.c.created_at.desc(), user.c.id)
    if query.search:
        statement = statement.where(user.c.username.icontains(query.search, autoescape=True))
    async with control(request).store.reading() as connection:
        rows = (await connection.execute(statement)).all()
    readable = permitted(request, rows, lambda row: [Subject(id=row.id)])
    return listing([shown_user(row) for row in page_of(readable, query)], len(readable))


async def _user(request: Request) -> Response:
    return value(shown_user(await existing_user(request, request.path_params["id"])))


async def _delete(request: Request) -> Response:
    """The user's sessions and tokens end with him."""
    user_id = request.path_params["id"]
    async with audit.transact(request) as connection:
        row = await _locked(connection, request, user_id)
        if caller_of(request).user_id == user_id:
            raise Invalid("nobody can delete himself; ask another administrator")
        await _still_administered(connection, row)
        await connection.execute(delete(user).where(user.c.id == user_id))
        audit.note(request, "users", user_id, {"username": row.username})
    return answer({"value": {}})


async def _assign(request: Request) -> Response:
    wanted, user_id = await read_shape(request, Roles), request.path_params["id"]
    roles = sorted(set(wanted.roles))
    async with audit.transact(request) as connection:
        row = await _locked(connection, request, user_id)
        found = (await connection.execute(select(role.c.id).where(role.c.id.in_(roles)))).scalars()
        if unknown := sorted(set(roles) - set(found)):
            raise Invalid(f'Error at "/roles": unknown roles {unknown}; see GET /api/roles')
        _within_reach(request, row, {SUPER_ADMIN} & (set(roles) ^ set(row.roles)))
        if SUPER_ADMIN not in roles:
            await _still_administered(connection, row)
        changed = await _update(connection, user_id, {"roles": roles})
        audit.note(request, "users", user_id, {"roles": roles}, answer=shown_user(changed))
    return value(shown_user(changed))


async def _bound(request: Request) -> Response:
    wanted, user_id = await read_shape(request, Boundary), request.path_params["id"]
    ids = sorted(set(wanted.permission_policies))
    async with audit.transact(request) as connection:
        row = await _locked(connection, request, user_id)
        known = select(permission_policy.c.id).where(permission_policy.c.id.in_(ids))
        if unknown := sorted(set(ids) - set((await connection.execute(known)).scalars())):
            raise Invalid(f'Error at "/permission_policies": permission policies {unknown} not found')
        _within_reach(request, row)
        if ids:
            await _still_administered(connection, row)
        changed = await _update(connection, user_id, {"boundary": ids})
        audit.note(request, "users", user_id, {"boundary": ids}, answer=shown_user(changed))
    return value(shown_user(changed))


async def _reset(request: Request) -> Response:
    """A password for one login; the user's sessions end, tokens stay."""
    wanted, user_id = await read_shape(request, Password), request.path_params["id"]
    if not wanted.password:
        raise Invalid('Error at "/password": minimum string length is 1')
    hashed = await control(request).passwords.hash(wanted.password)
    async with audit.transact(request) as connection:
        await _locked(connection, request, user_id)
        changed = await _update(connection, user_id, {"password_hash": hashed, "must_change_password": True})
        await connection.execute(delete(session).where(session.c.user_id == user_id))
        audit.note(request, "users", user_id, answer=shown_user(changed))
    return value(shown_user(changed))


async def existing_user(request: Request, user_id: str) -> Row[Any]:
    """A user's row; NotFound if there is none."""
    async with control(request).store.reading() as connection:
        row = (await connection.execute(select(user).where(user.c.id == user_id))).one_or_none()
    if row is None:
        raise NotFound(f"user [{user_id}] not found")
    return row


def shown_user(row: Row[Any]) -> dict[str, Any]:
    """A user as the API shows him."""
    return {
        "id": row.id,
        "username": row.username,
        "roles": row.roles,
        "boundary": row.boundary,
        "must_change_password": row.must_change_password,
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }


async def _locked(connection: AsyncConnection, request: Request, user_id: str) -> Row[Any]:
    """The user's row, for a change. Whoever is no administrator himself cannot change one."""
    row = (await connection.execute(select(user).where(user.c.id == user_id).with_for_update())).one_or_none()
    if row is None:
        raise NotFound(f"user [{user_id}] not found")
    if SUPER_ADMIN in row.roles and SUPER_ADMIN not in caller_of(request).roles:
        raise Forbidden(f"user [{row.username}] is an administrator: only another one can change him")
    return row


def _within_reach(request: Request, row: Row[Any], administration: Iterable[str] = ()) -> None:
    """Forbidden for who is no administrator and would change his own reach, or make somebody an administrator."""
    caller = caller_of(request)
    if SUPER_ADMIN in caller.roles:
        return
    if caller.user_id == row.id:
        raise Forbidden(f"user [{row.username}] cannot change what he may do himself; ask an administrator")
    if any(administration):
        raise Forbidden(f"only an administrator can give or take [{SUPER_ADMIN}]")


async def _still_administered(connection: AsyncConnection, leaving: Row[Any]) -> None:
    """Invalid if nobody else can do everything once this user cannot."""
    if SUPER_ADMIN not in leaving.roles:
        return
    unbound = user.c.roles.contains([SUPER_ADMIN]) & (user.c.boundary == [])
    rows = await connection.execute(select(user.c.id).where(unbound, user.c.id != leaving.id).with_for_update())
    if not rows.all():
        raise Invalid(f"user [{leaving.id}] is the last administrator; give [{SUPER_ADMIN}] to another user first")


async def _update(connection: AsyncConnection, user_id: str, values: dict[str, Any]) -> Row[Any]:
    fresh = {**values, "updated_at": func.clock_timestamp()}
    return (await connection.execute(update(user).where(user.c.id == user_id).values(fresh).returning(user))).one()
