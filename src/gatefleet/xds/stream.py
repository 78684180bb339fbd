"""What one stream's client has, wants and rejects, and which response goes next; no IO, the clock is an argument.

A stream always works towards the newest snapshot: it keeps what the client holds and never a backlog of changes.
Order of a push, so that nothing refers to what is not there: additions type by type, then removals in reverse, then
the seal, which closes a revision.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.snapshot import CLUSTER, ENDPOINTS, EXTENSION, ROUTES, SEAL, SECRET, Entry, Snapshot
from gatefleet.xds.feed import NOTHING, Feed, Resolver
from gatefleet.xds.wire import Response, responses

if TYPE_CHECKING:
    from gatefleet.protos.envoy.service.discovery import v3 as discovery

PATIENCE: Final = 0.5
"""Seconds after which an unanswered response no longer holds back what comes after it."""
WARMING: Final = frozenset((CLUSTER, ENDPOINTS, SECRET))
"""Envoy answers for a cluster only when that has its endpoints and secrets, so these never wait for one another."""
MAX_UNKNOWN: Final = 10_000
"""Names asked for that do not exist, remembered per type; the oldest are forgotten."""
IMPLIED: Final = frozenset((ENDPOINTS, EXTENSION, ROUTES))
"""Types whose named resources go with the parent that names them (xDS protocol, "Deleting Resources")."""


@dataclass(slots=True)
class Subscription:
    """One type on one stream."""

    type_url: str
    wildcard: bool = False
    names: set[str] = field(default_factory=set[str])
    base: Mapping[str, Entry] = field(default_factory=lambda: NOTHING)
    """The published mapping this subscription has been brought to."""
    held: dict[str, str] = field(default_factory=dict[str, str])
    """Name to version, for what was asked for by name."""
    demanded: dict[str, None] = field(default_factory=dict[str, None])
    """Names asked for and not answered yet, in order."""
    unknown: dict[str, None] = field(default_factory=dict[str, None])
    queue: deque[Response] = field(default_factory=deque[Response])
    unanswered: dict[str, tuple[float, Response]] = field(default_factory=dict[str, tuple[float, Response]])
    rejected: dict[str, str] = field(default_factory=dict[str, str])
    owes_first: bool = False
    """A wildcard subscriber waits for a first response even when there is nothing to send."""

    @property
    def unsettled(self) -> bool:
        """Something of what is out already, or was asked for, is not over."""
        return bool(self.unanswered or self.demanded or self.queue or self.owes_first)

    def waits(self, now: float) -> bool:
        return any(now - sent < PATIENCE for sent, _ in self.unanswered.values())


class State:
    """One client's subscriptions over a feed."""

    def __init__(
        self, feed: Feed, order: Sequence[str], *, stepwise: bool = False, resolve: Resolver | None = None
    ) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.reached = 0
        """The feed's generation up to which the client has answered everything."""
        self._feed, self._order, self._stepwise, self._resolve = feed, tuple(order), stepwise, resolve
        self._in_order: Sequence[Subscription] = ()
        self._sent = 0
        """The feed's generation of which nothing is left to send, unless the client asks for something."""
        self._without_endpoints: set[str] = set()
        """Endpoints of clusters that went out on this stream, not asked for on it yet."""

    def follow(self, feed: Feed) -> None:
        """Work towards another feed's snapshots from now on; what the client holds of them is not sent again."""
        self._feed, self.reached, self._sent = feed, 0, 0

    def receive(self, request: "discovery.DeltaDiscoveryRequest") -> None:
        """Take one request: an answer to a response, new or dropped names, or both."""
        self.reached = 0
        sub = self.subscriptions.get(request.type_url)
        if sub is None:
            sub = self.subscriptions[request.type_url] = Subscription(request.type_url)
            self._in_order = sorted(self.subscriptions.values(), key=lambda one: self._rank(one.type_url))
            self._begin(sub, request)
        if request.response_nonce:
            self._answered(sub, request)
        if self._stepwise or _asks(request):
            self._sent = 0
        for name in request.resource_names_unsubscribe:
            if name == "*":
                sub.wildcard = False
            sub.names.discard(name)
            for kept in (sub.held, sub.demanded, sub.unknown):
                kept.pop(name, None)
        self._subscribe(sub, request)

    def next(self, now: float) -> Response | None:
        """The response to send next, or None when there is nothing to send or an answer is awaited."""
        goal, generation = self._feed.snapshot, self._feed.generation
        if goal is None:
            return None
        chosen = None if self._sent == generation else next(self._choices(goal, now), None)
        if isinstance(chosen, Response):
            self.subscriptions[chosen.type_url].unanswered[chosen.nonce] = (now, chosen)
            return chosen
        if chosen is None or not self._stepwise:
            self._sent = generation
            self.reached = 0 if self.waiting else generation
        return None

    @property
    def waiting(self) -> bool:
        """Something was sent and not answered yet."""
        return any(sub.unanswered for sub in self._in_order)

    def _rank(self, type_url: str) -> int:
        """Types that are not in the order come last."""
        return self._order.index(type_url) if type_url in self._order else len(self._order)

    def _choices(self, goal: Snapshot, now: float) -> Iterator[Response | str]:
        """Responses in order of urgency; the name of a type when its answers have to be awaited first."""
        busy = [s for s in self._in_order if s.unsettled or s.base is not goal.entries.get(s.type_url, NOTHING)]
        present = [sub for sub in busy if sub.type_url != SEAL]
        closing = [sub for sub in busy if sub.type_url == SEAL]
        for subs, fill in (
            (present, self._add),
            (present[::-1], self._remove),
            (closing, self._add),
            (closing, self._remove),
        ):
            awaited = ""
            for sub in subs:
                if awaited and sub.type_url not in WARMING:
                    yield awaited
                if not sub.queue:
                    sub.queue.extend(fill(sub, goal))
                if sub.queue:
                    yield sub.queue.popleft()
                if self._stepwise and sub.waits(now):
                    awaited = sub.type_url
            if awaited:
                yield awaited
        yield from (sub.type_url for sub in busy if sub.unanswered)

    def _add(self, sub: Subscription, goal: Snapshot) -> Iterable[Response]:
        answers = self._answer(sub, goal) if sub.demanded else ()
        new = goal.entries.get(sub.type_url, NOTHING)
        if sub.base is new and not sub.owes_first:
            return answers
        change = self._feed.change(sub.type_url, sub.base, new)
        sub.base = change.union
        if not sub.wildcard:
            return (*answers, *self._add_named(sub, goal, change.changed))
        for name in change.changed if sub.rejected else ():
            sub.rejected.pop(name, None)
        if sub.type_url == CLUSTER:
            self._endpoints_again(change.changed)
        owed, sub.owes_first = sub.owes_first, False
        return change.additions if change.changed or owed else ()

    def _endpoints_again(self, clusters: Mapping[str, Entry]) -> None:
        """Envoy builds a changed cluster anew and waits for its endpoints, but does not ask for what it once got."""
        wanted = {_endpoints_name(name, made) for name, made in clusters.items()}
        self._without_endpoints |= wanted
        if sub := self.subscriptions.get(ENDPOINTS):
            for name in sorted(wanted & sub.names):
                self._demand_endpoints(sub, name)

    def _demand_endpoints(self, sub: Subscription, name: str) -> None:
        self._without_endpoints.discard(name)
        sub.held.pop(name, None)
        sub.demanded[name] = None

    def _add_named(self, sub: Subscription, goal: Snapshot, changed: Mapping[str, Entry]) -> Iterable[Response]:
        found = {n: e for n, e in changed.items() if n in sub.names}
        if self._resolve:
            rest = sub.names - goal.of(sub.type_url).keys()
            found |= {n: e for n in rest if (e := self._resolve(goal, sub.type_url, n))}
        return self._send(sub, {n: e for n, e in found.items() if sub.held.get(n) != e.version}, ())

    def _remove(self, sub: Subscription, goal: Snapshot) -> Iterable[Response]:
        new = goal.entries.get(sub.type_url, NOTHING)
        if sub.base is new:
            return ()
        change = self._feed.change(sub.type_url, sub.base, new)
        sub.base = new
        for name in change.removed if sub.rejected else ():
            sub.rejected.pop(name, None)
        if sub.wildcard:
            return change.removals if change.removed else ()
        gone = tuple(n for n in sub.held if self._find(goal, sub.type_url, n) is None)
        return self._send(sub, {}, gone)

    def _answer(self, sub: Subscription, goal: Snapshot) -> Iterable[Response]:
        """What was asked for by name, from the newest snapshot; what is not there is said to be removed."""
        asked, sub.demanded = sub.demanded, {}
        found = {n: e for n in asked if (e := self._find(goal, sub.type_url, n))}
        missing = tuple(n for n in asked if n not in found)
        return self._send(sub, {n: e for n, e in found.items() if sub.held.get(n) != e.version}, missing, asked=True)

    def _send(
        self, sub: Subscription, found: Mapping[str, Entry], gone: tuple[str, ...], *, asked: bool = False
    ) -> Iterable[Response]:
        for name, entry in found.items():
            sub.held[name] = entry.version
            sub.unknown.pop(name, None)
            sub.rejected.pop(name, None)
        for name in gone:
            sub.held.pop(name, None)
            sub.rejected.pop(name, None)
            sub.unknown[name] = None
        while len(sub.unknown) > MAX_UNKNOWN:
            oldest = next(iter(sub.unknown))
            del sub.unknown[oldest]
            sub.names.discard(oldest)
        if not asked and sub.type_url in IMPLIED:
            gone = ()
        return responses(sub.type_url, found, gone, self._feed.nonces) if found or gone else ()

    def _find(self, goal: Snapshot, type_url: str, name: str) -> Entry | None:
        if (found := goal.of(type_url).get(name)) is None and self._resolve:
            return self._resolve(goal, type_url, name)
        return found

    def _begin(self, sub: Subscription, request: "discovery.DeltaDiscoveryRequest") -> None:
        """A type's first request on this stream: wildcard when it names nothing or "*"; says what the client holds."""
        held = dict(request.initial_resource_versions)
        sub.wildcard = not request.resource_names_subscribe or "*" in request.resource_names_subscribe
        if not sub.wildcard:
            sub.held = held
        elif held:
            sub.base = self._feed.holding(sub.type_url, held)
        sub.owes_first = sub.wildcard and not held

    def _subscribe(self, sub: Subscription, request: "discovery.DeltaDiscoveryRequest") -> None:
        for name in request.resource_names_subscribe:
            if name == "*" and not sub.wildcard:
                sub.wildcard = sub.owes_first = True
                sub.base = {n: Entry(v, b"") for n, v in sub.held.items()}
            elif not sub.wildcard:
                sub.names.add(name)
                if name not in request.initial_resource_versions:
                    sub.held.pop(name, None)
                sub.demanded[name] = None
                if sub.type_url == ENDPOINTS and name in self._without_endpoints:
                    self._demand_endpoints(sub, name)  # held from an earlier stream, by the cluster as it was then

    def _answered(self, sub: Subscription, request: "discovery.DeltaDiscoveryRequest") -> None:
        _, response = sub.unanswered.pop(request.response_nonce, (0.0, None))
        if response is None or not request.error_detail.code:
            return
        reason = request.error_detail.message
        blamed = [n for n in response.names if len(response.names) == 1 or names(reason, n)]
        for name in blamed:
            sub.rejected[name] = reason
        if len(response.names) > 1:
            rest = [n for n in response.names if n not in sub.rejected]
            self._again(sub, (rest,) if blamed else (rest[: len(rest) // 2], rest[len(rest) // 2 :]))

    def _again(self, sub: Subscription, parts: Iterable[Sequence[str]]) -> None:
        """Send what was rejected along with something bad once more, without it: Envoy may have stopped halfway."""
        goal = self._feed.snapshot
        for part in parts:
            if goal and (entries := {n: e for n in part if (e := self._find(goal, sub.type_url, n))}):
                sub.queue.extend(responses(sub.type_url, entries, (), self._feed.nonces))


def _asks(request: "discovery.DeltaDiscoveryRequest") -> bool:
    """Whether a request is more than the acceptance of a response."""
    return (
        not request.response_nonce
        or bool(request.error_detail.code)
        or bool(request.resource_names_subscribe)
        or bool(request.resource_names_unsubscribe)
    )


def _endpoints_name(name: str, made: Entry) -> str:
    """What a cluster asks for as its endpoints; what cannot be read is for Envoy to refuse."""
    try:
        return cluster.Cluster.FromString(made.body).eds_cluster_config.service_name or name
    except DecodeError:
        return name


def names(reason: str, name: str) -> bool:
    """Whether an error text names a resource, as a word of its own."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", reason) is not None
