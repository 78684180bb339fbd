"""Heartbeats on their way to the database: many nodes report at the same moment, and one statement takes them all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.dpm.batches import Batches, Bounds
from gatefleet.fleet import Heartbeat
from gatefleet.pki import Identity
from gatefleet.store import Store, drills, heartbeats
from gatefleet.store.heartbeats import Said

BOUNDS: Final = Bounds(gap=0.1, most=20_000, patience=4.0)
"""A node gives up a little later, and takes us for dead then."""


@dataclass(frozen=True, slots=True)
class _Report:
    identity: Identity
    beat: Heartbeat
    arrived: float


class Reports:
    """Takes heartbeats and answers each once it is on record; loses none that it has answered for."""

    def __init__(self, store: Store) -> None:
        self._batches = Batches(store, _record, BOUNDS)

    async def take(self, identity: Identity, beat: Heartbeat) -> bool:
        """Whether a heartbeat is on record now; False when PostgreSQL is away or too much waits for it."""
        return await self._batches.take(object(), _Report(identity, beat, time.monotonic()))

    async def run(self) -> None:
        """Write what has come, again and again, until cancelled."""
        await self._batches.run()


async def _record(connection: AsyncConnection, reports: Sequence[_Report]) -> None:
    now = time.monotonic()
    said = [Said(each.identity, each.beat, now - each.arrived) for each in reports]
    await heartbeats.record(connection, said)
    for each in reports:
        if each.beat.drilled:
            await drills.record(connection, each.identity, each.beat.drilled)
