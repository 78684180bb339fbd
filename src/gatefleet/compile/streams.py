"""Stream routes: from their documents to which connections are meant, who may connect, and where they go."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gatefleet import stream_plugins
from gatefleet.compile import ir, resolve
from gatefleet.errors import Invalid
from gatefleet.resources.messages import error_at
from gatefleet.stream_plugins import Addresses, Counted, OpenAtOnce, Share

Json = Mapping[str, Any]
Transport = Literal["tcp", "udp"]

OWN_PORTS: Final = (7085, 9080, 9091, 9443)
"""What a node itself listens on: status, http, metrics, https."""
IDLE: Final = 600.0
"""Seconds without a byte after which a connection is closed: nginx's proxy_timeout (ngx_stream_proxy_module)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster, and its share of the connections."""

    cluster: str
    weight: int


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """One stream route with everything inherited filled in. Networks are in CIDR form; None matches everything."""

    id: str
    transport: Transport
    port: int | None
    """None: every port that other stream routes open."""
    server_addr: str | None
    remote_addr: str | None
    sni: str | None
    """Lower case; exact or `*.suffix`."""
    passthrough: bool
    """TLS bytes are passed on as they are; else TLS with a server name ends here."""
    targets: tuple[Target, ...]
    upstreams: tuple[ir.Upstream, ...]
    """Clusters of its own."""
    by_source: bool
    """Consistent hashing by the client's address."""
    attempts: int
    """How many nodes are tried until one takes the connection."""
    idle_timeout: float
    addresses: Addresses
    limit: OpenAtOnce | None
    limit_owner: str
    counted: tuple[str, str] | None
    """Route and service that connections are counted under."""

    @property
    def terminates(self) -> bool:
        """Whether TLS ends at the gateway."""
        return self.sni is not None and not self.passthrough


def stream_route(document_id: str, body: Json, service_id: str, service: Json) -> StreamRoute:
    """One stream route of `service`; Invalid naming the field that cannot be carried."""
    upstream: Json = service.get("upstream") or {}
    transport: Transport = "udp" if upstream.get("scheme") == "udp" else "tcp"
    levels = ((f"service:{service_id}", service), (f"stream_route:{document_id}", body))
    used = _effects(levels, transport)
    effects = {name: effect for name, (_, effect) in used.items()}
    shares = effects.get("traffic-split") or (Share(1),)
    own = tuple(_own_upstreams(document_id, shares))
    timeout: Json = upstream.get("timeout") or {}
    limit = effects.get("limit-conn")
    counted = effects.get("prometheus")
    return StreamRoute(
        id=document_id,
        transport=transport,
        port=_port(body),
        server_addr=_network(body, "server_addr"),
        remote_addr=_network(body, "remote_addr"),
        sni=_server_name(body, transport),
        passthrough=bool(body.get("tls_passthrough")),
        targets=tuple(_targets(document_id, service_id, shares)),
        upstreams=own,
        by_source=_by_source(upstream),
        attempts=1 + _retries(upstream),
        idle_timeout=max(float(timeout.get("read") or 0), float(timeout.get("send") or 0)) or IDLE,
        addresses=effects.get("ip-restriction") or Addresses(),
        limit=limit,
        limit_owner=used["limit-conn"][0] if limit else "",
        counted=_labels(counted, (document_id, body), (service_id, service)) if counted else None,
    )


def _effects(levels: Iterable[tuple[str, Json]], transport: Transport) -> dict[str, tuple[str, Any]]:
    """Owner and effect of each plugin at work; a later level replaces an earlier one's plugin of the same name."""
    found: dict[str, tuple[str, Any]] = {}
    for owner, document in levels:
        configs: Json = document.get("plugins") or {}
        for name, conf in sorted(configs.items()):
            at = ("plugins", name)
            plugin = stream_plugins.plugin(name, at)
            if transport == "udp" and not plugin.datagrams:
                raise Invalid(f'Error at "/plugins/{name}": [{name}] does not work on datagrams (scheme udp)')
            found.pop(name, None)
            meta: Json = conf.get("_meta") or {}
            if not meta.get("disable"):
                found[name] = (owner, plugin.effect(conf, at))
    return found


def _port(body: Json) -> int | None:
    port = body.get("server_port")
    if port in OWN_PORTS:
        raise Invalid(f'Error at "/server_port": the gateway itself listens on {port}; choose another port')
    return port


def _network(body: Json, field: str) -> str | None:
    if not body.get(field):
        return None
    try:
        return str(ipaddress.ip_network(body[field], strict=False))
    except ValueError:
        raise Invalid(f'Error at "/{field}": [{body[field]}] is neither an address nor a CIDR range') from None


def _server_name(body: Json, transport: Transport) -> str | None:
    name: str | None = body.get("sni")
    if name and transport == "udp":
        raise Invalid('Error at "/sni": datagrams have no server name; leave sni out, or use scheme tcp')
    if body.get("tls_passthrough") and not name:
        raise Invalid('Error at "/tls_passthrough": only a route with sni looks into TLS; give sni or leave this out')
    return name.lower() if name else None


def _targets(route_id: str, service_id: str, shares: tuple[Share, ...]) -> Iterator[Target]:
    for number, share in enumerate(shares):
        if share.upstream is not None:
            yield Target(_own_name(route_id, number), share.weight)
        elif share.upstream_id in (None, service_id):
            yield Target(resolve.upstream_name(service_id), share.weight)
        else:
            yield Target(resolve.upstream_name(service_id, share.upstream_id), share.weight)


def _own_upstreams(route_id: str, shares: tuple[Share, ...]) -> Iterator[ir.Upstream]:
    for number, share in enumerate(shares):
        if share.upstream is None:
            continue
        for field in ("client_certificate", "ca_certificates"):
            if share.upstream.get(field):
                at = ("plugins", "traffic-split", "rules", 0, "weighted_upstreams", number, "upstream", field)
                raise Invalid(error_at(at, "make it an upstream of the service and name it by upstream_id"))
        yield resolve.upstream(_own_name(route_id, number), {"scheme": "tcp", **share.upstream})


def _own_name(route_id: str, number: int) -> str:
    return f"{route_id}/split/{number}"


def _by_source(upstream: Json) -> bool:
    if upstream.get("type") != "chash":
        return False
    on, key = upstream.get("hash_on") or "vars", upstream.get("key") or "remote_addr"
    if (on, key) != ("vars", "remote_addr"):
        raise Invalid(f'Error at "/upstream/key": a connection has no [{key}] to hash on; use vars with remote_addr')
    return True


def _retries(upstream: Json) -> int:
    given = upstream.get("retries")
    return int(given) if given is not None else max(len(upstream.get("nodes") or ()) - 1, 0)


def _labels(counted: Counted, route: tuple[str, Json], service: tuple[str, Json]) -> tuple[str, str]:
    if not counted.by_name:
        return route[0], service[0]
    return route[1].get("name") or route[0], service[1].get("name") or service[0]
