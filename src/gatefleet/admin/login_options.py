"""Login options: where users prove who they are. So far that is here, by username and password."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, func, select, update
from sqlalchemy.exc import IntegrityError

from gatefleet.admin import audit
from gatefleet.admin.access import BUILT_IN
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, TIME, many, one
from gatefleet.admin.web import control, listing, read_shape, unix, value
from gatefleet.errors import Conflict, Forbidden, Invalid, NotFound
from gatefleet.store.access_tables import login_option

PATH: Final = "/api/login_options"
KNOWN: Final = ("oidc", "saml", "ldap", "cas")
"""Types that API7's clients send."""
OPTION: Final = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "type": TEXT,
        "enabled": {"type": "boolean"},
        "config": OBJECT,
        "created_at": TIME,
        "updated_at": TIME,
    },
}


class Wanted(msgspec.Struct):
    name: str
    type: str = BUILT_IN
    enabled: bool = True


def router() -> APIRouter:
    api = APIRouter(tags=["login options"])
    own = f"{PATH}/{{id}}"
    add(api, "GET", PATH, _list, system("ListLoginOptions"), answers=many(OPTION, paged=False))
    add(api, "POST", PATH, _create, system("CreateLoginOption"), body=Wanted, answers=one(OPTION))
    add(api, "GET", own, _get, system("GetLoginOption"), answers=one(OPTION))
    add(api, "PUT", own, _put, system("UpdateLoginOption"), body=Wanted, answers=one(OPTION))
    add(api, "DELETE", own, _delete, system("DeleteLoginOption"), answers=one())
    return api


async def _list(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        rows = (await connection.execute(select(login_option).order_by(login_option.c.created_at))).all()
    return listing([_shown(row) for row in rows])


async def _get(request: Request) -> Response:
    return value(_shown(await _existing(request)))


async def _create(request: Request) -> Response:
    """Refused: users cannot sign in elsewhere yet."""
    wanted = await read_shape(request, Wanted)
    if wanted.type == BUILT_IN:
        raise Conflict(f"login option [{BUILT_IN}] is there already")
    known = f"; known but not carried yet are {', '.join(KNOWN)}" if wanted.type in KNOWN else ""
    raise Invalid(f'Error at "/type": login options of type [{wanted.type}] are not carried, only {BUILT_IN}{known}')


async def _put(request: Request) -> Response:
    wanted, found = await read_shape(request, Wanted), await _existing(request)
    if wanted.type != found.type:
        raise Invalid(f'Error at "/type": a login option stays [{found.type}]')
    if not wanted.enabled:
        raise Invalid('Error at "/enabled": the only login option cannot be switched off')
    if not 1 <= len(wanted.name) <= 100:
        raise Invalid('Error at "/name": the string length must be from 1 to 100')
    values = {"name": wanted.name, "updated_at": func.clock_timestamp()}
    statement = update(login_option).where(login_option.c.id == found.id).values(values).returning(login_option)
    try:
        async with audit.transact(request) as connection:
            row = (await connection.execute(statement)).one()
            audit.note(request, "login_options", found.id, {"name": wanted.name}, answer=_shown(row))
    except IntegrityError as error:
        raise Conflict(f"a login option named [{wanted.name}] already exists") from error
    return value(_shown(row))


async def _delete(request: Request) -> Response:
    found = await _existing(request)
    raise Forbidden(f"login option [{found.id}] is built in and stays")


async def _existing(request: Request) -> Row[Any]:
    id_ = request.path_params["id"]
    async with control(request).store.reading() as connection:
        row = (await connection.execute(select(login_option).where(login_option.c.id == id_))).one_or_none()
    if row is None:
        raise NotFound(f"login option [{id_}] not found")
    return row


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "type": row.type,
        "enabled": row.enabled,
        "config": row.config,
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }
