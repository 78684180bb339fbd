"""What a request costs: the gateway and its peers in turn, with the same load, in short rounds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bench import load
from bench.load import Peer, Sample
from bench.shape import HEADERS, HOST

BASE: Final = "bare Envoy, 1 route"
"""What ratios refer to."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A proxy and how many routes it is asked for."""

    peer: Peer
    routes: int


class Cost(msgspec.Struct, frozen=True):
    """One contender: medians over the rounds; ratios (above 1: better than base) over the pairs of a round."""

    contender: str
    routes: int
    plugins: str
    cpu_ratio: float
    """Base's CPU time per request divided by this one's."""
    rate_ratio: float
    """This one's requests per second divided by base's."""
    cpu_us: float
    cpu_us_least: float
    per_second: float
    p50_ms: float
    p99_ms: float


def measure(contenders: Mapping[str, Contender], plugins: str, *, rounds: int, seconds: float) -> list[Cost]:
    """Costs of all contenders, of which one is BASE; `plugins` says what the gateway's routes carry."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(rounds):
        order = list(contenders.items())
        for name, contender in order if turn % 2 == 0 else reversed(order):
            samples[name].append(_sample(contender, seconds))
    base = samples[BASE]
    return [_cost(name, contenders[name].routes, plugins, found, base) for name, found in samples.items()]


def _sample(contender: Contender, seconds: float) -> Sample:
    return load.run(
        contender.peer.pid,
        contender.peer.port,
        routes=contender.routes,
        seconds=seconds,
        headers={"Host": HOST, **HEADERS},
    )


def _cost(name: str, routes: int, plugins: str, found: Sequence[Sample], base: Sequence[Sample]) -> Cost:
    pairs = list(zip(found, base, strict=True))
    return Cost(
        contender=name,
        routes=routes,
        plugins=plugins,
        cpu_ratio=round(statistics.median(b.cpu_us / s.cpu_us for s, b in pairs), 3),
        rate_ratio=round(statistics.median(s.per_second / b.per_second for s, b in pairs), 3),
        cpu_us=round(statistics.median(s.cpu_us for s in found), 2),
        cpu_us_least=round(min(s.cpu_us for s in found), 2),
        per_second=round(statistics.median(s.per_second for s in found)),
        p50_ms=round(statistics.median(s.p50_ms for s in found), 2),
        p99_ms=round(statistics.median(s.p99_ms for s in found), 2),
    )
