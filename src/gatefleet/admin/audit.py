"""The audit log: one row per change, in the change's own transaction; refused requests in one of their own."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec
import structlog
from fastapi import Request
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.access import Caller, asked_group, caller_of, group_of
from gatefleet.admin.web import control
from gatefleet.errors import GatefleetError
from gatefleet.store import Author, Documents
from gatefleet.store.store import changing
from gatefleet.store.tables import audit_log

log = structlog.get_logger(__name__)
LONGEST = 64 << 10
"""Bytes of a request's body that a row holds."""
LONGEST_ANSWER = 16 << 10
"""Bytes of an answer that a row holds: most of it was in the request or is in the history."""
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Event:
    """What a request was about. Neither `request` nor `answer` may hold a secret: mask it before."""

    kind: str | None = None
    id: str | None = None
    group_id: str | None = None
    request: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None


def note(
    request: Request,
    kind: str,
    id: str,  # noqa: A002 - the contract's word
    body: Mapping[str, Any] | None = None,
    *,
    answer: Mapping[str, Any] | None = None,
) -> None:
    """Say what the running change is about and what it answers; the row is written when it is complete.

    Both `body` and `answer` (the answer's `value`) are masked: what is shown only once has stars in its place.
    """
    request.state.event = replace(_event(request), kind=kind, id=id, request=body, answer=answer)


@asynccontextmanager
async def change_group(request: Request, group_id: str | None = None) -> AsyncGenerator[Documents]:
    """A change of the gateway group the request is about, with its audit row."""
    target = group_id or group_of(request)
    async with transact(request, target) as connection, in_group(request, connection, target) as documents:
        yield documents


@asynccontextmanager
async def in_group(request: Request, connection: AsyncConnection, group_id: str) -> AsyncGenerator[Documents]:
    """A change of one gateway group within the request's transaction, which may change others too."""
    author = Author(caller_of(request).name, request.state.request_id)
    async with changing(connection, control(request).store.cipher, group_id, author) as documents:
        yield documents
    _changed(request).append(documents)


@asynccontextmanager
async def transact(request: Request, group_id: str | None = None) -> AsyncGenerator[AsyncConnection]:
    """A change of what belongs to no group's configuration, with its audit row.

    Once it is committed, the answer tells the revision of the one group it changed, in X-Gateway-Group-Revision.
    """
    async with control(request).store.transaction() as connection:
        yield connection
        event = replace(_event(request), group_id=group_id or asked_group(request))
        await connection.execute(insert(audit_log).values(_row(request, event, 200, None)))
    if len(changed := _changed(request)) == 1:
        request.state.group_revision = changed[0].revision if changed[0].touched else changed[0].revision - 1


async def refused(request: Request, status: int, message: str) -> None:
    """Record a change that was not made, a read that was not allowed and a password that was wrong.

    A database that does not answer is only logged.
    """
    forbidden = status == 403 and hasattr(request.state, "caller")
    guessed = status == 401 and "authorization" in request.headers
    if not (request.method in CHANGING or forbidden or guessed):
        return
    told = replace(_event(request), request=None, answer=None)
    event = replace(told, group_id=request.query_params.get("gateway_group_id"))
    try:
        async with control(request).store.transaction() as connection:
            await connection.execute(insert(audit_log).values(_row(request, event, status, message)))
    except GatefleetError as error:
        log.warning("a refused request could not be recorded", error=str(error))


def _changed(request: Request) -> list[Documents]:
    """The gateway groups this request has changed so far."""
    if not hasattr(request.state, "changed"):
        request.state.changed = []
    return cast("list[Documents]", request.state.changed)


def _event(request: Request) -> Event:
    return getattr(request.state, "event", Event())


def _bounded(body: Mapping[str, Any] | None, most: int) -> Mapping[str, Any] | None:
    """The body, or of a very long one its beginning: whole configurations are in the history anyway."""
    text = msgspec.json.encode(body)
    if len(text) <= most:
        return cast("Mapping[str, Any] | None", msgspec.json.decode(text))
    return {"bytes": len(text), "beginning": text[:most].decode(errors="ignore")}


async def reveal(request: Request, kind: str, id: str, body: Mapping[str, Any], group_id: str | None = None) -> None:  # noqa: A002
    """Write down that something is told, before it is; `body` says what, and holds no secret."""
    async with transact(request, group_id):
        note(request, kind, id, body)


def _row(request: Request, event: Event, status: int, message: str | None) -> dict[str, Any]:
    caller: Caller | None = getattr(request.state, "caller", None)
    return {
        "request_id": request.state.request_id,
        "event_type": getattr(request.state, "action", "Unknown"),
        "operator_id": caller.user_id or caller.group_id if caller else None,
        "operator": caller.name if caller else "",
        "source": caller.source if caller else "api",
        "gateway_group_id": event.group_id,
        "resource_kind": event.kind,
        "resource_id": event.id,
        "ip_address": request.client.host if request.client else None,
        "method": request.method,
        "path": request.url.path,
        "status": status,
        "error_message": message,
        "request": _bounded(event.request, LONGEST),
        "response": _bounded(event.answer, LONGEST_ANSWER),
        "token_name": caller.token_name if caller else None,
        "user_agent": request.headers.get("user-agent", "")[:500] or None,
    }
