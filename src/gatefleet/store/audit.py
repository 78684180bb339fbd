"""The audit log read, sealed so that no row can be changed, removed or slipped in unseen, verified, and forgotten.

Rows are written by the requests they tell of, and no writer waits for another: whoever leads closes segments of what is
committed, each with a hash over its rows and the hash before it. A hash kept elsewhere proves all that was before it.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.store.access_tables import audit_seal, audit_sealed
from gatefleet.store.tables import audit_log

A: Final = audit_log.c
SEALED: Final = (
    "id", "at", "request_id", "event_type", "operator_id", "operator", "source", "gateway_group_id", "resource_kind",
    "resource_id", "ip_address", "method", "path", "status", "error_message", "request", "token_name", "user_agent",
    "response",
)  # fmt: skip
"""The columns that a seal is about, in the order it reads them; an older seal is about the first of them only."""
MOST: Final = 5000
"""Rows of one segment."""
LATEST: Final = timedelta(hours=1)
"""Transactions end long before, so a row that began earlier than this before a seal is in it or never was."""
KEEP_DAYS: Final = 60
_LOCK: Final = 7_462_015
"""The advisory lock of whoever seals or forgets; the number is only ours."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; everything that is given must be met. Times include `since` and not `until`."""

    event_type: str | None = None
    operator_id: str | None = None
    group_id: str | None = None
    resource_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def condition(self) -> ColumnElement[bool]:
        pairs = (
            (A.event_type, self.event_type),
            (A.operator_id, self.operator_id),
            (A.gateway_group_id, self.group_id),
            (A.resource_id, self.resource_id),
        )
        found: ColumnElement[bool] = true()
        for column, value in pairs:
            found = found if value is None else found & (column == value)
        found = found if self.since is None else found & (A.at >= self.since)
        return found if self.until is None else found & (A.at < self.until)


@dataclass(slots=True)
class Report:
    """What verifying came to. `head`: the last segment's number and hash, to be kept elsewhere."""

    segments: int = 0
    rows: int = 0
    unsealed: int = 0
    head: tuple[int, str] = (0, "")
    problems: list[str] = field(default_factory=list[str])


async def page(
    connection: AsyncConnection, wanted: Wanted, number: int, size: int | None, *, descending: bool = True
) -> tuple[Sequence[Row[Any]], int]:
    """A page of rows by time, and how many there are in all."""
    condition = wanted.condition()
    statement = _ordered(select(audit_log).where(condition), descending=descending)
    if size is not None:
        statement = statement.limit(size).offset((number - 1) * size)
    counted = await connection.execute(select(func.count()).select_from(audit_log).where(condition))
    return (await connection.execute(statement)).all(), counted.scalar_one()


async def stream(connection: AsyncConnection, wanted: Wanted) -> AsyncIterator[Row[Any]]:
    """Every row that is wanted, oldest first, read as it is needed. Needs a transaction."""
    statement = _ordered(select(audit_log).where(wanted.condition()), descending=False)
    async for row in await connection.stream(statement, execution_options={"yield_per": 1000}):
        yield row


async def event_types(connection: AsyncConnection) -> Sequence[str]:
    """Every kind of event there is a row of."""
    return (await connection.execute(select(A.event_type).distinct().order_by(A.event_type))).scalars().all()


def entry(row: Row[Any]) -> dict[str, Any]:
    """A row as the API and those it is forwarded to see it."""
    optional = {
        "token_name": row.token_name,
        "gateway_group_id": row.gateway_group_id,
        "resource_kind": row.resource_kind,
        "resource_id": row.resource_id,
        "ip_address": row.ip_address,
        "error_message": row.error_message,
    }
    request = {"method": row.method, "uri": row.path, "user_agent": row.user_agent, "body": row.request}
    answered = {"error_msg": row.error_message} if row.error_message is not None else row.response
    said = {"body": answered} if answered is not None else {}
    return {
        "id": str(row.id),
        "event_time": int(row.at.timestamp()),
        "event_type": row.event_type,
        "operator": {"id": row.operator_id or "", "username": row.operator},
        "source": row.source,
        **{name: part for name, part in optional.items() if part is not None},
        "request_id": row.request_id,
        "http_request": {name: part for name, part in request.items() if part is not None},
        "http_response": {"status_code": row.status, **said},
    }


async def seal(connection: AsyncConnection) -> int:
    """Close the next segment of what is committed and not sealed yet; how many rows it has, 0 for none."""
    await connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
    before = await _last(connection)
    open_rows = _unsealed(before.sealed_at if before else None).order_by(A.id).limit(MOST)
    rows = (await connection.execute(open_rows)).all()
    if not rows:
        return 0
    number = before.segment + 1 if before else 1
    await connection.execute(insert(audit_sealed), [{"audit_id": row.id, "segment": number} for row in rows])
    hashed = _hash(before.hash if before else b"", rows, SEALED)
    closed = {"segment": number, "rows": len(rows), "hash": hashed, "columns": len(SEALED)}
    await connection.execute(insert(audit_seal).values(closed))
    return len(rows)


async def verify(connection: AsyncConnection, pinned: Mapping[int, str] | None = None) -> Report:
    """Compute every seal again, and compare those of `pinned` (segment to hash, hexadecimal) with what is there."""
    report, before = Report(), b""
    missing = dict(pinned or {})
    seals = (await connection.execute(select(audit_seal).order_by(audit_seal.c.segment))).all()
    for found in seals:
        if found.segment != report.head[0] + 1:
            report.problems.append(f"segments {report.head[0] + 1} to {found.segment - 1} are missing")
        if (known := missing.pop(found.segment, None)) not in {None, found.hash.hex()}:
            report.problems.append(f"segment {found.segment} has another hash than the one kept elsewhere ({known})")
        if found.forgotten_at is None:
            await _check(connection, found, before, report)
        before = found.hash
        report.segments, report.head = report.segments + 1, (found.segment, found.hash.hex())
    report.problems.extend(f"segment {number} is gone; its hash was kept elsewhere" for number in sorted(missing))
    await _check_open(connection, seals[-1].sealed_at if seals else None, report)
    return report


async def forget(connection: AsyncConnection, now: datetime, keep_days: int = KEEP_DAYS) -> int:
    """Drop whole segments that are older than this and keep their seals; how many rows are gone."""
    await connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
    await connection.execute(text("set local gatefleet.retention = 'on'"))
    old = (audit_seal.c.sealed_at < now - timedelta(days=keep_days)) & audit_seal.c.forgotten_at.is_(None)
    closed = update(audit_seal).where(old).values(forgotten_at=func.now()).returning(audit_seal.c.segment)
    segments = (await connection.execute(closed)).scalars().all()
    doomed = delete(audit_sealed).where(audit_sealed.c.segment.in_(segments)).returning(audit_sealed.c.audit_id)
    ids = (await connection.execute(doomed)).scalars().all()
    await connection.execute(delete(audit_log).where(A.id.in_(ids)))
    return len(ids)


def _ordered(statement: Select[Any], *, descending: bool) -> Select[Any]:
    return statement.order_by(A.at.desc(), A.id.desc()) if descending else statement.order_by(A.at, A.id)


def _unsealed(last: datetime | None) -> Select[Any]:
    sealed = select(audit_sealed.c.audit_id).where(audit_sealed.c.audit_id == A.id).exists()
    statement = select(*(A[name] for name in SEALED)).where(~sealed)
    return statement if last is None else statement.where(A.at > last - LATEST)


async def _last(connection: AsyncConnection) -> Row[Any] | None:
    return (await connection.execute(select(audit_seal).order_by(audit_seal.c.segment.desc()).limit(1))).one_or_none()


async def _check(connection: AsyncConnection, found: Row[Any], before: bytes, report: Report) -> None:
    mine = select(audit_sealed.c.audit_id).where(audit_sealed.c.segment == found.segment)
    statement = select(*(A[name] for name in SEALED)).where(A.id.in_(mine)).order_by(A.id)
    rows = (await connection.execute(statement)).all()
    report.rows += len(rows)
    if len(rows) != found.rows:
        report.problems.append(f"segment {found.segment} has {len(rows)} rows and was sealed with {found.rows}")
    elif _hash(before, rows, SEALED[: found.columns]) != found.hash:
        report.problems.append(f"segment {found.segment}: a row, or the seal before it, is not what was sealed")


async def _check_open(connection: AsyncConnection, last: datetime | None, report: Report) -> None:
    """Rows wait for a seal a second or two; older ones were slipped in, or taken out of their segment."""
    fresh = (await connection.execute(select(func.count()).select_from(_unsealed(last).subquery()))).scalar_one()
    every = (await connection.execute(select(func.count()).select_from(_unsealed(None).subquery()))).scalar_one()
    report.unsealed = fresh
    if every > fresh:
        report.problems.append(f"{every - fresh} rows belong to no segment although they are old")


def _hash(before: bytes, rows: Iterable[Row[Any]], columns: Sequence[str]) -> bytes:
    whole = hashlib.sha256(b"gatefleet-audit-1:" + before)
    for row in rows:
        whole.update(msgspec.json.encode([getattr(row, name) for name in columns], order="sorted") + b"\n")
    return whole.digest()
