"""The groups that are measured: hosts, paths, services and plugins, as the Admin API takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]
PER_SERVICE: Final = 20
"""Routes of one service; they share the first two segments of their paths."""
KEY: Final = "bench-key"
HOST: Final = "bench.test"
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
    """So many routes, twenty to a service; the services share one host or have one each."""

    routes: int
    shared_host: bool = True

    @property
    def services(self) -> int:
        return -(-self.routes // PER_SERVICE)

    @property
    def name(self) -> str:
        hosts = 1 if self.shared_host else self.services
        return f"{self.routes:,} route{'s' * (self.routes > 1)}, {hosts} host{'s' * (hosts > 1)}"

    def host(self, n: int) -> str:
        """The host of route number `n`."""
        return HOST if self.shared_host else f"h{n // PER_SERVICE}.{HOST}"

    def service(self, k: int, upstream: int, plugins: Json) -> tuple[str, Json]:
        """(path below /apisix/admin, body) of service number `k`."""
        nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
        hosts = [self.host(k * PER_SERVICE)]
        return f"services/s{k}", {"name": f"s{k}", "hosts": hosts, "upstream": {"nodes": nodes}, "plugins": plugins}

    def route(self, n: int, plugins: Json) -> tuple[str, Json]:
        """(path below /apisix/admin, body) of route number `n`; `plugins` come on top of its service's."""
        service = f"s{n // PER_SERVICE}"
        return f"routes/r{n}", {"name": f"r{n}", "service_id": service, "paths": [path(n)], "plugins": plugins}


def path(n: int) -> str:
    """The path of route number `n`."""
    return f"/api/s{n // PER_SERVICE}/r{n}"


def marked(mark: str) -> Json:
    """A response header by which clients see that a change is live."""
    return {"response-rewrite": {"headers": {"set": {"x-live": mark}}}}
