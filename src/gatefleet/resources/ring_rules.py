"""What a ring's instances and the rest have served, and the rule that promotes the ring or rolls it back."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

Metric = Literal["5xx_ratio", "latency_p99_ms"]
_P99: Final = 0.99


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a ring is rolled back, and after how long without that it is promoted.

    `compare` says what the threshold means: a value, or how many times the rest's value.
    """

    metric: Metric
    threshold: Annotated[float, Meta(ge=0)]
    window_seconds: Annotated[int, Meta(ge=5, le=86_400)] = 120
    min_requests: Annotated[int, Meta(ge=1)] = 20
    """With fewer requests in the window nothing is decided."""
    compare: Literal["absolute", "rest"] = "absolute"
    promote_after_seconds: Annotated[int, Meta(ge=1)] | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests, those answered with 5xx, and for bounds in milliseconds, one infinite, how many took no longer."""

    requests: int = 0
    errors: int = 0
    latency: Mapping[float, int] = field(default_factory=dict[float, int])

    def __add__(self, other: "Traffic") -> "Traffic":
        bounds = self.latency.keys() | other.latency.keys()
        latency = {bound: self.latency.get(bound, 0) + other.latency.get(bound, 0) for bound in sorted(bounds)}
        return Traffic(self.requests + other.requests, self.errors + other.errors, latency)

    def since(self, before: "Traffic") -> "Traffic":
        """What came on top of `before`, an earlier reading of the same counters."""
        latency = {bound: count - before.latency.get(bound, 0) for bound, count in self.latency.items()}
        return Traffic(self.requests - before.requests, self.errors - before.errors, latency)

    @property
    def error_ratio(self) -> float:
        """The part that was answered with 5xx; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def quantile(self, part: float) -> float | None:
        """Milliseconds within which this part of the requests was answered; None when none was measured.

        Within a bucket times are taken to be spread evenly; beyond the last finite bound it is that bound.
        """
        measured = max(self.latency.values(), default=0)
        rank, low, below = part * measured, 0.0, 0
        if not measured:
            return None
        for bound, count in sorted(self.latency.items()):
            if bound == inf:
                break
            if count >= rank:
                return low + (bound - low) * ((rank - below) / (count - below) if count > below else 1.0)
            low, below = bound, count
        return low


@dataclass(frozen=True, slots=True)
class Sample:
    """What an instance has counted by `at` (Unix seconds), by service; counters begin anew with another `run`."""

    instance: str
    at: float
    run: int
    services: Mapping[str, Traffic]


@dataclass(frozen=True, slots=True)
class Decision:
    """`keep` the ring as it is, `roll_back` or `promote` it, and why."""

    action: Literal["keep", "roll_back", "promote"]
    reason: str


def served(samples: Iterable[Sample], since: float, until: float, service: str | None = None) -> Traffic:
    """What all instances together served after `since` and by `until`, of one service or of all."""
    return series(samples, (since, until), service)[0]


def series(samples: Iterable[Sample], edges: Sequence[float], service: str | None = None) -> Sequence[Traffic]:
    """What all instances together served between each two ascending times, of one service or of all.

    An instance's first sample is where counting begins; a sample of another run, or of counters that went back,
    counts from zero.
    """
    found = [Traffic() for _ in edges[1:]]
    for readings in _by_instance(samples).values():
        for before, after in pairwise(readings):
            if edges[0] < after.at <= edges[-1]:
                place = bisect_left(edges, after.at) - 1
                found[place] = sum(_differences(before, after, service), found[place])
    return found


def decide(rule: Rule, ring: Traffic, rest: Traffic, age: float) -> Decision:
    """What the rule says of the traffic in its window; `age`: seconds since the ring started."""
    if ring.requests < rule.min_requests:
        return Decision("keep", f"{ring.requests} of {rule.min_requests} requests needed in {rule.window_seconds} s")
    if rule.compare == "rest" and rest.requests < rule.min_requests:
        return Decision("keep", f"{rest.requests} of {rule.min_requests} requests needed of the rest")
    found = _value(rule.metric, ring)
    limit = rule.threshold * (_value(rule.metric, rest) if rule.compare == "rest" else 1.0)
    said = _said(rule, ring, found, limit)
    if found > limit:
        return Decision("roll_back", f"{said}, over the limit")
    if rule.promote_after_seconds is not None and age >= rule.promote_after_seconds:
        return Decision("promote", f"{said}, for {rule.promote_after_seconds} s without a breach")
    return Decision("keep", said)


def _by_instance(samples: Iterable[Sample]) -> Mapping[str, Sequence[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda each: each.at):
        found.setdefault(sample.instance, []).append(sample)
    return found


def _differences(before: Sample, after: Sample, service: str | None) -> Iterable[Traffic]:
    for name, now in after.services.items():
        if service not in {None, name}:
            continue
        old = before.services.get(name, Traffic())
        anew = before.run != after.run or now.requests < old.requests
        yield now if anew else now.since(old)


def _value(metric: Metric, traffic: Traffic) -> float:
    return traffic.error_ratio if metric == "5xx_ratio" else traffic.quantile(_P99) or 0.0


def _said(rule: Rule, ring: Traffic, found: float, limit: float) -> str:
    times = f" ({rule.threshold:g} times the rest's)" if rule.compare == "rest" else ""
    if rule.metric == "5xx_ratio":
        what = f"{ring.errors} of {ring.requests} requests were answered with 5xx"
        return f"{what} in {rule.window_seconds} s: {found:.2%}, limit {limit:.2%}{times}"
    what = f"99 % of {ring.requests} requests were answered within {found:.0f} ms"
    return f"{what} in {rule.window_seconds} s, limit {limit:.0f} ms{times}"
