"""Reading the audit log: filters, kinds of events, exports."""

import csv
import io
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gatefleet.admin import audit as record
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, TIME, exactly, many, parameter
from gatefleet.admin.query import read_query
from gatefleet.admin.web import control, listing
from gatefleet.errors import Invalid
from gatefleet.store import audit

PATH: Final = "/api/audit_logs"
FILTERS: Final = tuple(
    parameter(name, {"type": "integer"} if name.endswith("_at") else TEXT)
    for name in ("event_type", "operator_id", "gateway_group_id", "resource_id", "start_at", "end_at")
)
ENTRY: Final = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "event_time": TIME,
        "operator": OBJECT,
        "source": {"enum": ["dashboard", "api", "system"]},
        "event_type": TEXT,
        "resource_id": TEXT,
        "http_request": OBJECT,
        "http_response": OBJECT,
    },
}
COLUMNS: Final = (
    "id", "event_time", "event_type", "operator_id", "operator", "source", "token_name", "gateway_group_id",
    "resource_kind", "resource_id", "ip_address", "user_agent", "method", "uri", "status_code", "error_message", "body",
    "response",
)  # fmt: skip
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection)."""
LAST: Final = 253_402_300_799
"""The last second of the year 9999."""


def router() -> APIRouter:
    api = APIRouter(tags=["audit"])
    kinds = {"type": "object", "properties": {"key": TEXT, "name": TEXT}}
    form = parameter("format", {"enum": ["json", "csv"]})
    add(api, "GET", PATH, _list, system("ListAuditLogs"), answers=many(ENTRY), query=FILTERS)
    add(api, "GET", f"{PATH}/event_types", _event_types, system("ListAuditLogs"), answers=many(kinds, paged=False))
    answers = exactly({"type": "array", "items": ENTRY})
    add(api, "GET", f"{PATH}/export", _export, system("ExportAuditLogs"), answers=answers, query=(*FILTERS, form))
    return api


async def _list(request: Request) -> Response:
    query = read_query(request)
    async with control(request).store.reading() as connection:
        rows, total = await audit.page(
            connection, _wanted(request), query.page, query.page_size, descending=query.descending
        )
    return listing([audit.entry(row) for row in rows], total)


async def _event_types(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        return listing([{"key": kind, "name": kind} for kind in await audit.event_types(connection)])


async def _export(request: Request) -> Response:
    """Everything that is wanted, oldest first, as it is read: as a JSON array, or as CSV."""
    form = request.query_params.get("format") or "json"
    if form not in {"json", "csv"}:
        raise Invalid("format must be json or csv")
    async with record.transact(request):
        record.note(request, "audit_logs", "*", {"format": form, "query": str(request.query_params)})
    write = partial(_as_csv if form == "csv" else _as_json, request, _wanted(request))
    headers = {"Content-Disposition": f'attachment; filename="audit-logs.{form}"'}
    media = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    return StreamingResponse(write(), media_type=media, headers=headers)


async def _as_json(request: Request, wanted: audit.Wanted) -> AsyncGenerator[bytes]:
    before = b"["
    async with control(request).store.transaction() as connection:
        async for row in audit.stream(connection, wanted):
            yield before + msgspec.json.encode(audit.entry(row))
            before = b",\n"
    yield b"]" if before != b"[" else b"[]"


async def _as_csv(request: Request, wanted: audit.Wanted) -> AsyncGenerator[bytes]:
    yield _line(COLUMNS)
    async with control(request).store.transaction() as connection:
        async for row in audit.stream(connection, wanted):
            body, said = (
                "" if part is None else msgspec.json.encode(part).decode() for part in (row.request, row.response)
            )
            yield _line(
                (
                    row.id, row.at.isoformat(), row.event_type, row.operator_id, row.operator, row.source,
                    row.token_name, row.gateway_group_id, row.resource_kind, row.resource_id, row.ip_address,
                    row.user_agent, row.method, row.path, row.status, row.error_message, body, said,
                )
            )  # fmt: skip


def _line(cells: tuple[Any, ...]) -> bytes:
    out = io.StringIO()
    texts = ("" if cell is None else str(cell) for cell in cells)
    csv.writer(out).writerow([f"'{text}" if text.startswith(FORMULA) else text for text in texts])
    return out.getvalue().encode()


def _wanted(request: Request) -> audit.Wanted:
    params = request.query_params
    return audit.Wanted(
        event_type=params.get("event_type") or None,
        operator_id=params.get("operator_id") or None,
        group_id=params.get("gateway_group_id") or None,
        resource_id=params.get("resource_id") or None,
        since=_moment(request, "start_at"),
        until=_moment(request, "end_at"),
    )


def _moment(request: Request, name: str) -> datetime | None:
    said = request.query_params.get(name)
    if not said:
        return None
    if not said.isascii() or not said.isdigit() or int(said[:18]) > LAST:
        raise Invalid(f"{name} must be Unix seconds")
    return datetime.fromtimestamp(int(said), UTC)
