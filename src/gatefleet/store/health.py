"""What instances say of the nodes of upstreams: each instance's newest report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Column, DateTime, ForeignKey, Integer, PrimaryKeyConstraint, Table, Text, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.fleet import HealthReport, Unwell
from gatefleet.pki import Identity
from gatefleet.store import fleet
from gatefleet.store.tables import gateway_group, metadata

upstream_health: Final = Table(
    "upstream_health",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("upstreams", Integer, nullable=False),
    Column("unwell", JSONB, nullable=False),
    Column("more", Integer, nullable=False),
    PrimaryKeyConstraint("group_id", "instance_id"),
)
"""`upstreams`: how many have checks. `unwell`: nodes that are not healthy, as `fleet.Unwell`; `more`: how many more."""
HEARD: Final = frozenset({"Healthy", "OutOfSync"})
"""Instances whose word counts: those that are connected."""


@dataclass(frozen=True, slots=True)
class Said:
    """An instance's newest report."""

    instance_id: str
    hostname: str
    at: datetime
    upstreams: int
    unwell: tuple[Unwell, ...]
    more: int


async def record(connection: AsyncConnection, who: Identity, report: HealthReport) -> None:
    """Take a report in place of the instance's last one; nothing if its group is gone."""
    values = {
        "group_id": who.group,
        "instance_id": who.instance,
        "upstreams": report.upstreams,
        "unwell": msgspec.to_builtins(report.unwell),
        "more": report.more,
    }
    known = await connection.execute(select(gateway_group.c.id).where(gateway_group.c.id == who.group))
    if known.one_or_none():
        fresh: Mapping[str, Any] = {**values, "at": func.now()}
        key = ("group_id", "instance_id")
        statement = upsert(upstream_health).values(values)
        await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=fresh))


async def read(connection: AsyncConnection, group_id: str) -> Sequence[Said]:
    """What the connected instances of a group say, by instance. NotFound if there is no such group."""
    heard = {
        node.id: node.hostname for node in await fleet.list_instances(connection, group_id) if node.status in HEARD
    }
    columns = upstream_health.c
    rows = await connection.execute(
        select(upstream_health)
        .where(columns.group_id == group_id, columns.instance_id.in_(heard))
        .order_by(columns.instance_id)
    )
    return [
        Said(
            row.instance_id,
            heard[row.instance_id],
            row.at,
            row.upstreams,
            msgspec.convert(row.unwell, tuple[Unwell, ...]),
            row.more,
        )
        for row in rows
    ]
