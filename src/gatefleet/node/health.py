"""How the nodes of upstreams are, as this node's Envoy sees them: whom it takes for unhealthy, why and since when.

Only upstreams with checks are looked at, some hundred in a second, one second after the other: how much this asks of
Envoy does not depend on how many there are. Only who is not healthy is told, and only when that changes.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gatefleet.envoy.process import EnvoyProcess
from gatefleet.errors import GatefleetError
from gatefleet.fleet import HealthReport, Unwell
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.snapshot import CLUSTER, Entry, Snapshot

PACE: Final = 1.0
"""Seconds between two questions."""
AGAIN: Final = 10.0
"""Seconds until what could not be told is told again."""
AT_ONCE: Final = 256
"""Upstreams asked for in one question."""
MOST: Final = 1000
"""Nodes of upstreams that are told of; of more, how many."""
REASONS: Final = {
    "active_hc_timeout": "the active check timed out",
    "failed_active_hc": "the active check failed",
    "failed_outlier_check": "requests failed (passive check)",
    "failed_eds_health": "it was reported unhealthy",
    "excluded_via_immediate_hc_fail": "it asked to be left out",
    "degraded_active_hc": "the active check says it is degraded",
    "degraded_outlier_detection": "requests say it is degraded",
    "degraded_eds_health": "it was reported degraded",
}
"""Envoy's health flags, the more telling ones first; source: envoy/source/common/upstream, health flags of hosts."""
DEGRADED: Final = frozenset(name for name in REASONS if name.startswith("degraded"))
UNCHECKED: Final = "pending_active_hc"
"""The flag of a host that was not checked for the first time yet."""
_LINE: Final = re.compile(r"(.+?)::(\[[^\]]*\]:\d+|[^:]+:\d+)::\w+::(.*)")
Host = tuple[str, str]
"""The cluster and address of a node of an upstream."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A host that is not healthy; `flags` are Envoy's."""

    flags: frozenset[str]
    name: str
    since: int


class Health:
    """Looks at Envoy's hosts again and again, and gives `tell` what changed; it is told again until that worked."""

    def __init__(self, envoy: EnvoyProcess, tell: Callable[[HealthReport], Awaitable[bool]]) -> None:
        self._envoy, self._tell = envoy, tell
        self._clusters: Mapping[str, Entry] = {}
        self._known: Mapping[str, Entry] = {}
        """What `_checked` was made of."""
        self._checked: frozenset[str] = frozenset()
        """Clusters with checks."""
        self._seen: dict[Host, Seen] = {}
        self._told: HealthReport | None = None
        self._next = 0
        self._not_before = 0.0

    def follow(self, snapshot: Snapshot) -> None:
        """Look at what this snapshot checks from now on."""
        self._clusters = snapshot.of(CLUSTER)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(PACE)
            if self._clusters is not self._known:
                known, self._known = self._known, self._clusters
                self._checked = await asyncio.to_thread(_checked, self._known, known, self._checked)
                self._seen = {host: seen for host, seen in self._seen.items() if host[0] in self._checked}
            names = sorted(self._checked)
            if names:
                start = self._next if self._next < len(names) else 0
                self._next = start + AT_ONCE
                await self._look(names[start : start + AT_ONCE])
            report = self._report()
            if report != self._told and time.monotonic() >= self._not_before:
                self._told = report if await self._tell(report) else self._told
                self._not_before = time.monotonic() + (PACE if self._told is report else AGAIN)

    async def _look(self, names: Sequence[str]) -> None:
        try:
            answer = await self._envoy.ask(path(names))
        except GatefleetError:
            return
        unwell = await asyncio.to_thread(read, answer.text)
        asked, now = set(names), int(time.time())
        kept = {host: seen for host, seen in self._seen.items() if host[0] not in asked}
        fresh = {
            host: Seen(flags, name, before.since if (before := self._seen.get(host)) and before.flags == flags else now)
            for host, (flags, name) in unwell.items()
            if host[0] in self._checked
        }
        self._seen = kept | fresh

    def _report(self) -> HealthReport:
        found = sorted(self._seen.items())
        unwell = tuple(_told(*host, seen) for host, seen in found[:MOST])
        return HealthReport(upstreams=len(self._checked), unwell=unwell, more=max(0, len(found) - MOST))


def path(names: Sequence[str]) -> str:
    """What to ask Envoy's admin interface for."""
    pattern = "|".join(map(re.escape, names))
    return f"/clusters?filter={quote(f'^({pattern})$', safe='')}"


def read(answer: str) -> Mapping[Host, tuple[frozenset[str], str]]:
    """Hosts that are not healthy, with Envoy's flags and their names, from the text of /clusters.

    A line is `<cluster>::<address>::<what>::<value>`; flags of healthy hosts do not begin with a slash.
    """
    lines = answer.splitlines()
    unwell = dict(_unwell(line) for line in lines if "::health_flags::/" in line)
    names = dict(_parts(line) for line in lines if "::hostname::" in line) if unwell else {}
    return {host: (flags, names.get(host, "")) for host, flags in unwell.items() if flags}


def _unwell(line: str) -> tuple[Host, frozenset[str]]:
    """No flags for a host that was not looked at yet."""
    host, said = _parts(line)
    flags = frozenset(said.strip("/").split("/"))
    return host, frozenset() if UNCHECKED in flags else flags & REASONS.keys()


def _parts(line: str) -> tuple[Host, str]:
    found = _LINE.fullmatch(line)
    return ((found[1], found[2]), found[3]) if found else (("", ""), "")


def _told(name: str, address: str, seen: Seen) -> Unwell:
    status = "degraded" if seen.flags <= DEGRADED else "unhealthy"
    telling = seen.flags - {"failed_active_hc"} if "active_hc_timeout" in seen.flags else seen.flags
    reason = "; ".join(said for flag, said in REASONS.items() if flag in telling)
    return Unwell(name, address, seen.name, status, reason, seen.since)


def _checked(clusters: Mapping[str, Entry], before: Mapping[str, Entry], checked: frozenset[str]) -> frozenset[str]:
    """Which clusters have checks; `checked` are those of `before` that have."""
    kept = {name for name in checked if clusters.get(name) is before[name]}
    fresh = {name for name, found in clusters.items() if before.get(name) is not found and _is_checked(found)}
    return frozenset(kept | fresh)


def _is_checked(found: Entry) -> bool:
    message = cluster.Cluster.FromString(found.body)
    return bool(message.health_checks) or message.HasField("outlier_detection")
