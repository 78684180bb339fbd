"""What a node has served of some services, out of the series that the prometheus plugin makes its Envoy count."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gatefleet.envoy.process import EnvoyProcess
from gatefleet.errors import GatefleetError
from gatefleet.fleet import Counted, Tally, Watch
from gatefleet.native import series
from gatefleet.native.series import Series

SHARE: Final = 20
"""How much longer than reading the series the pause after it is: there may be many of them."""


class Traffic:
    """Counts what it is told to watch."""

    def __init__(self, run_dir: Path, envoy: EnvoyProcess) -> None:
        self.watch: Watch | None = None
        self._run_dir, self._envoy = run_dir, envoy
        self._not_before = 0.0

    async def tally(self) -> Tally | None:
        """What was counted by now; None when nothing is watched, it is too soon again, or it cannot be read."""
        watch, run, began = self.watch, self._envoy.pid, time.monotonic()
        if watch is None or run is None or began < self._not_before:
            return None
        try:
            services = await asyncio.to_thread(self._counted, run, watch.services)
        except (GatefleetError, OSError):
            return None
        self._not_before = time.monotonic() + SHARE * (time.monotonic() - began)
        return Tally(watch.ring, run, services)

    def _counted(self, run: int, services: Mapping[str, Sequence[str]]) -> Mapping[str, Counted]:
        return counted(series.read(self._run_dir, run).series, services)


@dataclass(slots=True)
class _Sum:
    requests: int = 0
    errors: int = 0
    latency: Counter[float] = field(default_factory=Counter[float])

    def add(self, one: Series) -> None:
        self.requests += sum(one.codes.values())
        self.errors += sum(count for code, count in one.codes.items() if code.startswith("5"))
        self.latency.update(dict(one.request.buckets))


def counted(found: Iterable[Series], services: Mapping[str, Sequence[str]]) -> Mapping[str, Counted]:
    """Each service's requests, those answered with 5xx, and how long they took; zeros before the first."""
    sums = {service: _Sum() for service in services}
    known = {label: sums[service] for service, labels in services.items() for label in labels}
    for one in found:
        if whole := known.get(one.service):
            whole.add(one)
    return {name: Counted(s.requests, s.errors, tuple(sorted(s.latency.items()))) for name, s in sums.items()}
