"""Heartbeats on their way to the database: many nodes report at the same moment, and one statement takes them all."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from gatefleet.errors import Unreachable
from gatefleet.fleet import Heartbeat
from gatefleet.pki import Identity
from gatefleet.store import Store, drills, heartbeats
from gatefleet.store.heartbeats import Said

log = structlog.stdlib.get_logger(__name__)

GAP: Final = 0.1
"""Seconds between two statements, at least; the first after a pause goes at once."""
MOST: Final = 20_000
"""Heartbeats that wait; more are not recorded, and their nodes say it again with the next."""
PATIENCE: Final = 4.0
"""Seconds that a statement may take, and that a node waits: it gives up a little later, and takes us for dead then."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    identity: Identity
    beat: Heartbeat
    arrived: float
    recorded: asyncio.Future[bool]

    def answer(self, *, recorded: bool) -> None:
        if not self.recorded.done():  # its node may have gone
            self.recorded.set_result(recorded)


class Reports:
    """Takes heartbeats and answers each once it is on record; loses none that it has answered for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._some = asyncio.Event()
        self._ended = False

    async def take(self, identity: Identity, beat: Heartbeat) -> bool:
        """Whether a heartbeat is on record now; False when PostgreSQL is away or too much waits for it."""
        if self._ended or len(self._waiting) >= MOST:
            return False
        waiting = _Waiting(identity, beat, time.monotonic(), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._some.set()
        try:
            async with asyncio.timeout(PATIENCE):
                return await waiting.recorded
        except TimeoutError:
            return False

    async def run(self) -> None:
        """Write what has come, again and again, until cancelled."""
        batch: Sequence[_Waiting] = ()
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                began = time.monotonic()
                batch, self._waiting = self._waiting, []
                await self._write(batch)
                await asyncio.sleep(max(0.0, began + GAP - time.monotonic()))
        finally:
            self._ended = True
            for waiting in (*batch, *self._waiting):
                waiting.answer(recorded=False)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        now = time.monotonic()
        said = [Said(each.identity, each.beat, now - each.arrived) for each in batch]
        recorded = False
        try:
            async with asyncio.timeout(PATIENCE), self._store.transaction() as connection:
                await heartbeats.record(connection, said)
                for each in batch:
                    if each.beat.drilled:
                        await drills.record(connection, each.identity, each.beat.drilled)
            recorded = True
        except (Unreachable, TimeoutError):
            pass  # what nodes serve does not depend on it, and they will say it again
        except Exception:
            if len(batch) > 1:  # one that cannot be recorded must not keep the others from it
                middle = len(batch) // 2
                await self._write(batch[:middle])
                await self._write(batch[middle:])
                return
            log.exception("a heartbeat cannot be recorded", group=batch[0].identity.group)
        for each in batch:
            each.answer(recorded=recorded)
