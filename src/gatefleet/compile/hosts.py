"""The hosts of a group, each one's routes cut into route scopes, kept up to date route by route."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gatefleet.compile import paths
from gatefleet.compile.emit import scopes
from gatefleet.compile.emit.guards import Guard
from gatefleet.compile.emit.routes import RouteCode
from gatefleet.compile.tree import Candidate
from gatefleet.native import sharding
from gatefleet.native.questions import header_of
from gatefleet.protos.google import protobuf as wkt
from gatefleet.snapshot import HostLayout

SHARD_SIZE: Final = 16
"""Routes per shard that we aim at: Envoy makes every filter of a scope anew per change, and shards cost nothing."""
SHARD_ABOVE: Final = 32
DEPTHS: Final = (1, 2, 3, 4)

Held = dict[str, tuple[Candidate, ...]]
"""Route id to its places in the tree."""


@dataclass(frozen=True, slots=True)
class GlobalRules:
    """What stands before every route: per-route configuration of filters, and what their conditions ask."""

    chain: Mapping[str, wkt.Any] = field(default_factory=dict[str, wkt.Any])
    questions: tuple[bytes, ...] = ()


class HostPlan:
    """The scopes of one host: its own routes, then those of each host it falls back to.

    `layout` is a pure function of the routes held, so replicas and full compiles cut alike.
    """

    def __init__(self, host: str, levels: tuple[str, ...]) -> None:
        self.host = host
        self.levels = levels
        self.layout = HostLayout()
        self.guard: Guard | None = None
        """Refuses requests before any route."""
        self._held: dict[str, Held] = {level: {} for level in levels}
        self._parts: dict[int | None, dict[str, Held]] = {}
        self._segments = {depth: Counter[str]() for depth in DEPTHS}
        self._open = Counter[int]()
        self._questions = Counter[bytes]()
        self._bodies = Counter[str]()
        self._asked: tuple[str, ...] = ()
        """What every scope asks of bodies."""
        self._size = 0
        self._dirty: set[int] = {0}

    def put(self, level: str, route_id: str, candidates: tuple[Candidate, ...]) -> None:
        """Set or, with no candidates, remove one route of one level."""
        old = self._held[level].pop(route_id, ())
        if candidates:
            self._held[level][route_id] = candidates
        self._count(old, -1)
        self._count(candidates, 1)
        for shard in {self._shard(c) for c in old}:
            self._part(shard, level).pop(route_id, None)
        self._file(level, route_id, candidates)
        self._dirty |= self._shards_of(old) | self._shards_of(candidates)

    def stale(self) -> None:
        """Rebuild every scope at the next `flush`: something they all hold has changed."""
        self._dirty = set(range(self.layout.shards))

    @property
    def is_stale(self) -> bool:
        return bool(self._dirty)

    def flush(self, rules: GlobalRules) -> tuple[dict[str, bytes], set[str]]:
        """Scopes to write (name to serialized RouteConfiguration) and names of scopes that are gone."""
        gone: set[str] = set()
        wanted = self._wanted_layout(rules.questions)
        if wanted != self.layout:
            gone = set(self.names())
            self._cut(wanted)
        if self._asked != (asked := tuple(sorted(+self._bodies))):
            self._asked = asked
            self.stale()
        built = {self._name(shard): self._build(shard, rules.chain) for shard in sorted(self._dirty)}
        self._dirty = set()
        return built, gone - set(self.names())

    def names(self) -> Iterator[str]:
        """The scope names of the present layout."""
        return (self._name(shard) for shard in range(self.layout.shards))

    def _name(self, shard: int) -> str:
        return sharding.shard_scope(self.host, self.layout.depth, self.layout.shards, shard)

    def _build(self, shard: int, global_chain: Mapping[str, wkt.Any]) -> bytes:
        parts = (self._parts.get(shard, {}), self._parts.get(None, {}))
        levels = [[c for part in parts for held in part.get(level, {}).values() for c in held] for level in self.levels]
        answers = [header_of(question) for question in self.layout.questions]
        return scopes.scope(self._name(shard), levels, global_chain, answers, self.guard, self._asked)

    def _shard(self, candidate: Candidate) -> int | None:
        return scopes.shard_of(candidate.pattern, self.layout)

    def _shards_of(self, candidates: Iterable[Candidate]) -> set[int]:
        found = {self._shard(c) for c in candidates}
        return set(range(self.layout.shards)) if None in found else {shard for shard in found if shard is not None}

    def _part(self, shard: int | None, level: str) -> Held:
        return self._parts.setdefault(shard, {}).setdefault(level, {})

    def _file(self, level: str, route_id: str, candidates: tuple[Candidate, ...]) -> None:
        by_shard: dict[int | None, list[Candidate]] = {}
        for candidate in candidates:
            by_shard.setdefault(self._shard(candidate), []).append(candidate)
        for shard, found in by_shard.items():
            self._part(shard, level)[route_id] = tuple(found)

    def _cut(self, layout: HostLayout) -> None:
        self.layout = layout
        self._parts = {}
        for level, held in self._held.items():
            for route_id, candidates in held.items():
                self._file(level, route_id, candidates)
        self.stale()

    def _count(self, candidates: Iterable[Candidate], sign: int) -> None:
        for candidate in candidates:
            self._size += sign
            for question in candidate.questions:
                self._questions[question] += sign
            for asked in candidate.bodies:
                self._bodies[asked] += sign
            pattern = candidate.pattern
            whole = paths.whole_segments(pattern)
            segments = pattern.key[1:].split("/")
            for depth in DEPTHS:
                if not pattern.exact and whole < depth:
                    self._open[depth] += sign
                    continue
                counter, key = self._segments[depth], "/".join(segments[:depth])
                counter[key] += sign
                if not counter[key]:
                    del counter[key]

    def _wanted_layout(self, asked: Iterable[bytes]) -> HostLayout:
        questions = tuple(sorted({*+self._questions, *asked}))
        if self._size <= SHARD_ABOVE:
            return HostLayout(questions=questions)
        shards = 1 << ((self._size - 1) // SHARD_SIZE).bit_length()
        crowd, depth = min((self._crowd(depth) // SHARD_SIZE, depth) for depth in DEPTHS)
        even = crowd * SHARD_SIZE <= self._size // 2
        return HostLayout(depth, shards, questions) if even else HostLayout(questions=questions)

    def _crowd(self, depth: int) -> int:
        """The least size of the fullest shard at this depth: what stands everywhere, and the largest group."""
        return self._open[depth] + max(self._segments[depth].values(), default=0)


class Hosts:
    """Every host of a group and its plan; told which route compiles to what, it says which scopes change."""

    def __init__(self) -> None:
        self._codes: dict[str, RouteCode] = {}
        self._routes_at: dict[str, set[str]] = {scopes.ANY_HOST: set()}
        self._plans: dict[str, HostPlan] = {}
        self._under: dict[str, set[str]] = {}
        self._changed: dict[str, set[str]] = {}
        self._guards: Mapping[str, Guard | None] = {}
        self._settle()

    def put(self, route_id: str, code: RouteCode | None) -> None:
        """Set or remove one route; nothing is built before `flush`."""
        old = self._codes.pop(route_id, None)
        if code:
            self._codes[route_id] = code
        before, after = (set(c.hosts) if c else set[str]() for c in (old, code))
        for host in before - after:
            self._routes_at[host].discard(route_id)
        for host in after:
            self._routes_at.setdefault(host, set()).add(route_id)
        self._changed.setdefault(route_id, set()).update(before | after)

    def guarded(self, guards: Mapping[str, Guard | None]) -> None:
        """Guard these server names, exact or `*.suffix`; None: a name below such a suffix that is not guarded."""
        self._guards = guards
        for name in guards:
            self._routes_at.setdefault(name, set())
        for host, plan in self._plans.items():
            if plan.guard != (guard := self._guard(host)):
                plan.guard = guard
                plan.stale()

    def _guard(self, host: str) -> Guard | None:
        if host in self._guards or host.startswith("*"):
            return self._guards.get(host)
        return self._guards.get(f"*.{host.partition('.')[2]}")

    def stale(self) -> None:
        """Build every scope again at the next `flush`."""
        for plan in self._plans.values():
            plan.stale()

    def flush(self, rules: GlobalRules) -> tuple[dict[str, bytes], set[str]]:
        """Scopes to write and names of scopes that are gone, since the last `flush`."""
        dirty, gone = self._settle()
        for route_id, hosts in self._changed.items():
            code = self._codes.get(route_id)
            for level in hosts:
                candidates = code.candidates if code and level in code.hosts else ()
                for host in self._under.get(level, ()):
                    self._plans[host].put(level, route_id, candidates)
                    dirty.add(host)
        self._changed = {}
        built: dict[str, bytes] = {}
        for host, plan in self._plans.items():
            if host in dirty or plan.is_stale:
                fresh, dropped = plan.flush(rules)
                built.update(fresh)
                gone |= dropped
        return built, gone - built.keys()

    def layouts(self) -> dict[str, HostLayout]:
        """Each host and how it is cut: what the native module's host table says."""
        return {host: plan.layout for host, plan in self._plans.items()}

    def _settle(self) -> tuple[set[str], set[str]]:
        """Make the plans those of the hosts with routes or a guard; hosts with a new plan, and scopes that went."""
        kept = {scopes.ANY_HOST, *self._guards}
        for host in [h for h, held in self._routes_at.items() if not held and h not in kept]:
            del self._routes_at[host]
        if self._plans.keys() == self._routes_at.keys():
            return set(), set()
        wanted = {host: scopes.lookup_order(host, self._routes_at) for host in self._routes_at}
        outdated = [host for host, plan in self._plans.items() if wanted.get(host) != plan.levels]
        gone = {name for host in outdated for name in self._plans.pop(host).names()}
        fresh = {host for host in wanted if host not in self._plans}
        for host in fresh:
            self._plans[host] = self._planned(host, wanted[host])
        self._under = {}
        for host, plan in self._plans.items():
            for level in plan.levels:
                self._under.setdefault(level, set()).add(host)
        return fresh, gone

    def _planned(self, host: str, levels: tuple[str, ...]) -> HostPlan:
        plan = HostPlan(host, levels)
        plan.guard = self._guard(host)
        for level in levels:
            for route_id in self._routes_at.get(level, ()):
                plan.put(level, route_id, self._codes[route_id].candidates)
        return plan
