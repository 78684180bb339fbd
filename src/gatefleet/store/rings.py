"""Rings in the database: what they would change, who serves it already, what was counted, and how they ended.

Every function works within the caller's transaction. A ring is started and ended by whoever holds the group's row,
as a change of the group, so every replica and every node learns of it by a revision.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Column, Row, Text, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict, NotFound
from gatefleet.fleet import Tally
from gatefleet.resources.ring_rules import Rule, Sample, Traffic
from gatefleet.resources.rings import Overlay
from gatefleet.store.crypto import Cipher
from gatefleet.store.release_tables import ring, ring_sample
from gatefleet.store.tables import gateway_group

G: Final = gateway_group.c
R: Final = ring.c
S: Final = ring_sample.c
KEPT: Final = timedelta(days=7)
"""How long what was counted is kept after a ring's end."""
BEFORE: Final = timedelta(seconds=30)
"""How far before a window its first differences may begin; nodes report far more often."""
FINE: Final = timedelta(hours=1)
"""For how long every sample is kept while it runs; of older ones, the last of each minute."""

State = Literal["running", "promoted", "rolled_back"]


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring as it is on record, all but what it would change. Services: id, name, version, service_version_id."""

    id: str
    group_id: str
    state: State
    revision: int
    services: Sequence[Mapping[str, Any]]
    share: Mapping[str, Any]
    members: frozenset[str]
    rule: Rule | None
    note: str
    started_by: str
    started_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """A ring to be started."""

    id: str
    services: Sequence[Mapping[str, Any]]
    share: Mapping[str, Any]
    members: Sequence[str]
    rule: Rule | None
    overlay: Overlay
    note: str


async def ringed(connection: AsyncConnection, ring_id: str) -> Mapping[str, str]:
    """The services of a ring, each to the ring's id."""
    services = await connection.execute(select(R.services).where(R.id == ring_id))
    return {str(service["id"]): ring_id for service in services.scalar_one()}


async def start(
    connection: AsyncConnection, cipher: Cipher, group_id: str, revision: int, wanted: Start, operator: str
) -> Ring:
    """Record a ring of a group whose row the caller has locked; Conflict while another one runs there."""
    held = await connection.execute(select(G.ring_id).where(G.id == group_id))
    if running := held.scalar_one():
        raise Conflict(f"ring [{running}] runs in gateway group [{group_id}]: promote it or roll it back first")
    row = {
        "id": wanted.id,
        "group_id": group_id,
        "state": "running",
        "revision": revision,
        "services": list(wanted.services),
        "share": wanted.share,
        "members": list(wanted.members),
        "rule": msgspec.to_builtins(wanted.rule) if wanted.rule else None,
        "sealed_overlay": cipher.seal(wanted.overlay.to_json(), _place(wanted.id)),
        "note": wanted.note,
        "started_by": operator,
    }
    made = (await connection.execute(insert(ring).values(row).returning(ring))).one()
    await connection.execute(update(gateway_group).where(G.id == group_id).values(ring_id=wanted.id))
    return _ring(made)


async def end(connection: AsyncConnection, ended: Ring, state: State, operator: str, reason: str) -> Ring:
    """Record how a ring of a group whose row the caller has locked ended; Conflict if it is over already."""
    values = {"state": state, "ended_by": operator, "ended_at": func.clock_timestamp(), "reason": reason}
    statement = update(ring).where(R.id == ended.id, R.state == "running").values(values).returning(ring)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise Conflict(f"ring [{ended.id}] is over already")
    await connection.execute(update(gateway_group).where(G.id == ended.group_id).values(ring_id=None))
    return _ring(row)


async def find(connection: AsyncConnection, ring_id: str, group_id: str | None = None) -> Ring:
    """A ring, of this group if one is named; NotFound if there is none."""
    condition = R.id == ring_id if group_id is None else (R.id == ring_id) & (R.group_id == group_id)
    row = (await connection.execute(select(ring).where(condition))).one_or_none()
    if row is None:
        raise NotFound(f"ring [{ring_id}] not found" + (f" in gateway group [{group_id}]" if group_id else ""))
    return _ring(row)


async def of_group(
    connection: AsyncConnection, group_id: str, page: int = 1, page_size: int | None = None
) -> tuple[Sequence[Ring], int]:
    """A page of a group's rings, latest first, and how many there are."""
    statement = select(ring).where(R.group_id == group_id).order_by(R.started_at.desc(), R.id)
    if page_size is not None:
        statement = statement.limit(page_size).offset((page - 1) * page_size)
    counted = await connection.execute(select(func.count()).select_from(ring).where(R.group_id == group_id))
    return [_ring(row) for row in await connection.execute(statement)], counted.scalar_one()


async def running(connection: AsyncConnection) -> Sequence[Ring]:
    """The rings that run now, of all groups."""
    return [_ring(row) for row in await connection.execute(select(ring).where(R.state == "running").order_by(R.id))]


async def overlay(connection: AsyncConnection, cipher: Cipher, ring_id: str) -> Overlay:
    """What a ring would change, secrets in clear."""
    found = await connection.execute(select(R.sealed_overlay).where(R.id == ring_id))
    return Overlay.from_json(cipher.open(found.scalar_one(), _place(ring_id)))


async def clock(connection: AsyncConnection) -> datetime:
    """The database's time, which samples are dated by."""
    return (await connection.execute(select(func.clock_timestamp()))).scalar_one()


# What was counted


def sample_row(group_id: str, instance: str, tally: Tally) -> Mapping[str, Any]:
    """What an instance of a group said it has counted, for `note_samples`."""
    services = {name: msgspec.to_builtins(counted) for name, counted in tally.services.items()}
    counters = {"run": tally.run, "services": services}
    return {"ring_id": tally.ring, "group_id": group_id, "instance_id": instance, "counters": counters}


async def note_samples(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record what instances have counted by now; nothing of rings that are over, or of another group."""
    if rows:
        await connection.execute(_NOTE, {"rows": list(rows)})


def _noting() -> Any:
    columns = (
        Column("ring_id", Text),
        Column("group_id", Text),
        Column("instance_id", Text),
        Column("counters", JSONB),
    )
    said = func.jsonb_to_recordset(bindparam("rows", type_=JSONB)).table_valued(*columns, name="said")
    said = said.render_derived(with_types=True)
    mine = (R.id == said.c.ring_id) & (R.group_id == said.c.group_id) & (R.state == "running")
    wanted = select(R.id, said.c.instance_id, func.clock_timestamp(), said.c.counters).join(ring, mine)
    return (
        upsert(ring_sample).from_select(["ring_id", "instance_id", "at", "counters"], wanted).on_conflict_do_nothing()
    )


_NOTE: Final = _noting()


async def samples(
    connection: AsyncConnection, ring_id: str, since: datetime, instances: Iterable[str] | None = None
) -> Sequence[Sample]:
    """What was counted since a moment and shortly before, of all instances or of these."""
    condition = (S.ring_id == ring_id) & (S.at >= since - BEFORE)
    if instances is not None:
        condition &= S.instance_id.in_(list(instances))
    rows = await connection.execute(select(ring_sample).where(condition).order_by(S.at))
    return [_sample(row) for row in rows]


async def coarse_samples(connection: AsyncConnection, ring_id: str, seconds: int) -> Sequence[Sample]:
    """All that was counted for a ring: of each instance, its first sample and the last of every so many seconds."""
    step = func.floor(func.extract("epoch", S.at) / seconds)
    first = func.min(S.at).over(partition_by=S.instance_id)
    last = func.max(S.at).over(partition_by=(S.instance_id, step))
    marked = select(ring_sample, first.label("first"), last.label("last")).where(S.ring_id == ring_id).subquery()
    statement = select(marked).where(marked.c.at.in_((marked.c.first, marked.c.last))).order_by(marked.c.at)
    return [_sample(row) for row in await connection.execute(statement)]


async def thin(connection: AsyncConnection) -> int:
    """Forget samples of rings long over, and of running ones all but the last of each past minute; how many."""
    over = select(R.id).where(R.ended_at < func.now() - KEPT)
    forgotten = await connection.execute(delete(ring_sample).where(S.ring_id.in_(over)).returning(S.ring_id))
    later = ring_sample.alias()
    same_minute = (
        select(later.c.at)
        .where(
            later.c.ring_id == S.ring_id,
            later.c.instance_id == S.instance_id,
            later.c.at > S.at,
            func.date_trunc("minute", later.c.at) == func.date_trunc("minute", S.at),
        )
        .exists()
    )
    running = select(R.id).where(R.state == "running")
    fine = delete(ring_sample).where(S.ring_id.in_(running), S.at < func.now() - FINE, same_minute)
    fine = fine.returning(S.ring_id)
    return len(forgotten.all()) + len((await connection.execute(fine)).all())


def _traffic(said: Mapping[str, Any]) -> Traffic:
    latency = {math.inf if bound is None else float(bound): count for bound, count in said.get("latency", ())}
    return Traffic(said.get("requests", 0), said.get("errors", 0), latency)


def _sample(row: Row[Any]) -> Sample:
    services = {name: _traffic(said) for name, said in row.counters["services"].items()}
    return Sample(row.instance_id, row.at.timestamp(), row.counters["run"], services)


def _ring(row: Row[Any]) -> Ring:
    return Ring(
        id=row.id,
        group_id=row.group_id,
        state=row.state,
        revision=row.revision,
        services=row.services,
        share=row.share,
        members=frozenset(row.members),
        rule=msgspec.convert(row.rule, Rule) if row.rule else None,
        note=row.note,
        started_by=row.started_by,
        started_at=row.started_at,
        ended_by=row.ended_by,
        ended_at=row.ended_at,
        reason=row.reason,
    )


def _place(ring_id: str) -> str:
    return f"ring/{ring_id}"
