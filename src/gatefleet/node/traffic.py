"""What a node has served of some services, read from its Envoy's counters; the prometheus plugin makes them count."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from gatefleet.envoy.process import EnvoyProcess
from gatefleet.errors import GatefleetError
from gatefleet.fleet import Counted, Tally, Watch

SHARE: Final = 20
"""How much longer than reading the counters the pause after it is: a service of many routes has many of them."""
_NAME: Final = r'[,{]of="((?:[^"\\]|\\.)*)"'
"""Service and route as one, as the prometheus plugin marks requests."""
_STATUS: Final = re.compile(r'^envoy_gf_http_status\{(?:.*,)?code="(\d*)".*' + _NAME + r".*\} (\d+)", re.MULTILINE)
_LATENCY: Final = re.compile(r"^envoy_gf_latency_request_bucket\{.*" + _NAME + r'.*,le="([^"]+)"\} (\d+)', re.MULTILINE)
_ESCAPED: Final = re.compile(r"\\(.)")


class Traffic:
    """Counts what it is told to watch."""

    def __init__(self, envoy: EnvoyProcess) -> None:
        self.watch: Watch | None = None
        self._envoy = envoy
        self._not_before = 0.0

    async def tally(self) -> Tally | None:
        """What was counted by now; None when nothing is watched, it is too soon again, or Envoy does not answer."""
        watch, run, began = self.watch, self._envoy.pid, time.monotonic()
        if watch is None or run is None or began < self._not_before:
            return None
        try:
            statistics = await self._envoy.ask(path(watch.services))
        except GatefleetError:
            return None
        services = await asyncio.to_thread(counted, statistics.text, watch.services)
        self._not_before = time.monotonic() + SHARE * (time.monotonic() - began)
        return Tally(watch.ring, run, services)


def path(services: Mapping[str, Sequence[str]]) -> str:
    """What to ask Envoy's admin interface for: only these services' counters, whatever else it counts."""
    names = "|".join(sorted(f"{len(name)}:{re.escape(name)}" for labels in services.values() for name in labels))
    wanted = rf"^gf\.(http_status|latency_request)\..*of\.({names})"
    return f"/stats/prometheus?filter={quote(wanted, safe='')}"


@dataclass(slots=True)
class _Sum:
    requests: int = 0
    errors: int = 0
    latency: dict[float, int] = field(default_factory=dict[float, int])


def counted(statistics: str, services: Mapping[str, Sequence[str]]) -> Mapping[str, Counted]:
    """Each service's requests, those answered with 5xx, and how long they took; zeros before the first."""
    sums = {service: _Sum() for service in services}
    known = {label: sums[service] for service, labels in services.items() for label in labels}
    for label, code, count in _statuses(statistics):
        if found := known.get(label):
            found.requests += count
            found.errors += count if code.startswith("5") else 0
    for label, bound, count in _latencies(statistics):
        if found := known.get(label):
            found.latency[bound] = found.latency.get(bound, 0) + count
    return {name: Counted(s.requests, s.errors, tuple(sorted(s.latency.items()))) for name, s in sums.items()}


def _statuses(statistics: str) -> Iterator[tuple[str, str, int]]:
    for code, label, count in _STATUS.findall(statistics):
        yield _service(label), code, int(count)


def _latencies(statistics: str) -> Iterator[tuple[str, float, int]]:
    for label, bound, count in _LATENCY.findall(statistics):
        yield _service(label), float(bound), int(count)


def _service(label: str) -> str:
    length, _, both = _plain(label).partition(":")
    return both[: int(length)] if length.isdigit() else ""


def _plain(label: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], label) if "\\" in label else label
