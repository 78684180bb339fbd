"""Which routes of services to be published would answer the same requests as routes a group already has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Service = Mapping[str, Any]
"""`id`, `body` (the service as it would be in the group) and `routes` (bodies by id)."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address a route answers on."""

    service_id: str
    service_name: str
    route_id: str
    route_name: str
    host: str
    path: str
    methods: frozenset[str]

    def shown(self) -> dict[str, str]:
        return {
            "service_id": self.service_id,
            "service_name": self.service_name,
            "route_id": self.route_id,
            "route_name": self.route_name,
            "url": self.host + self.path,
        }


def conflicts(wanted: Sequence[Service], present: Sequence[Service]) -> dict[str, list[list[dict[str, str]]]]:
    """Pairs with the same address (`duplicate`), and pairs where one path covers the other (`overlapping`)."""
    duplicate: list[list[dict[str, str]]] = []
    overlapping: list[list[dict[str, str]]] = []
    theirs = [target for service in present for target in _targets(service)]
    for mine in (target for service in wanted for target in _targets(service)):
        for other in theirs:
            if mine.host != other.host or not _share_a_method(mine, other):
                continue
            if mine.path == other.path:
                duplicate.append([mine.shown(), other.shown()])
            elif _covers(mine.path, other.path) or _covers(other.path, mine.path):
                overlapping.append([mine.shown(), other.shown()])
    return {"duplicate": duplicate, "overlapping": overlapping}


def _targets(service: Service) -> Iterator[Target]:
    body = service["body"]
    prefix = str(body.get("path_prefix") or "").rstrip("/")
    for route_id, route in service["routes"].items():
        for host in body.get("hosts") or ["*"]:
            for path in route["paths"]:
                methods = frozenset(route.get("methods") or ())
                yield Target(service["id"], body["name"], route_id, route["name"], host.lower(), prefix + path, methods)


def _share_a_method(one: Target, other: Target) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)


def _covers(wide: str, narrow: str) -> bool:
    return wide.endswith("*") and narrow.removesuffix("*").startswith(wide[:-1])
