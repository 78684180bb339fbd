"""What each plugin adds to a request: the same route with and without it, in turn, under the same load."""

import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench import load, peers, works
from bench.cases import CONSUMER, PROTO, Case, Ports
from bench.fleet import Fleet
from bench.load import Peer, Turn
from bench.shape import HOST, Json
from tests import directory

BARE_US: Final = 45.0
"""CPU time of a request without plugins where the targets hold: machines differ, and one machine from hour to hour, but
what a plugin adds grows and shrinks with all the rest."""

HELPERS_LONGER: Final = 5
"""How many times longer plugins are asked that a helper process does."""


class PluginCost(msgspec.Struct, frozen=True):
    """One case, or one work: medians over all turns with it, each against the turns without it before and after."""

    name: str
    by: str
    """Who does it: as of its case, or `bare Envoy` for a work."""
    cpu_ratio: float
    """CPU time per request with the plugin divided by the time without it."""
    spread: float
    """Between this much less and this much more the ratio lies, in 19 of 20 cases (of the median: by order)."""
    more_us: float
    """What the ratio makes of `BARE_US`."""
    bare_us: float
    """CPU time per request without the plugin, on this machine, now."""
    rate_ratio: float
    """Requests per second with it divided by those without it."""
    work_us: float = 0.0
    """Of `more_us`, what a bare Envoy pays for the work that the plugin has done."""
    target_us: float | None = None
    """For the plugin itself, without that work; None for works and what helper processes do."""

    @property
    def own_us(self) -> float:
        """What the plugin itself adds."""
        return round(self.more_us - self.work_us, 1)


class Against(NamedTuple):
    """A turn with a plugin against the mean of the turns without it before and after."""

    cpu_ratio: float
    rate_ratio: float
    bare_us: float


@dataclass(frozen=True, slots=True)
class Bench:
    """All that runs while plugins are measured."""

    fleet: Fleet
    works: Peer
    ports: Ports


def started(stack: ExitStack, home: Path, fleet: Fleet) -> Bench:
    """Whom plugins need, running beside a fleet for as long as the stack lasts."""
    upstream = stack.enter_context(peers.upstream(home)).port
    grpc = stack.enter_context(peers.grpc(home, works.FRAME)).port
    users = stack.enter_context(directory.running()).port
    return Bench(fleet, stack.enter_context(works.running(home, upstream, grpc)), Ports(upstream, grpc, users))


def fill(bench: Bench, cases: Sequence[Case]) -> None:
    """Two routes for each case, without and with its plugin, each on a host of its own."""
    fleet = bench.fleet
    fleet.put([("consumers/bench", CONSUMER), ("protos/bench", PROTO)])
    fleet.put(document for case in enumerate(cases) for document in _services(*case, bench.ports))
    fleet.put(document for case in enumerate(cases) for document in _routes(*case))
    fleet.settle(bench.ports.upstream)


def measure(bench: Bench, cases: Sequence[Case], *, rounds: int, seconds: float) -> list[PluginCost]:
    """Costs of all cases and of the works they have done; each round asks all for so many seconds, in turns."""
    wanted = [work for work in works.WORKS if any(case.work == work for case in cases)]
    found: dict[str, list[Against]] = {}
    for _ in range(rounds):
        for work in wanted:
            turns = load.in_turns(bench.works, work.hosts, work.sent, seconds)
            found.setdefault(work.name, []).extend(against(turns))
        for number, case in enumerate(cases):
            gateway = Peer(bench.fleet.envoy, bench.fleet.gateway)
            patience = seconds * HELPERS_LONGER if case.helper else seconds
            turns = load.in_turns(gateway, _hosts(number), case.sent, patience)
            found.setdefault(case.name, []).extend(against(turns))
    done = {work.name: cost(work.name, "bare Envoy", found[work.name]) for work in wanted}
    return [*(case_cost(case, found[case.name], done) for case in cases), *done.values()]


def against(turns: Sequence[Turn]) -> Iterator[Against]:
    """Of turns that are without and with in turn, and begin without."""
    for at in range(1, len(turns) - 1, 2):
        before, own, after = turns[at - 1 : at + 2]
        bare_us = (before.cpu_us + after.cpu_us) / 2
        yield Against(own.cpu_us / bare_us, own.per_second * 2 / (before.per_second + after.per_second), bare_us)


def case_cost(case: Case, found: Sequence[Against], done: dict[str, PluginCost]) -> PluginCost:
    """What one case costs, and how much of it is work that is among the `done`."""
    whole = cost(case.name, case.by, found)
    work_us = done[case.work.name].more_us if case.work else 0.0
    return msgspec.structs.replace(whole, work_us=work_us, target_us=case.target_us)


def cost(name: str, by: str, found: Sequence[Against]) -> PluginCost:
    """Medians over what was found."""
    ratios = sorted(one.cpu_ratio for one in found)
    ratio = statistics.median(ratios)
    return PluginCost(
        name=name,
        by=by,
        cpu_ratio=round(ratio, 3),
        spread=round(_spread(ratios), 3),
        more_us=round((ratio - 1) * BARE_US, 1),
        bare_us=round(statistics.median(one.bare_us for one in found), 1),
        rate_ratio=round(statistics.median(one.rate_ratio for one in found), 3),
    )


def _spread(found: Sequence[float]) -> float:
    """Half of the 95 % confidence interval of the median of sorted values, by their order."""
    middle, away = len(found) / 2, 0.98 * math.sqrt(len(found))
    return (found[min(len(found) - 1, round(middle + away))] - found[max(0, round(middle - away) - 1)]) / 2


def _hosts(number: int) -> tuple[str, str]:
    return f"without-{number}.{HOST}", f"with-{number}.{HOST}"


def _services(number: int, case: Case, ports: Ports) -> Iterator[tuple[str, Json]]:
    port = ports.grpc if case.grpc else ports.upstream
    scheme = "grpc" if case.grpc else "http"
    upstream = {"scheme": scheme, "nodes": [{"host": "127.0.0.1", "port": port, "weight": 1}]}
    for host in _hosts(number):
        name = host.partition(".")[0]
        yield f"services/{name}", {"name": name, "hosts": [host], "upstream": upstream}


def _routes(number: int, case: Case) -> Iterator[tuple[str, Json]]:
    for host, own in zip(_hosts(number), ({}, {case.plugin: case.conf}), strict=True):
        name = host.partition(".")[0]
        yield (
            f"routes/{name}",
            {"name": name, "service_id": name, "paths": [case.path], "plugins": {**case.beside, **own}},
        )
