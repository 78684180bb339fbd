"""Drills on record: what was ordered of which node, and what came of it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict, NotFound
from gatefleet.fleet import Drill, Drilled
from gatefleet.pki import Identity
from gatefleet.store import fleet
from gatefleet.store.fleet_tables import drill
from gatefleet.store.tables import gateway_group

OFFERED: Final = timedelta(seconds=60)
"""How long after it was ordered a node may still begin it."""
GRACE: Final = timedelta(seconds=120)
"""How much longer than it was to take a drill may be unheard of until it counts as lost."""
KEPT: Final = timedelta(days=365)
D: Final = drill.c

State = Literal["running", "passed", "failed", "lost"]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A drill as it stands."""

    group_id: str
    instance_id: str
    operator: str
    wanted: Drill
    created_at: datetime
    state: State
    report: Drilled | None
    """None until the node is back."""


async def order(connection: AsyncConnection, who: Identity, wanted: Drill, operator: str, *, force: bool) -> Drill:
    """Order a drill; its id is made here. NotFound if there is no such node, Conflict if it must not be now.

    `force`: even if nobody else serves the group meanwhile.
    """
    group = select(gateway_group.c.id).where(gateway_group.c.id == who.group)
    await connection.execute(group.with_for_update(key_share=True))  # two orders at once would both find it free
    await _free(connection, who, force=force)
    made = msgspec.structs.replace(wanted, id=uuid.uuid4().hex[:16])
    values = {"id": made.id, "group_id": who.group, "instance_id": who.instance, "operator": operator}
    await connection.execute(delete(drill).where(D.group_id == who.group, D.created_at < func.now() - KEPT))
    await connection.execute(insert(drill).values(**values, wanted=msgspec.to_builtins(made)))
    return made


async def _free(connection: AsyncConnection, who: Identity, *, force: bool) -> None:
    nodes = await fleet.list_instances(connection, who.group)
    mine = next((node for node in nodes if node.id == who.instance), None)
    if mine is None:
        raise NotFound(f"instance [{who.instance}] of gateway group [{who.group}] not found")
    if mine.status != "Healthy":
        raise Conflict(f"instance [{who.instance}] is {mine.status}: only a healthy one can rehearse an outage")
    if not force and not any(node.status == "Healthy" for node in nodes if node is not mine):
        raise Conflict(
            f"instance [{who.instance}] is the only healthy one of gateway group [{who.group}]: "
            "start another first, or force it"
        )
    running = [each for each in await read(connection, who.group) if each.state == "running"]
    if running:
        raise Conflict(f"drill [{running[0].wanted.id}] of instance [{running[0].instance_id}] is not over yet")


async def waiting(connection: AsyncConnection) -> Mapping[Identity, Drill]:
    """What nodes have to be told to do."""
    rows = await connection.execute(
        select(D.group_id, D.instance_id, D.wanted).where(D.report.is_(None), D.created_at > func.now() - OFFERED)
    )
    return {Identity(row.group_id, row.instance_id): msgspec.convert(row.wanted, Drill) for row in rows}


async def record(connection: AsyncConnection, who: Identity, said: Drilled) -> None:
    """Take a node's word for what came of its drill, the first time it says so."""
    mine = (D.id == said.id) & (D.group_id == who.group) & (D.instance_id == who.instance) & D.report.is_(None)
    values = {"report": msgspec.to_builtins(said), "reported_at": func.now()}
    await connection.execute(update(drill).where(mine).values(values))


async def read(connection: AsyncConnection, group_id: str, drill_id: str | None = None) -> Sequence[Ordered]:
    """The drills of a group, or the one of this id, newest first."""
    query = select(drill, func.now().label("now")).where(D.group_id == group_id).order_by(D.created_at.desc())
    if drill_id is not None:
        query = query.where(D.id == drill_id)
    return [_ordered(row) for row in await connection.execute(query)]


def _ordered(row: Row[Any]) -> Ordered:
    wanted = msgspec.convert(row.wanted, Drill)
    report = msgspec.convert(row.report, Drilled) if row.report else None
    state: State = "running"
    if report:
        state = "passed" if report.passed else "failed"
    elif row.now - row.created_at > timedelta(seconds=wanted.seconds) + GRACE:
        state = "lost"
    return Ordered(row.group_id, row.instance_id, row.operator, wanted, row.created_at, state, report)
