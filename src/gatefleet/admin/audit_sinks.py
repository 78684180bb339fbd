"""Where the audit log is forwarded to: syslog servers and webhooks, told by the DP Manager that leads."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, outside
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, TIME, many, one
from gatefleet.admin.web import answer, control, listing, read_shape, unix, value
from gatefleet.errors import Conflict, Invalid, NotFound
from gatefleet.resources.diff import MASK
from gatefleet.store import audit_sinks
from gatefleet.store.audit_sinks import Sink

PATH: Final = "/api/audit_sinks"
SINK: Final = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "type": {"enum": ["syslog", "webhook"]},
        "enabled": {"type": "boolean"},
        "config": OBJECT,
        "failing_since": TIME,
        "last_error": TEXT,
        "created_at": TIME,
        "updated_at": TIME,
    },
}


class Syslog(msgspec.Struct, forbid_unknown_fields=True):
    """A syslog server; facility 13 is `log audit`, 16 `local0`. `ca`: PEM, instead of what the system trusts."""

    host: str
    port: int = 6514
    protocol: Literal["tcp", "tls", "udp"] = "tls"
    ca: str = ""
    facility: int = 13
    app_name: str = "gatefleet"


class Webhook(msgspec.Struct, forbid_unknown_fields=True):
    """An address that takes POST of `{"list": [...]}`.

    Headers are secrets: `***` stands for the one that is stored for the same address, and is sent to no other.
    """

    url: str
    headers: dict[str, str] = {}
    ca: str = ""


class Wanted(msgspec.Struct):
    name: str
    type: Literal["syslog", "webhook"]
    config: dict[str, Any]
    enabled: bool = True


def router() -> APIRouter:
    api = APIRouter(tags=["audit"])
    own = f"{PATH}/{{id}}"
    add(api, "GET", PATH, _list, system("ListAuditSinks"), answers=many(SINK, paged=False))
    add(api, "POST", PATH, _create, system("CreateAuditSink"), body=Wanted, answers=one(SINK))
    add(api, "GET", own, _get, system("GetAuditSink"), answers=one(SINK))
    add(api, "PUT", own, _put, system("UpdateAuditSink"), body=Wanted, answers=one(SINK))
    add(api, "DELETE", own, _delete, system("DeleteAuditSink"), answers=one())
    return api


async def _list(request: Request) -> Response:
    """Each with what went wrong last, while it does."""
    async with control(request).store.reading() as connection:
        found = await audit_sinks.every(connection, control(request).store.cipher)
    return listing([_shown(sink) for sink in found])


async def _get(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        return value(_shown(await _existing(request, connection)))


async def _create(request: Request) -> Response:
    """It is told everything from now on, in order and at least once."""
    values, id_, cipher = await _read(request, {}), str(uuid4()), control(request).store.cipher
    async with audit.transact(request) as connection, _name_free(values["name"]):
        await audit_sinks.add(connection, cipher, id_, values)
        made = await audit_sinks.find(connection, cipher, id_)
        told = _shown(made) if made else {}
        audit.note(request, "audit_sinks", id_, _masked(values), answer=told)
    return value(told) if made else answer({})


async def _put(request: Request) -> Response:
    cipher = control(request).store.cipher
    async with audit.transact(request) as connection:
        found = await _existing(request, connection)
        values = await _read(request, found.config)
        async with _name_free(values["name"]):
            await audit_sinks.change(connection, cipher, found.id, values)
        told = _shown(await _existing(request, connection))
        audit.note(request, "audit_sinks", found.id, _masked(values), answer=told)
        return value(told)


async def _delete(request: Request) -> Response:
    async with audit.transact(request) as connection:
        found = await _existing(request, connection)
        await audit_sinks.remove(connection, found.id)
        audit.note(request, "audit_sinks", found.id, {"name": found.name})
    return value({})


async def _read(request: Request, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Columns and values; Invalid, naming the field, for what cannot be, or must not be connected to."""
    wanted = await read_shape(request, Wanted)
    if not 1 <= len(wanted.name) <= 100:
        raise Invalid('Error at "/name": the string length must be from 1 to 100')
    try:
        config = msgspec.convert(wanted.config, Syslog if wanted.type == "syslog" else Webhook)
    except msgspec.ValidationError as error:
        raise Invalid(f'Error at "/config": {error}') from error
    if isinstance(config, Webhook):
        kept: Mapping[str, str] = stored["headers"] if stored.get("url") == config.url else {}
        config.headers = outside.headers("/config", config.headers, kept)
        await outside.reachable(request, "/config/url", *outside.target("/config/url", config.url))
    else:
        if not 0 <= config.facility <= 23:
            raise Invalid('Error at "/config/facility": must be from 0 to 23')
        if not config.app_name.isascii() or not config.app_name.isalnum() or len(config.app_name) > 48:
            raise Invalid('Error at "/config/app_name": 1 to 48 letters and digits')
        await outside.reachable(request, "/config/host", config.host, config.port)
    return {
        "name": wanted.name,
        "type": wanted.type,
        "enabled": wanted.enabled,
        "config": msgspec.to_builtins(config),
    }


async def _existing(request: Request, connection: AsyncConnection) -> Sink:
    id_ = request.path_params["id"]
    found = await audit_sinks.find(connection, control(request).store.cipher, id_)
    if found is None:
        raise NotFound(f"audit sink [{id_}] not found")
    return found


def _masked(values: Mapping[str, Any]) -> dict[str, Any]:
    headers: Mapping[str, str] = values["config"].get("headers") or {}
    hidden = {"headers": dict.fromkeys(headers, MASK)} if headers else {}
    return {**values, "config": {**values["config"], **hidden}}


def _shown(sink: Sink) -> dict[str, Any]:
    failing = {"failing_since": unix(sink.failing_since), "last_error": sink.last_error} if sink.failing_since else {}
    values = _masked({"name": sink.name, "type": sink.type, "enabled": sink.enabled, "config": sink.config})
    times = {"created_at": unix(sink.created_at), "updated_at": unix(sink.updated_at)}
    return {"id": sink.id, **values, **failing, **times}


@asynccontextmanager
async def _name_free(name: str) -> AsyncGenerator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"an audit sink named [{name}] already exists") from error
