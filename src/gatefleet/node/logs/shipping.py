"""Takes log entries out of the ring and sends them to their sinks, in batches; nothing ever waits for it.

What finds no room, or is not taken after all retries, is lost: counted by reason, and said in the log once a minute.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from gatefleet.errors import Invalid, Unreachable
from gatefleet.native.ring import Entry, Ring
from gatefleet.node.logs.rules import judged
from gatefleet.node.logs.sinks import SINKS, Places, Sink
from gatefleet.node.metrics import Family, Line

log = structlog.get_logger()

TURN: Final = 0.1
"""Seconds between looks into the ring."""
AT_ONCE: Final = 500
"""Entries sorted without letting others work."""
BYTES_MOST: Final = 64 << 20
"""Of entries that wait for their sinks, all together."""
IDLE: Final = 300.0
"""Seconds without an entry after which a sink is let go."""
SAID: Final = 60.0
"""Seconds between two words about the same trouble."""
LAST: Final = 3.0
"""Seconds that entries have to leave at the end."""


@dataclass(slots=True)
class Queue:
    """The entries of one sink that are not sent yet."""

    sink: Sink
    name: str
    kind: str
    rules: dict[str, Any]
    entries: deque[bytes] = field(default_factory=deque[bytes])
    first: float = 0.0
    last: float = 0.0
    said: float = float("-inf")
    sending: asyncio.Task[None] | None = None

    def due(self, now: float) -> bool:
        """Whether a batch is to be sent."""
        batch = self.sink.batch
        if not self.entries or (self.sending and not self.sending.done()):
            return False
        waited = now - self.last >= batch.inactive or now - self.first >= batch.duration
        return waited or len(self.entries) >= batch.size

    def put(self, entry: bytes, now: float) -> None:
        if not self.entries:
            self.first = now
        self.last = now
        self.entries.append(entry)

    def batch(self, now: float) -> list[bytes]:
        """The next batch; it is not in the queue any more."""
        found = [self.entries.popleft() for _ in range(min(len(self.entries), self.sink.batch.size))]
        self.first = now
        return found


class Shipper:
    """All sinks of a node."""

    def __init__(self, run_dir: Path, places: Places) -> None:
        self._run_dir, self._places = run_dir, places
        self._ring: Ring | None = None
        self._queues: dict[bytes, Queue | None] = {}
        """By their configuration; None for one that cannot be used."""
        self._waiting = 0
        self._sent: Counter[tuple[str, str]] = Counter()
        self._lost: Counter[tuple[str, str, str]] = Counter()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._turn(time.monotonic())
            await asyncio.sleep(TURN)

    async def stop(self) -> None:
        """Send what there is, for three seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                await self._sort_all(time.monotonic())
                while busy := [q for q in self._queues.values() if q and (q.entries or _busy(q))]:
                    for queue in busy:
                        if not _busy(queue):
                            self._send(queue, time.monotonic())
                    await asyncio.wait([q.sending for q in busy if q.sending], return_when=asyncio.FIRST_COMPLETED)
        for queue in list(self._queues.values()):
            await self._let_go(queue)
        if self._ring:
            self._ring.close()

    def families(self) -> Iterator[Family]:
        """What metrics say about it."""
        sent: list[Line] = [("", {"logger": n, "kind": k}, count) for (n, k), count in sorted(self._sent.items())]
        lost: list[Line] = [
            ("", {"logger": n, "kind": k, "reason": r}, count) for (n, k, r), count in sorted(self._lost.items())
        ]
        if self._ring:
            lost.append(("", {"logger": "", "kind": "", "reason": "no room in the ring"}, self._ring.lost))
        yield Family("gatefleet_log_entries", "counter", "Log entries that their servers and files took", sent)
        yield Family("gatefleet_log_entries_lost", "counter", "Log entries that were lost, and why", lost)
        pending: list[Line] = [("", {}, sum(len(q.entries) for q in self._queues.values() if q))]
        yield Family("gatefleet_log_entries_waiting", "gauge", "Log entries that are not sent yet", pending)

    async def _turn(self, now: float) -> None:
        await self._sort_all(now)
        for key, queue in list(self._queues.items()):
            if queue and queue.due(now):
                self._send(queue, now)
            elif queue and not queue.entries and not _busy(queue) and now - queue.last > IDLE:
                del self._queues[key]
                await self._let_go(queue)

    async def _sort_all(self, now: float) -> None:
        self._ring = self._ring or Ring.open(self._run_dir)
        while self._ring and (found := self._ring.take(AT_ONCE)):
            self._sort(found, now)
            await asyncio.sleep(0)

    def _sort(self, found: Sequence[Entry], now: float) -> None:
        for config, entry in found:
            if config not in self._queues:
                self._queues[config] = self._made(config)
            queue = self._queues[config]
            if queue is None:
                self._lost["", "", "no such sink"] += 1
            elif len(queue.entries) >= queue.sink.batch.pending or self._waiting + len(entry) > BYTES_MOST:
                self._lose(queue, 1, "too many wait")
            else:
                self._put(queue, entry, now)

    def _put(self, queue: Queue, entry: bytes, now: float) -> None:
        if queue.rules:
            try:
                kept = judged(queue.rules, entry)
            except msgspec.DecodeError:
                self._lose(queue, 1, "not readable")
                return
            if kept is None:
                return
            entry = kept
        self._waiting += len(entry)
        queue.put(entry, now)

    def _made(self, config: bytes) -> Queue | None:
        try:
            told = msgspec.json.decode(config, type=dict[str, Any])
            sink = SINKS[told["kind"]](told, self._places)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, Invalid) as error:
            log.warning("log entries are for a sink that this node does not know", reason=repr(error))
            return None
        return Queue(sink, str(told["name"]), told["kind"], told.get("rules", {}))

    def _send(self, queue: Queue, now: float) -> None:
        batch = queue.batch(now)
        if batch:
            queue.sending = asyncio.create_task(self._deliver(queue, batch))

    async def _deliver(self, queue: Queue, batch: list[bytes]) -> None:
        try:
            await self._try(queue, batch)
        finally:
            self._waiting -= sum(map(len, batch))

    async def _try(self, queue: Queue, batch: list[bytes]) -> None:
        for left in range(queue.sink.batch.retries, -1, -1):
            try:
                await queue.sink.send(batch)
            except Unreachable as error:
                self._say(queue, str(error))
                if left:
                    await asyncio.sleep(queue.sink.batch.delay)
            else:
                self._sent[queue.name, queue.kind] += len(batch)
                return
        self._lose(queue, len(batch), "not taken")

    def _lose(self, queue: Queue, count: int, reason: str) -> None:
        self._lost[queue.name, queue.kind, reason] += count
        self._say(queue, reason)

    def _say(self, queue: Queue, reason: str) -> None:
        if time.monotonic() - queue.said > SAID:
            queue.said = time.monotonic()
            log.warning("log entries cannot be sent", logger=queue.name, reason=reason)

    async def _let_go(self, queue: Queue | None) -> None:
        if queue is None:
            return
        if queue.sending:
            queue.sending.cancel()
            await asyncio.gather(queue.sending, return_exceptions=True)
        if queue.entries:
            self._lose(queue, len(queue.entries), "the node stopped")
        await queue.sink.close()


def _busy(queue: Queue) -> bool:
    return queue.sending is not None and not queue.sending.done()
