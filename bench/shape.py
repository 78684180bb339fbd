"""The groups that are measured: hosts, paths, services and plugins, as the Admin API takes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]
KEY: Final = "bench-key"
HOST: Final = "bench.test"
MARKER_HOST: Final = "marker.test"
HEADERS: Final = {"apikey": KEY}
"""Sent to every contender alike, also where nobody looks at it."""

KEY_AUTH: Final[Json] = {"key-auth": {}}
LIMIT: Final[Json] = {"limit-count": {"count": 1_000_000_000, "time_window": 60, "key": "remote_addr"}}
HEADERS_SET: Final[Json] = {"proxy-rewrite": {"headers": {"set": {"x-bench": "1"}}}}
PLUGINS: Final[Mapping[str, Json]] = {
    "0 plugins": {},
    "key-auth": KEY_AUTH,
    "key-auth + limit-count": {**KEY_AUTH, **LIMIT},
}
ON_EVERY_ROUTE: Final[Json] = {**KEY_AUTH, **LIMIT, **HEADERS_SET}
"""What routes carry while changes are timed."""


@dataclass(frozen=True, slots=True)
class Shape:
    """So many routes, spread evenly over services of one host each."""

    routes: int
    hosts: int = 1

    @property
    def name(self) -> str:
        return f"{self.routes:,} route{'s' * (self.routes > 1)}, {self.hosts} host{'s' * (self.hosts > 1)}"

    def host(self, n: int) -> str:
        """The host of route number `n`."""
        return HOST if self.hosts == 1 else f"h{self._service(n)}.{HOST}"

    def services(self, upstream: int, plugins: Json) -> Iterator[tuple[str, Json]]:
        """(path below /apisix/admin, body) of each service; all its routes inherit `plugins`."""
        nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
        for k in range(self.hosts):
            hosts = [self.host(k * self.routes // self.hosts)]
            body = {"name": f"s{k}", "hosts": hosts, "upstream": {"nodes": nodes}, "plugins": plugins}
            yield f"services/s{k}", body

    def route(self, n: int, plugins: Json) -> tuple[str, Json]:
        """(path below /apisix/admin, body) of route number `n`; `plugins` come on top of its service's."""
        service = f"s{self._service(n)}"
        return f"routes/r{n}", {"name": f"r{n}", "service_id": service, "paths": [path(n)], "plugins": plugins}

    def _service(self, n: int) -> int:
        return n * self.hosts // self.routes


def path(n: int) -> str:
    """The path of route number `n`; twenty share their first two segments."""
    return f"/api/s{n // 20}/r{n}"


def marker(upstream: int, mark: str) -> Iterator[tuple[str, Json]]:
    """(path below /apisix/admin, body) of a service and a route of their own, whose answers carry `mark`."""
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    yield "services/marker", {"name": "marker", "hosts": [MARKER_HOST], "upstream": {"nodes": nodes}}
    yield "routes/marker", {"name": "marker", "service_id": "marker", "paths": ["/marker"], "plugins": marked(mark)}


def marked(mark: str) -> Json:
    """A response header by which clients see that a change is live."""
    return {"response-rewrite": {"headers": {"set": {"x-live": mark}}}}
