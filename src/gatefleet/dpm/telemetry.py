"""What nodes have served, on its way to the database: many reports in one transaction, each counted exactly once.

A report is answered when it is on record; a node whose report was not answered sends it again, and it is not counted
twice: its number is recorded with its figures.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import figures
from gatefleet.dpm.batches import Batches, Bounds
from gatefleet.figures import Figures
from gatefleet.fleet import Entry, TrafficReport
from gatefleet.pki import Identity
from gatefleet.store import Store, telemetry
from gatefleet.store.telemetry import ENTRIES_KEPT, OTHERS, RESOLUTIONS, Cell, Dimension, Mark, Resolution

BOUNDS: Final = Bounds(gap=1.0, most=5_000, patience=20.0)
MOST_NAMES: Final = 2_000
"""Routes, consumers, or instances of services, that a group's figures tell apart within an hour."""
MOST_ENTRIES: Final = 60
"""Single requests that are kept of a group in 15 seconds; at least one of each node."""
MOST_PARTS: Final = 60
"""Steps that the figures of a long time are spread over, at most."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    identity: Identity
    report: TrafficReport
    arrived: float
    """Unix seconds."""

    @property
    def mark(self) -> Mark:
        return Mark(self.identity.group, self.identity.instance, self.report.run, self.report.seq)


class Intake:
    """Takes reports, and answers each once it is on record."""

    def __init__(self, store: Store) -> None:
        self._batches = Batches(store, self._record, BOUNDS)
        self._names = Names()
        self._reporters: dict[str, dict[str, float]] = {}
        """By group, its instances and when they reported last."""

    async def take(self, identity: Identity, report: TrafficReport) -> bool:
        """Whether a report is on record now; False when PostgreSQL is away or too much waits for it."""
        waiting = _Waiting(identity, report, time.time())
        return await self._batches.take(waiting.mark, waiting)

    async def run(self) -> None:
        """Write what has come, again and again, until cancelled."""
        await self._batches.run()

    async def _record(self, connection: AsyncConnection, batch: Sequence[_Waiting]) -> None:
        fresh = await telemetry.fresh(connection, [waiting.mark for waiting in batch])
        counted = [waiting for waiting in batch if waiting.mark in fresh]
        for resolution in RESOLUTIONS:
            await telemetry.add(connection, resolution, self._cells(resolution, counted))
        await telemetry.add_entries(connection, [row for each in counted for row in self._entries(each)])

    def _cells(self, resolution: Resolution, counted: Iterable[_Waiting]) -> Mapping[Cell, Figures]:
        parts: dict[Cell, list[Figures]] = {}
        for waiting in counted:
            group, steps = waiting.identity.group, _steps(resolution, waiting)
            oldest = waiting.arrived - resolution.kept.total_seconds()
            for dimension, service, name, counts in _lines(waiting):
                known = self._names.known(group, dimension, service, name, waiting.arrived)
                for at, share in zip(steps, figures.spread(counts, len(steps)), strict=True):
                    if at > oldest:
                        parts.setdefault((at, group, dimension, service, known), []).append(share)
        return {cell: figures.total(each) for cell, each in parts.items()}

    def _entries(self, waiting: _Waiting) -> Iterable[Mapping[str, Any]]:
        """The single requests that are kept of a report: each instance of the group has the same share."""
        group, instance = waiting.identity.group, waiting.identity.instance
        seen = self._reporters.setdefault(group, {})
        seen[instance] = waiting.arrived
        for gone in [name for name, at in seen.items() if waiting.arrived - at > 60]:
            del seen[gone]
        share = max(1, MOST_ENTRIES // len(seen))
        failed = [one for one in waiting.report.entries if one.status >= 500 or one.status == 0]
        others = [one for one in waiting.report.entries if one not in failed]
        kept = _evenly(failed, max(1, share // 2))
        kept = [*kept, *_evenly(others, share - len(kept))]
        oldest = waiting.arrived - ENTRIES_KEPT.total_seconds()
        return [row for one in kept if (row := _entry(waiting, one))["at"] > oldest]


@dataclass(slots=True)
class Names:
    """Which names a group's figures tell apart within an hour: the first so many."""

    _hour: int = 0
    _known: dict[tuple[str, str], set[tuple[str, str]]] = field(
        default_factory=dict[tuple[str, str], set[tuple[str, str]]]
    )

    def known(self, group: str, dimension: str, service: str, name: str, now: float) -> str:
        """The name, or that of the others once there are too many."""
        if self._hour != now // 3600:
            self._hour, self._known = int(now // 3600), {}
        names = self._known.setdefault((group, dimension), set())
        if len(names) < MOST_NAMES:
            names.add((service, name))
        return name if (service, name) in names else OTHERS


def _lines(waiting: _Waiting) -> Iterable[tuple[Dimension, str, str, Figures]]:
    """A report's lines, and the sums of each service for the instance."""
    services: dict[str, list[Figures]] = {}
    for line in waiting.report.lines:
        yield line.dimension, line.service, line.name, line.figures
        if line.dimension == "route":
            services.setdefault(line.service, []).append(line.figures)
    for service, parts in services.items():
        yield "instance", service, waiting.identity.instance, figures.total(parts)


def _steps(resolution: Resolution, waiting: _Waiting) -> Sequence[int]:
    """When the steps began that a report's figures belong to: one, unless its time was much longer than that."""
    began, ended = waiting.arrived - waiting.report.began, waiting.arrived - waiting.report.ended
    parts = max(1, min(MOST_PARTS, round((ended - began) / resolution.step)))
    middles = (began + (part + 0.5) * (ended - began) / parts for part in range(parts))
    return [int(middle // resolution.step) * resolution.step for middle in middles]


def _evenly(entries: Sequence[Entry], most: int) -> Sequence[Entry]:
    """So many of them at most, from all along."""
    if len(entries) <= most:
        return entries
    return [entries[number * len(entries) // most] for number in range(most)]


def _entry(waiting: _Waiting, one: Entry) -> Mapping[str, Any]:
    return {
        "group_id": waiting.identity.group,
        "at": waiting.arrived - one.seconds_ago,
        "instance_id": waiting.identity.instance,
        "service_id": one.service,
        "route_id": one.route,
        "consumer": one.consumer,
        "method": one.method,
        "host": one.host,
        "path": one.path,
        "status": one.status,
        "latency_us": one.latency_us,
        "bytes_in": one.bytes_in,
        "bytes_out": one.bytes_out,
        "upstream": one.upstream,
        "details": one.details,
    }
