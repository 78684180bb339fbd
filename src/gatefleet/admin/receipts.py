"""Receipts of a gateway group's revisions: which instances serve them, by what proof, after how long."""

import asyncio
import time
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gatefleet.admin import openapi
from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.query import number
from gatefleet.admin.waits import Waits
from gatefleet.admin.web import control, listing, unix, value
from gatefleet.errors import Invalid
from gatefleet.store import receipts
from gatefleet.store.heartbeats import CHANNEL
from gatefleet.store.receipts import Expected, Line, Receipt
from gatefleet.waiting import happens

PAGE_SIZE: Final = 20
MAX_PAGE_SIZE: Final = 100
LONGEST: Final = 60
"""Seconds that a request may wait."""
LOOK_SECONDS: Final = 1.0
"""How often is looked in case a notice was lost, and whether the client is still there."""
PAUSE: Final = 0.01
_COUNT: Final[openapi.Schema] = {"type": "integer", "minimum": 0}
_TIMES: Final[openapi.Schema] = {
    "type": ["object", "null"],
    "required": ["p50_ms", "p99_ms"],
    "properties": {"p50_ms": {"type": "number"}, "p99_ms": {"type": "number"}},
}
_SUMMARY: Final[dict[str, openapi.Schema]] = {
    "revision": _COUNT,
    "at": openapi.TIME,
    "converged": {"type": "boolean"},
    "total": _COUNT,
    "live": _COUNT,
    "pending": _COUNT,
    "rejected": _COUNT,
    "time_to_live": _TIMES,
    "problems": {"type": "object", "additionalProperties": openapi.TEXT},
    "text": openapi.TEXT,
}
_LINE: Final[dict[str, openapi.Schema]] = {
    "id": openapi.TEXT,
    "hostname": openapi.TEXT,
    "state": {"enum": ["live", "pending", "rejected"]},
    "reason": openapi.TEXT,
    "time_to_live_ms": {"type": ["number", "null"]},
    "proof": openapi.OBJECT,
}


def router() -> APIRouter:
    """The endpoints, with what waits at them."""
    api = APIRouter(tags=["receipts"])
    waits = Waits(CHANNEL, "receipts")

    async def one(request: Request) -> Response:
        """What has become of a revision on each instance; with `wait`, once all of them told or time is over."""
        return await _one(request, waits)

    lines = {"instances": {"type": "array", "items": _object(_LINE)}}
    wait = openapi.parameter("wait", {"type": "integer", "minimum": 0, "maximum": LONGEST}, "Seconds to wait at most")
    pages = (
        openapi.parameter("page", {"type": "integer", "minimum": 1}),
        openapi.parameter("page_size", {"type": "integer", "minimum": 1, "default": PAGE_SIZE}),
    )
    path = "/api/gateway_groups/{gateway_group_id}"
    answers = openapi.one(_object({**_SUMMARY, **lines, "expected": _TIMES}))
    add(api, "GET", f"{path}/revisions/{{revision}}/receipt", one, group("GetReceipt"), answers=answers, query=(wait,))
    listed = openapi.many(_object(_SUMMARY), paged=False)
    add(api, "GET", f"{path}/receipts", _list, group("ListReceipts"), answers=listed, query=pages)
    return api


async def _one(request: Request, waits: Waits) -> Response:
    group_id, revision = group_of(request), number("revision", request.path_params["revision"], 1 << 62)
    seconds = _seconds(request.query_params.get("wait") or "0")
    found, expected = await _read(request, group_id, revision)
    if seconds and not found.converged:
        async with waits.on(control(request).settings.dsn.get_secret_value(), group_id) as woken:
            await _wait(request, group_id, revision, woken, time.monotonic() + seconds)
        found, expected = await _read(request, group_id, revision)
    instances = [_line(each) for each in found.instances]
    return value({**_summary(found), "expected": _times(expected), "instances": instances})


async def _wait(request: Request, group_id: str, revision: int, woken: asyncio.Event, until: float) -> None:
    """Until every instance has told what became of the revision, time is over, or the client has gone."""
    while not await request.is_disconnected():
        woken.clear()
        async with control(request).store.reading() as connection:
            if not await receipts.pending(connection, group_id, revision):
                return
        if (left := until - time.monotonic()) <= 0:
            return
        if await happens(woken, min(left, LOOK_SECONDS)):
            await asyncio.sleep(PAUSE)


async def _read(request: Request, group_id: str, revision: int) -> tuple[Receipt, Expected | None]:
    async with control(request).store.reading() as connection:
        found = await receipts.receipt_of(connection, group_id, revision)
        return found, await receipts.expected(connection, group_id)


async def _list(request: Request) -> Response:
    """Receipts of the newest revisions that are kept, without the single instances."""
    params = request.query_params
    page = number("page", params.get("page") or "1")
    size = min(number("page_size", params.get("page_size") or str(PAGE_SIZE)), MAX_PAGE_SIZE)
    async with control(request).store.reading() as connection:
        found, total = await receipts.newest(connection, group_of(request), size, (page - 1) * size)
    return listing([_summary(each) for each in found], total)


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > LONGEST:
        raise Invalid(f"wait must be a whole number of seconds from 0 to {LONGEST}")
    return int(text)


def _summary(found: Receipt) -> dict[str, Any]:
    return {
        "revision": found.revision,
        "at": unix(found.at),
        "converged": found.converged,
        "total": len(found.instances),
        **{state: found.count(state) for state in ("live", "pending", "rejected")},
        "time_to_live": _times(found.time_to_live),
        "problems": found.problems,
        "text": found.text,
    }


def _line(each: Line) -> dict[str, Any]:
    return {
        "id": each.id,
        "hostname": each.hostname,
        "state": each.state,
        "reason": each.reason,
        "time_to_live_ms": each.time_to_live_ms,
        "proof": each.proof,
    }


def _times(found: Expected | None) -> dict[str, float] | None:
    return {"p50_ms": found.p50_ms, "p99_ms": found.p99_ms} if found else None


def _object(properties: dict[str, openapi.Schema]) -> openapi.Schema:
    return {"type": "object", "required": list(properties), "properties": properties}
