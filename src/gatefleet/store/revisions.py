"""The log of a group's revisions: who changed what, when and why; and forgetting what is too old to be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, and_, delete, func, literal, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import NotFound
from gatefleet.store.tables import gateway_group, resource_history, revision_log

KEEP_DAYS: Final = 90
KEEP_COUNT: Final = 1000
G: Final = gateway_group.c
H: Final = resource_history.c
L: Final = revision_log.c


@dataclass(frozen=True, slots=True)
class Touch:
    """What a revision did to one document; `name` is the document's own, where it has one."""

    kind: str
    id: str
    parent: str | None
    name: str | None
    operation: Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision. `touched` is None for the oldest that is kept: what was before it is forgotten."""

    number: int
    at: datetime
    operator: str
    request_id: str
    action: str
    note: str
    touched: Sequence[Touch] | None


async def span(connection: AsyncConnection, group_id: str) -> tuple[int, int]:
    """The oldest revision that can be read again, and the newest; NotFound if there is no such group."""
    row = (await connection.execute(select(G.history_from, G.revision).where(G.id == group_id))).one_or_none()
    if row is None:
        raise NotFound(f"gateway group [{group_id}] not found")
    return row.history_from, row.revision


async def revisions(
    connection: AsyncConnection, group_id: str, page: int = 1, page_size: int | None = None
) -> tuple[Sequence[Revision], int]:
    """A page of the kept revisions, newest first, and how many there are in all."""
    oldest, newest = await span(connection, group_id)
    mine = and_(L.group_id == group_id, L.revision >= oldest)
    rows = select(revision_log).where(mine).order_by(L.revision.desc())
    if page_size is not None:
        rows = rows.limit(page_size).offset((page - 1) * page_size)
    found = (await connection.execute(rows)).all()
    return await _with_touches(connection, group_id, found, oldest), newest - max(oldest, 1) + 1 if newest else 0


async def revision(connection: AsyncConnection, group_id: str, number: int) -> Revision:
    """One revision; NotFound if it is not kept."""
    oldest, newest = await span(connection, group_id)
    if not max(oldest, 1) <= number <= newest:
        raise NotFound(f"revision [{number}] of gateway group [{group_id}] is not kept; there are {oldest} to {newest}")
    row = await connection.execute(select(revision_log).where(L.group_id == group_id, L.revision == number))
    return (await _with_touches(connection, group_id, row.all(), oldest))[0]


async def forget(
    connection: AsyncConnection, group_id: str, now: datetime, keep_days: int = KEEP_DAYS, keep_count: int = KEEP_COUNT
) -> int:
    """Drop history that no kept revision needs; answers the oldest revision that is kept from now on.

    Kept are the last `keep_count` revisions, and all that were in force within the last `keep_days` days, which
    includes the one that was in force when those days began.
    """
    oldest, newest = await span(connection, group_id)
    before = and_(L.group_id == group_id, L.at < now - timedelta(days=keep_days))
    last = (await connection.execute(select(func.max(L.revision)).where(before))).scalar_one_or_none()
    first = min(newest - keep_count + 1, last or 0)
    if first <= oldest:
        return oldest
    await connection.execute(update(gateway_group).where(G.id == group_id).values(history_from=first))
    await connection.execute(delete(revision_log).where(L.group_id == group_id, L.revision < first))
    later = resource_history.alias()
    same = [later.c[name] == H[name] for name in ("group_id", "kind", "key")]
    replaced = select(literal(1)).where(*same, later.c.revision > H.revision, later.c.revision <= first).exists()
    stale = and_(H.group_id == group_id, H.revision <= first, or_(H.body.is_(None), replaced))
    await connection.execute(delete(resource_history).where(stale))
    return first


async def _with_touches(
    connection: AsyncConnection, group_id: str, rows: Sequence[Row[Any]], oldest: int
) -> Sequence[Revision]:
    numbers = [row.revision for row in rows if row.revision > oldest]
    touches: dict[int, list[Touch]] = {number: [] for number in numbers}
    if numbers:
        mine = and_(H.group_id == group_id, H.revision.in_(numbers))
        for row in await connection.execute(_touches(mine)):
            there = row.there
            operation = "update" if row.before and there else "create" if there else "delete"
            touches[row.revision].append(Touch(row.kind, row.id, row.parent, row.name, operation))
    return [
        Revision(row.revision, row.at, row.operator, row.request_id, row.action, row.note, touches.get(row.revision))
        for row in rows
    ]


def _touches(mine: ColumnElement[bool]) -> Any:
    """Every form of a document that is meant, with whether it was there before and what it is called."""
    earlier = resource_history.alias()
    same = [earlier.c[name] == H[name] for name in ("group_id", "kind", "key")]
    before = (
        select(earlier.c.body)
        .where(*same, earlier.c.revision < H.revision)
        .order_by(earlier.c.revision.desc())
        .limit(1)
        .lateral("before")
    )
    name = func.coalesce(H.body["name"].astext, before.c.body["name"].astext)
    there, was = H.body.is_not(None), before.c.body.is_not(None)
    columns = (H.revision, H.kind, H.id, H.parent, name.label("name"), there.label("there"), was.label("before"))
    joined = select(*columns).select_from(resource_history.outerjoin(before, true()))
    return joined.where(mine, or_(there, was)).order_by(H.revision.desc(), H.kind, H.key)
