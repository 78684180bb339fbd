"""Which routes of services to be published would answer the same requests as routes a group already has."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import array

from gatefleet.errors import Conflict
from gatefleet.resources import Document
from gatefleet.store import Documents
from gatefleet.store.tables import resource

R = resource.c
CONDITIONS: Final = ("vars", "hosts", "remote_addrs", "filter_func")
"""What else a request must meet for a route: routes that differ in it can stand side by side."""
NAMED: Final = 5
"""How many pairs a message names; the answer has them all."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address a route answers on."""

    service_id: str
    service_name: str
    route_id: str
    route_name: str
    host: str
    path: str
    methods: frozenset[str] = frozenset()
    priority: int = 0
    conditions: bytes = field(default=b"", repr=False)

    def shown(self) -> dict[str, str]:
        return {
            "service_id": self.service_id,
            "service_name": self.service_name,
            "route_id": self.route_id,
            "route_name": self.route_name,
            "url": self.host + self.path,
        }


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Pairs with the same address (`duplicate`), and pairs of which one answers before the other (`overlapping`)."""

    duplicate: tuple[tuple[Target, Target], ...] = ()
    overlapping: tuple[tuple[Target, Target], ...] = ()

    def plain(self) -> dict[str, list[list[dict[str, str]]]]:
        """As JSON."""
        sides = {"duplicate": self.duplicate, "overlapping": self.overlapping}
        return {name: [[one.shown(), other.shown()] for one, other in pairs] for name, pairs in sides.items()}

    def refuse_duplicates(self, group_id: str) -> None:
        """Conflict, naming the routes, if two would answer the same requests."""
        if self.duplicate:
            said = _said(self.duplicate, "is already answered by")
            raise Conflict(f"gateway group [{group_id}]: {said}; change host, path, method or priority", self.plain())

    def warnings(self, group_id: str) -> list[str]:
        """A sentence for every kind of pair there is."""
        kinds = ((self.duplicate, "is also answered by"), (self.overlapping, "overlaps with"))
        return [f"gateway group [{group_id}]: {_said(pairs, verb)}" for pairs, verb in kinds if pairs]


async def neighbours(documents: Documents, coming: Collection[Document]) -> list[Document]:
    """For `conflicts`: the group's other services on the hosts of these, and their routes, without what matters not."""
    own = {document.id for document in coming if document.kind == "services"}
    hosts = {host for document in coming if document.kind == "services" for host in _hosts(document.body)}
    services = [document for document in await _bodies(documents, R.kind == "services") if document.id not in own]
    near = [document for document in services if hosts.intersection(_hosts(document.body))]
    if not near:
        return []
    below = R.kind.in_(["routes", "stream_routes"]) & R.parent.in_([document.id for document in near])
    return [*near, *await _bodies(documents, below)]


async def _bodies(documents: Documents, condition: ColumnElement[bool]) -> list[Document]:
    """Documents without plugins and upstreams, which is where secrets are."""
    body = R.body.op("-")(array(["plugins", "upstream"]))
    statement = select(R.kind, R.id, R.parent, body.label("body")).where(R.group_id == documents.group_id, condition)
    return [Document(row.kind, row.id, row.parent, row.body) for row in await documents.connection.execute(statement)]


def _hosts(service: Mapping[str, Any]) -> list[str]:
    """What a service's routes answer to; those of a stream service answer to ports."""
    if service.get("type") == "stream":
        return ["stream"]
    return [host.lower() for host in service.get("hosts") or ["*"]]


def conflicts(wanted: Iterable[Document], present: Iterable[Document]) -> Conflicts:
    """What services and routes that are to come have in common with each other, and with those that are there."""
    there = _Addresses(_targets(present))
    duplicate: list[tuple[Target, Target]] = []
    overlapping: list[tuple[Target, Target]] = []
    for _, own in groupby(sorted(_targets(wanted), key=_owner), key=_owner):
        targets = list(own)
        for mine in targets:
            for other in there.near(mine):
                same = mine.path == other.path and _rank(mine) == _rank(other)
                (duplicate if same else overlapping).append((mine, other))
        there.add(targets)
    return Conflicts(tuple(duplicate), tuple(overlapping))


class _Addresses:
    """Targets by host and path, found without looking at all of them."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._held: dict[tuple[str, str], list[Target]] = {}
        self._paths: dict[str, list[str]] = {}
        self.add(targets)

    def add(self, targets: Iterable[Target]) -> None:
        for target in targets:
            self._held.setdefault((target.host, target.path), []).append(target)
        for host, path in self._held:
            self._paths.setdefault(host, []).append(path)
        self._paths = {host: sorted(set(paths)) for host, paths in self._paths.items()}

    def near(self, mine: Target) -> Iterator[Target]:
        """Targets that may answer the same requests: the same path, one that covers it, or one that it covers."""
        plain = mine.path.removesuffix("*")
        paths = {mine.path, *(f"{plain[:length]}*" for length in range(len(plain) + 1))}
        if mine.path.endswith("*"):
            ordered = self._paths.get(mine.host, [])
            first = bisect_left(ordered, plain)
            paths.update(takewhile(lambda path: path.startswith(plain), ordered[first:]))
        for path in sorted(paths):
            for other in self._held.get((mine.host, path), ()):
                if _share_a_method(mine, other):
                    yield other


def _said(pairs: Collection[tuple[Target, Target]], verb: str) -> str:
    named = [
        f"{one.host}{one.path} of route [{one.route_name}] (service [{one.service_name}]) {verb} "
        f"route [{other.route_name}] (service [{other.service_name}])"
        for one, other in list(pairs)[:NAMED]
    ]
    more = [f"and {len(pairs) - NAMED} more"] if len(pairs) > NAMED else []
    return ", ".join([*named, *more])


def _targets(documents: Iterable[Document]) -> Iterator[Target]:
    held = list(documents)
    services = {document.id: document.body for document in held if document.kind == "services"}
    for document in held:
        service = services.get(document.parent or "")
        if service is None:
            continue
        if document.kind == "routes":
            yield from _http(document, service)
        elif document.kind == "stream_routes":
            yield _stream(document, service)


def _http(route: Document, service: Mapping[str, Any]) -> Iterator[Target]:
    body = route.body
    prefix = str(service.get("path_prefix") or "").rstrip("/")
    met = msgspec.json.encode({name: body[name] for name in CONDITIONS if body.get(name)}, order="sorted")
    names = (str(route.parent), str(service["name"]), route.id, str(body["name"]))
    methods = frozenset[str](body.get("methods") or ())
    for host in _hosts(service):
        for path in body["paths"]:
            yield Target(*names, host, prefix + path, methods, body.get("priority", 0), met)


def _stream(route: Document, service: Mapping[str, Any]) -> Target:
    """A stream route answers on an address and port, some callers, and a server name."""
    body = route.body
    where = f"{body.get('server_addr') or '*'}:{body.get('server_port') or '*'}"
    who = f" from {body.get('remote_addr') or 'anywhere'} for {body.get('sni') or 'any name'}"
    return Target(str(route.parent), str(service["name"]), route.id, str(body["name"]), where, who)


def _owner(target: Target) -> str:
    return target.service_id


def _rank(target: Target) -> tuple[int, bytes]:
    return target.priority, target.conditions


def _share_a_method(one: Target, other: Target) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)
