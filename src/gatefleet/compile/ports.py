"""The ports that a group's stream routes open, kept up to date route by route."""

from collections.abc import Iterable

from gatefleet.compile.emit import streams, upstreams
from gatefleet.compile.streams import StreamRoute, Transport
from gatefleet.snapshot import CLUSTER, ENDPOINTS, EXTENSION, LISTENER

Port = tuple[Transport, int]
Written = dict[str, dict[str, bytes | None]]
"""Type URL to resource name to body; None: the resource is gone."""


class Ports:
    """Told which stream routes there are, it says which resources change."""

    def __init__(self) -> None:
        self._routes: dict[str, StreamRoute] = {}
        self._open: set[Port] = set()
        self._before: dict[str, StreamRoute] = {}
        """Of the routes that changed since the last `flush`: what they were; nothing for new ones."""
        self._changed: set[str] = set()

    def put(self, route_id: str, route: StreamRoute | None) -> None:
        """Set or remove one route; nothing is built before `flush`."""
        old = self._routes.pop(route_id, None)
        if route:
            self._routes[route_id] = route
        if route == old:
            return
        if old and route_id not in self._changed:
            self._before[route_id] = old
        self._changed.add(route_id)

    def portless(self) -> Iterable[str]:
        """Routes without a port of their own, where no other route opens one."""
        opened = {transport for transport, _ in self._open}
        return (route.id for route in self._routes.values() if route.port is None and route.transport not in opened)

    def flush(self) -> Written:
        """What has changed since the last `flush`."""
        written: Written = {CLUSTER: {}, ENDPOINTS: {}, EXTENSION: {}, LISTENER: {}}
        before = [self._before[route_id] for route_id in self._changed if route_id in self._before]
        after = [self._routes[route_id] for route_id in self._changed if route_id in self._routes]
        for route in before:
            written[EXTENSION].update(dict.fromkeys(name for name, _ in streams.compile_filters(route)))
            written[CLUSTER].update(dict.fromkeys(upstream.name for upstream in route.upstreams))
            written[ENDPOINTS].update(dict.fromkeys(upstream.name for upstream in route.upstreams))
        for route in after:
            written[EXTENSION].update(streams.compile_filters(route))
            for upstream in route.upstreams:
                written[CLUSTER][upstream.name] = upstreams.compile_cluster(upstream)
                written[ENDPOINTS][upstream.name] = upstreams.compile_endpoints(upstream)
        self._write_ports(written, [*before, *after])
        self._changed, self._before = set(), {}
        return written

    def _write_ports(self, written: Written, changed: list[StreamRoute]) -> None:
        everywhere = {route.transport for route in changed if route.port is None}
        wanted: set[Port] = {(route.transport, route.port) for route in self._routes.values() if route.port is not None}
        touched: set[Port] = {(route.transport, route.port) for route in changed if route.port is not None}
        touched |= {port for port in wanted if port[0] in everywhere}
        self._open = wanted
        for transport, port in sorted(touched):
            name = streams.listener_name(transport, port)
            here = [r for r in self._routes.values() if r.transport == transport and r.port in (port, None)]
            present = (transport, port) in wanted
            written[LISTENER][name] = streams.compile_listener(transport, port, here) if present else None
            if transport == "tcp":
                inspector, body = streams.compile_inspector(port, here)
                written[EXTENSION][inspector] = body if present else None
