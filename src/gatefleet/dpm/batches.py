"""What many nodes say at the same moment, on its way to the database: one transaction takes all that waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Unreachable
from gatefleet.store import Store

log = structlog.stdlib.get_logger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much waits, and how long."""

    gap: float
    """Seconds between two transactions, at least; the first after a pause goes at once."""
    most: int
    """How many may wait; nodes say again what finds no room."""
    patience: float
    """Seconds that a transaction may take, and that a node waits."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[_T]):
    said: _T
    answers: list["asyncio.Future[bool]"] = field(default_factory=list["asyncio.Future[bool]"])

    def answer(self, *, recorded: bool) -> None:
        for answer in self.answers:
            if not answer.done():  # its node may have gone
                answer.set_result(recorded)


class Batches(Generic[_T]):
    """Takes what nodes say, and answers each once it is on record; loses nothing that it has answered for."""

    def __init__(
        self, store: Store, record: Callable[[AsyncConnection, Sequence[_T]], Awaitable[None]], bounds: Bounds
    ) -> None:
        self._store = store
        self._record = record
        self._bounds: Final = bounds
        self._waiting: dict[Hashable, _Waiting[_T]] = {}
        self._some = asyncio.Event()
        self._ended = False

    async def take(self, key: Hashable, said: _T) -> bool:
        """Whether it is on record now; False when PostgreSQL is away or too much waits for it.

        What comes again under its key while the first one waits is recorded once, and both are answered.
        """
        if self._ended or len(self._waiting) >= self._bounds.most:
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, _Waiting(said)).answers.append(answer)
        self._some.set()
        try:
            async with asyncio.timeout(self._bounds.patience):
                return await answer
        except TimeoutError:
            return False

    async def run(self) -> None:
        """Write what has come, again and again, until cancelled."""
        batch: Sequence[_Waiting[_T]] = ()
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                began = time.monotonic()
                batch, self._waiting = list(self._waiting.values()), {}
                await self._write(batch)
                await asyncio.sleep(max(0.0, began + self._bounds.gap - time.monotonic()))
        finally:
            self._ended = True
            for waiting in (*batch, *self._waiting.values()):
                waiting.answer(recorded=False)

    async def _write(self, batch: Sequence[_Waiting[_T]]) -> None:
        recorded = False
        try:
            async with asyncio.timeout(self._bounds.patience), self._store.transaction() as connection:
                await self._record(connection, [waiting.said for waiting in batch])
            recorded = True
        except (Unreachable, TimeoutError):
            pass  # what nodes serve does not depend on it, and they will say it again
        except Exception:
            if len(batch) > 1:  # one that cannot be recorded must not keep the others from it
                middle = len(batch) // 2
                await self._write(batch[:middle])
                await self._write(batch[middle:])
                return
            log.exception("what a node says cannot be recorded", said=type(batch[0].said).__name__)
        for waiting in batch:
            waiting.answer(recorded=recorded)
