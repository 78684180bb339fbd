"""Version, status, core schemas, licence and settings of the installation."""

import asyncio
from functools import cache
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import API7_COMPATIBLE_VERSION, VERSION
from gatefleet.admin import audit, kind_schemas, openapi
from gatefleet.admin.access import Access, Reach
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, exactly, one
from gatefleet.admin.web import answer, control, read_object, read_shape, value
from gatefleet.errors import Invalid, Unreachable
from gatefleet.resources.schema import core_schemas
from gatefleet.store.tables import system_setting

ADDRESSES: Final = "dp_manager_address"
ANSWER_SECONDS: Final = 5.0
"""How long PostgreSQL may take to count as ready."""


def router() -> APIRouter:
    api = APIRouter(tags=["system"])
    version = exactly({"type": "object", "required": ["value"], "properties": {"value": TEXT}})
    up = exactly({"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}})
    add(api, "GET", "/api/version", _version, Access("GetVersion", Reach.PUBLIC), answers=version)
    add(api, "GET", "/api/status", _status, Access("GetStatus", Reach.PUBLIC), answers=up)
    add(api, "GET", "/healthz", _alive, Access("GetStatus", Reach.PUBLIC), answers=up)
    add(api, "GET", "/readyz", _ready, Access("GetStatus", Reach.PUBLIC), answers=up)
    add(api, "GET", "/api/schema/core", _schema, Access("GetCoreSchema", Reach.ANY), answers=one())
    add(api, "GET", "/api/openapi.json", _openapi, Access("GetOpenApi", Reach.ANY), answers=exactly(OBJECT))
    add(api, "GET", "/api/license", _license, system("GetLicense"), answers=one())
    add(api, "PUT", "/api/license", _license, system("UpdateLicense"), body=OBJECT, answers=one())
    add(api, "GET", "/api/system_settings", _settings, system("GetSystemSettings"), answers=one())
    add(
        api,
        "PUT",
        "/api/system_settings",
        _put_settings,
        system("UpdateSystemSettings"),
        body=Settings,
        answers=one(),
    )
    return api


async def dp_manager_addresses(connection: AsyncConnection) -> list[str]:
    """Where nodes reach the DP Managers, as an administrator has set it; none if he has not."""
    statement = select(system_setting.c.value).where(system_setting.c.name == ADDRESSES)
    return (await connection.execute(statement)).scalar_one_or_none() or []


async def _version(_: Request) -> Response:
    """A version API7's clients know features by; ours stands beside it."""
    return answer({"value": API7_COMPATIBLE_VERSION, "gatefleet_version": VERSION})


async def _alive(_: Request) -> Response:
    """200 while the process works: restarting it would not bring PostgreSQL back."""
    return answer({"status": "ok"})


async def _status(request: Request) -> Response:
    """200 while PostgreSQL answers, and soon."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), control(request).store.reading() as connection:
            await connection.execute(select(1))
    except TimeoutError as error:
        raise Unreachable("PostgreSQL does not answer in time") from error
    return answer({"status": "ok"})


async def _ready(request: Request) -> Response:
    """200 while PostgreSQL answers and the process is not about to stop."""
    if control(request).told.is_set():
        raise Unreachable("this replica is being stopped")
    return await _status(request)


async def _schema(_: Request) -> Response:
    return value(_core())


@cache
def _core() -> dict[str, Any]:
    return core_schemas()


async def _openapi(request: Request) -> Response:
    """What you are reading."""
    return answer(openapi.document(request.app.routes, kind_schemas.components()))


async def _license(request: Request) -> Response:
    """Clients upload one; none is needed."""
    if request.method == "PUT":
        await read_object(request)
    return value({})


class Settings(msgspec.Struct, omit_defaults=True):
    """What an administrator sets for the whole installation."""

    dp_manager_address: list[str] | None = None
    control_plane_address: list[str] | None = None


async def _settings(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        return value({ADDRESSES: await dp_manager_addresses(connection)})


async def _put_settings(request: Request) -> Response:
    wanted = await read_shape(request, Settings)
    addresses = wanted.dp_manager_address or wanted.control_plane_address or []
    for address in addresses:
        if not address.startswith("https://"):
            raise Invalid(f'Error at "/{ADDRESSES}": [{address}] must begin with https://')
    async with audit.transact(request) as connection:
        statement = upsert(system_setting).values(name=ADDRESSES, value=addresses)
        await connection.execute(
            statement.on_conflict_do_update(index_elements=[system_setting.c.name], set_={"value": addresses})
        )
        audit.note(request, "system_settings", ADDRESSES, {ADDRESSES: addresses}, answer={ADDRESSES: addresses})
    return value({ADDRESSES: addresses})
