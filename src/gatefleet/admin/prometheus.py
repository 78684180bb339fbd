"""A user's own Prometheus: where it is, and a few of its queries through us.

Paths and envelope are API7's: `/api/control_plane/prometheus/api/v1/query` answers `{"value": <Prometheus' answer>}`.
Queries, their parameters and answers: Prometheus documentation, "HTTP API".
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, openapi, outside
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, one
from gatefleet.admin.web import control, read_shape, value
from gatefleet.errors import Invalid, NotFound, Unreachable
from gatefleet.outbound import Outbound, Transport
from gatefleet.resources.diff import MASK
from gatefleet.store.crypto import Cipher
from gatefleet.store.sealing import seal, unseal
from gatefleet.store.telemetry_tables import prometheus

ID: Final = "prometheus"
SETTINGS: Final = "/api/system_settings/prometheus"
PROXY: Final = "/api/control_plane/prometheus/api/v1"
QUERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "query": ("query", "time", "timeout"),
    "query_range": ("query", "start", "end", "step", "timeout"),
    "series": ("match[]", "start", "end"),
    "labels": ("match[]", "start", "end"),
    "format_query": ("query",),
}
"""What can be asked, and the parameters that are handed on."""
SECONDS: Final = 30.0
LARGEST: Final = 32 << 20
"""Bytes of an answer."""


class Prometheus(msgspec.Struct, forbid_unknown_fields=True):
    """Its address, with the path it is served under; headers are secrets.

    `***` stands for the header that is stored for the same address: it must not be sent to another one by somebody who
    does not know it. `ca`: PEM, instead of what the system trusts.
    """

    url: str
    headers: dict[str, str] = {}
    ca: str = ""


class Said(msgspec.Struct):
    """What tells an answer of Prometheus from any other JSON."""

    status: Literal["success", "error"]
    error: str = ""


SHOWN: Final = {
    "type": "object",
    "properties": {"url": TEXT, "headers": {"type": "object", "additionalProperties": TEXT}, "ca": TEXT},
}


def router() -> APIRouter:
    api = APIRouter(tags=["prometheus"])
    add(api, "GET", SETTINGS, _get, system("GetPrometheus"), answers=one(SHOWN))
    add(api, "PUT", SETTINGS, _put, system("UpdatePrometheus"), body=Prometheus, answers=one(SHOWN))
    add(api, "DELETE", SETTINGS, _delete, system("UpdatePrometheus"), answers=one())
    for name, parameters in QUERIES.items():
        taken = [openapi.parameter(parameter) for parameter in parameters]
        add(api, "GET", f"{PROXY}/{name}", _query, system("QueryPrometheus"), answers=one(OBJECT), query=taken)
    return api


async def _get(request: Request) -> Response:
    """Where it is; without fields when none is set."""
    async with control(request).store.reading() as connection:
        found = await _stored(connection, control(request).store.cipher)
    return value(_masked(found) if found else {})


async def _put(request: Request) -> Response:
    wanted, cipher = await read_shape(request, Prometheus), control(request).store.cipher
    await _check(request, wanted)
    async with audit.transact(request) as connection:
        before = await _stored(connection, cipher)
        kept = before.headers if before and before.url == wanted.url else {}
        wanted.headers = outside.headers("", wanted.headers, kept)
        config, sealed = seal(cipher, ID, msgspec.to_builtins(wanted), [("headers", name) for name in wanted.headers])
        fresh = {"config": config, "sealed": sealed}
        statement = upsert(prometheus).values(id=ID, **fresh)
        await connection.execute(statement.on_conflict_do_update(index_elements=[prometheus.c.id], set_=fresh))
        audit.note(request, "system_settings", ID, _masked(wanted), answer=_masked(wanted))
    return value(_masked(wanted))


async def _check(request: Request, wanted: Prometheus) -> None:
    """Invalid, naming the field. A query or a fragment would take the place of the path that is asked for."""
    await outside.reachable(request, "/url", *outside.target("/url", wanted.url))
    parts = urlsplit(wanted.url)
    if "@" in parts.netloc:
        raise Invalid('Error at "/url": must hold no credentials; headers can, for instance Authorization')
    if "?" in wanted.url or "#" in wanted.url:
        raise Invalid('Error at "/url": must end with the path that Prometheus is served under')
    try:
        _trust(wanted)
    except (ssl.SSLError, ValueError) as error:
        raise Invalid(f'Error at "/ca": must be certificates in PEM: {error}') from error


async def _delete(request: Request) -> Response:
    async with audit.transact(request) as connection:
        await connection.execute(delete(prometheus))
        audit.note(request, "system_settings", ID, {})
    return value({})


async def _query(request: Request) -> Response:
    """Prometheus' own answer. It knows the metrics of all gateway groups, so this needs a permission of its own."""
    name = request.scope["route"].path.rpartition("/")[2]
    async with control(request).store.reading() as connection:
        found = await _stored(connection, control(request).store.cipher)
    if found is None:
        raise NotFound(f"no Prometheus is set: PUT {SETTINGS} with its url")
    given = tuple((key, text) for key, text in request.query_params.multi_items() if key in QUERIES[name])
    return value(await _asked(found, Outbound(control(request).settings.outbound_deny), name, given))


async def _asked(to: Prometheus, outbound: Outbound, name: str, parameters: tuple[tuple[str, str], ...]) -> msgspec.Raw:
    """Its answer's JSON. Invalid for what it refuses, Unreachable when it does not answer as Prometheus does."""
    url = f"{to.url.rstrip('/')}/api/v1/{name}"
    transport = Transport(outbound, _trust(to))
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(transport=transport, timeout=SECONDS) as client,
            client.stream("GET", url, params=parameters, headers=to.headers) as answer,
        ):
            body = await _body(answer)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise Unreachable(f"Prometheus does not answer: {type(error).__name__}: {error}") from error
    try:
        said = msgspec.json.decode(body, type=Said)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Unreachable(f"what answers is no Prometheus (status {answer.status_code}): {error}") from error
    if answer.is_success and said.status == "success":
        return msgspec.Raw(body)
    raise Invalid(f"Prometheus refuses the query (status {answer.status_code}): {said.error[:1000]}")


def _trust(to: Prometheus) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=to.ca or None)


async def _body(answer: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > LARGEST:
            raise Invalid(f"Prometheus' answer has more than {LARGEST >> 20} MiB; ask for less")
        parts.append(part)
    return b"".join(parts)


async def _stored(connection: AsyncConnection, cipher: Cipher) -> Prometheus | None:
    found = (await connection.execute(select(prometheus))).one_or_none()
    return msgspec.convert(unseal(cipher, ID, found.config, found.sealed), Prometheus) if found else None


def _masked(shown: Prometheus) -> dict[str, Any]:
    return {**msgspec.to_builtins(shown), "headers": dict.fromkeys(shown.headers, MASK)}
