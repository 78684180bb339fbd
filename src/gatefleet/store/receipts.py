"""Receipts: which instances have proven a revision of their group, which refuse it, and how long it took.

Nodes skip revisions while there are many: who has proven one has proven all before it. So an instance's receipt of a
revision is its first one of that revision or of a later one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import Row, delete, exists, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import NotFound
from gatefleet.store import fleet
from gatefleet.store.fleet import LOST_AFTER, OFFLINE_AFTER, Instance
from gatefleet.store.fleet_tables import group_status, instance
from gatefleet.store.release_tables import receipt
from gatefleet.store.tables import revision_log

KEPT: Final = timedelta(days=7)
"""How long receipts are kept; the newest of each instance stays."""
RECENT: Final = 500
"""Receipts from which the expected time is taken."""
QUIET: Final = timedelta(seconds=10)
"""A node that was not heard for this long is said to be silent: two heartbeats are missing."""
R: Final = receipt.c
L: Final = revision_log.c

State = Literal["live", "pending", "rejected"]
_Made = Row[Any, Any, Any, datetime]
"""A revision of the log: its number, its moment, what it changed, and now."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How long changes take, in milliseconds from the change's transaction to a node's proof."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Line:
    """One instance's part of a receipt."""

    id: str
    hostname: str
    state: State
    reason: str
    time_to_live_ms: float | None
    """None while pending, and for instances that joined after the change."""
    proof: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What has become of one revision. Instances that are offline do not count."""

    revision: int
    at: datetime
    problems: Mapping[str, str]
    """Documents that could not be compiled, "kind/key" to the reason; they keep their last good form."""
    instances: Sequence[Line]

    def count(self, state: State) -> int:
        return sum(line.state == state for line in self.instances)

    @property
    def converged(self) -> bool:
        """Every instance has said what became of it."""
        return self.count("pending") == 0

    @property
    def time_to_live(self) -> Expected | None:
        return _percentiles([line.time_to_live_ms for line in self.instances if line.time_to_live_ms is not None])

    @property
    def text(self) -> str:
        return f"{self.count('live')} of {len(self.instances)} instances live"


async def receipt_of(connection: AsyncConnection, group_id: str, revision: int) -> Receipt:
    """The receipt of a revision as of now; NotFound if the group has no such revision."""
    query = select(L.revision, L.at, L.upserts, func.now().label("now")).where(
        L.group_id == group_id, L.revision == revision
    )
    made = (await connection.execute(query)).all()
    if not made:
        raise NotFound(f"revision [{revision}] of gateway group [{group_id}] not found")
    return (await _receipts(connection, group_id, made))[0]


async def pending(connection: AsyncConnection, group_id: str, revision: int) -> int:
    """How many instances have not said yet what became of a revision."""
    here = (instance.c.group_id == group_id) & instance.c.left_at.is_(None)
    heard = instance.c.last_heartbeat_at > func.now() - OFFLINE_AFTER
    reached = select(func.max(R.revision)).where(R.group_id == group_id, R.instance_id == instance.c.id)
    behind = func.coalesce(reached.scalar_subquery(), 0) < revision
    query = select(func.count()).select_from(instance).where(here, heard, behind)
    return (await connection.execute(query)).scalar_one()


async def newest(connection: AsyncConnection, group_id: str, count: int, offset: int = 0) -> tuple[list[Receipt], int]:
    """Receipts of the group's newest revisions, newest first, and how many revisions there are in all."""
    mine = L.group_id == group_id
    total = (await connection.execute(select(func.count()).select_from(revision_log).where(mine))).scalar_one()
    query = (
        select(L.revision, L.at, L.upserts, func.now().label("now"))
        .where(mine)
        .order_by(L.revision.desc())
        .limit(count)
        .offset(offset)
    )
    made = (await connection.execute(query)).all()
    return await _receipts(connection, group_id, made), total


async def expected(connection: AsyncConnection, group_id: str) -> Expected | None:
    """How long the group's last changes took to be live; None when there were none.

    What took longer than `LOST_AFTER` tells of a node that was away, not of the change.
    """
    took = (R.at - L.at).label("took")
    query = (
        select(took)
        .join(revision_log, (L.group_id == R.group_id) & (L.revision == R.revision))
        .where(R.group_id == group_id, R.state == "live", took < LOST_AFTER)
        .order_by(R.revision.desc())
        .limit(RECENT)
    )
    return _percentiles([_milliseconds(took) for took in (await connection.execute(query)).scalars()])


async def forget(connection: AsyncConnection, *, kept: timedelta = KEPT) -> int:
    """Remove receipts older than `kept` but the newest of each instance, and all of instances that are gone."""
    other = receipt.alias()
    newer = exists().where(
        other.c.group_id == R.group_id, other.c.instance_id == R.instance_id, other.c.revision > R.revision
    )
    known = exists().where(instance.c.group_id == R.group_id, instance.c.id == R.instance_id)
    gone = await connection.execute(delete(receipt).where((R.at < func.now() - kept) & newer | ~known))
    return gone.rowcount


async def _receipts(connection: AsyncConnection, group_id: str, made: Sequence[_Made]) -> list[Receipt]:
    """Receipts of revisions, given as rows of the log."""
    instances = [i for i in await fleet.list_instances(connection, group_id) if i.status != "Offline"]
    proven = await _proven(connection, group_id, [row.revision for row in made])
    columns = select(group_status.c.revision, group_status.c.problems).where(group_status.c.group_id == group_id)
    status = (await connection.execute(columns)).one_or_none()
    return [
        Receipt(
            row.revision,
            row.at,
            _left_out(row, status),
            [_line(each, row, proven.get((row.revision, each.id))) for each in instances],
        )
        for row in made
    ]


async def _proven(
    connection: AsyncConnection, group_id: str, revisions: Sequence[int]
) -> Mapping[tuple[int, str], Row[Any]]:
    """(revision, instance) to the first receipt of that revision or a later one."""
    wanted = select(L.revision).where(L.group_id == group_id, L.revision.in_(revisions)).subquery("wanted")
    mine = (R.group_id == group_id) & (R.instance_id == instance.c.id) & (R.revision >= wanted.c.revision)
    first = select(R.state, R.reason, R.proof, R.at).where(mine).order_by(R.revision).limit(1).lateral("first")
    query = (
        select(wanted.c.revision.label("wanted"), instance.c.id, first)
        .select_from(wanted)
        .join(instance, instance.c.group_id == group_id)
        .join(first, true())
    )
    return {(row.wanted, row.id): row for row in await connection.execute(query)}


def _line(each: Instance, made: _Made, proven: Row[Any] | None) -> Line:
    if proven is None:
        return Line(each.id, each.hostname, "pending", _waits(each), None, {})
    measured = each.created_at <= made.at and made.at > made.now - KEPT
    took = max(0.0, _milliseconds(proven.at - made.at)) if measured else None
    return Line(each.id, each.hostname, cast("State", proven.state), proven.reason, took, proven.proof)


def _waits(each: Instance) -> str:
    """Why an instance has not proven a revision yet."""
    seconds = int(each.silent.total_seconds())
    if each.status == "LostConnection":
        return f"lost connection: not heard for {seconds} seconds"
    if each.silent > QUIET:
        return f"it was last heard {seconds} seconds ago"
    if each.proven_revision is None:
        return f"it runs version {each.version}, which does not report what is live; upgrade it"
    return each.pending or f"it has proven revision {each.proven_revision} so far"


def _left_out(made: _Made, status: Row[Any, Any] | None) -> Mapping[str, str]:
    """What is left out at a revision: all that is now, or of an older one what it changed and is not mended since."""
    if status is None:
        return {}
    problems = cast("Mapping[str, str]", status.problems)
    if made.revision >= status.revision:
        return problems
    changed = {f"{kind}/{key}" for kind, key in made.upserts}
    return {name: reason for name, reason in problems.items() if name in changed}


def _percentiles(times: Sequence[float]) -> Expected | None:
    """By nearest rank."""
    if not times:
        return None
    ranked = sorted(times)
    p50, p99 = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.5, 0.99))
    return Expected(p50, p99)


def _milliseconds(took: timedelta) -> float:
    return round(took.total_seconds() * 1000, 1)
