"""Where the audit log is forwarded to, how far each of these has it, and what comes next for it.

Rows are forwarded when they are sealed, in the order of their segments: ids are given before a transaction ends, so by
id alone a row that was long in the making would be passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.store.access_tables import audit_sealed, audit_sink
from gatefleet.store.crypto import Cipher
from gatefleet.store.sealing import seal, unseal
from gatefleet.store.tables import audit_log

K: Final = audit_sink.c
Position = tuple[int, int]
"""The number of a segment, and the id of a row in it."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One place, with its configuration in clear and the last row it has."""

    id: str
    name: str
    type: str
    enabled: bool
    config: Mapping[str, Any]
    position: Position
    failing_since: datetime | None
    last_error: str
    created_at: datetime
    updated_at: datetime


async def every(connection: AsyncConnection, cipher: Cipher) -> Sequence[Sink]:
    """All of them, by name."""
    return [_sink(cipher, row) for row in await connection.execute(select(audit_sink).order_by(K.name))]


async def find(connection: AsyncConnection, cipher: Cipher, sink_id: str) -> Sink | None:
    row = (await connection.execute(select(audit_sink).where(K.id == sink_id))).one_or_none()
    return _sink(cipher, row) if row else None


async def add(connection: AsyncConnection, cipher: Cipher, sink_id: str, values: Mapping[str, Any]) -> None:
    """A new one, which is told what is sealed from now on."""
    last = select(audit_sealed.c.segment, audit_sealed.c.audit_id).order_by(
        audit_sealed.c.segment.desc(), audit_sealed.c.audit_id.desc()
    )
    newest = (await connection.execute(last.limit(1))).one_or_none()
    begun = {"segment": newest.segment, "audit_id": newest.audit_id} if newest else {}
    await connection.execute(insert(audit_sink).values(id=sink_id, **_sealed(cipher, sink_id, values), **begun))


async def change(connection: AsyncConnection, cipher: Cipher, sink_id: str, values: Mapping[str, Any]) -> None:
    """Another configuration; it goes on where it was."""
    fresh = {"updated_at": func.clock_timestamp(), "failing_since": None, "last_error": ""}
    await connection.execute(update(audit_sink).where(K.id == sink_id).values(_sealed(cipher, sink_id, values) | fresh))


async def remove(connection: AsyncConnection, sink_id: str) -> None:
    await connection.execute(delete(audit_sink).where(K.id == sink_id))


async def next_rows(connection: AsyncConnection, after: Position, most: int) -> Sequence[Row[Any]]:
    """The rows after a position, in order, each with its segment."""
    here = tuple_(audit_sealed.c.segment, audit_sealed.c.audit_id)
    statement = (
        select(audit_log, audit_sealed.c.segment)
        .join(audit_sealed, audit_sealed.c.audit_id == audit_log.c.id)
        .where(here > tuple_(*after))
        .order_by(audit_sealed.c.segment, audit_sealed.c.audit_id)
        .limit(most)
    )
    return (await connection.execute(statement)).all()


async def advance(connection: AsyncConnection, sink_id: str, to: Position) -> None:
    """Remember that it has everything up to here."""
    values = {"segment": to[0], "audit_id": to[1], "failing_since": None, "last_error": ""}
    behind = tuple_(K.segment, K.audit_id) < tuple_(*to)
    await connection.execute(update(audit_sink).where(K.id == sink_id, behind).values(values))


async def fail(connection: AsyncConnection, sink_id: str, reason: str) -> None:
    """Remember that it could not be told, and since when."""
    since = func.coalesce(K.failing_since, func.clock_timestamp())
    await connection.execute(
        update(audit_sink).where(K.id == sink_id).values(failing_since=since, last_error=reason[:500])
    )


def _sealed(cipher: Cipher, sink_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    headers: Mapping[str, str] = values["config"].get("headers") or {}
    config, sealed = seal(cipher, _place(sink_id), values["config"], [("headers", name) for name in headers])
    return {**values, "config": config, "sealed": sealed}


def _sink(cipher: Cipher, row: Row[Any]) -> Sink:
    return Sink(
        id=row.id,
        name=row.name,
        type=row.type,
        enabled=row.enabled,
        config=unseal(cipher, _place(row.id), row.config, row.sealed),
        position=(row.segment, row.audit_id),
        failing_since=row.failing_since,
        last_error=row.last_error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _place(sink_id: str) -> str:
    return f"audit_sink/{sink_id}"
