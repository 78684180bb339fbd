"""Route scopes: one RouteConfiguration per host, or per shard of a host with many routes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gatefleet.compile import paths, tree
from gatefleet.compile.emit import asking, routes
from gatefleet.compile.emit.guards import CLIENT_HEADER, Guard
from gatefleet.compile.wire import dump, embed, number
from gatefleet.native import sharding
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.google import protobuf as wkt
from gatefleet.snapshot import ROUTES_OF, HostLayout

ANY_HOST: Final = "*"
INTERNAL_HEADERS: Final = (
    "x-gf-scope",
    "x-gf-path",
    "x-gf-remote-addr",
    "x-gf-remote-port",
    CLIENT_HEADER,
    "x-envoy-external-address",
    "x-envoy-internal",
)
_VIRTUAL_HOSTS: Final = number(route.RouteConfiguration, "virtual_hosts")
_MATCHER: Final = number(route.VirtualHost, "matcher")


def lookup_order(host: str, known: Iterable[str]) -> tuple[str, ...]:
    """The hosts whose routes answer for `host`, nearest first: itself, wildcards from longest to shortest, any host."""
    if host == ANY_HOST:
        return (ANY_HOST,)
    suffixes = set(known)
    labels = host.removeprefix("*.").split(".")
    first = 1 if not host.startswith("*") else 0
    wild = ["*." + ".".join(labels[n:]) for n in range(first, len(labels))]
    return (host, *[w for w in wild if w in suffixes and w != host], ANY_HOST)


def shard_of(pattern: paths.Pattern, cut: HostLayout) -> int | None:
    """The one shard whose requests can match, or None when every shard's can."""
    if cut.shards == 1:
        return 0
    if not pattern.exact and paths.whole_segments(pattern) < cut.depth:
        return None
    return sharding.shard_index(pattern.key, cut.depth, cut.shards)


def scope(
    name: str,
    levels: Sequence[Sequence[tree.Candidate]],
    global_chain: Mapping[str, wkt.Any],
    answers: Sequence[str] = (),
    guard: Guard | None = None,
    bodies: Sequence[str] = (),
) -> bytes:
    """Serialized RouteConfiguration `name`; its probe answers with the hash of all the rest of it.

    `levels`: candidates of the host itself, then of its wildcards, then of any host. `answers`: headers that the
    native module sets for the conditions of routes; they go no further. `guard` refuses requests before any route.
    `bodies`: what the host's routes ask of bodies.
    """
    chained = routes.not_found()
    first, *lower = [asking.with_asking(candidates, bodies) for candidates in levels]
    for level in reversed(lower):
        chained = tree.level(level, chained)
    head = _head(global_chain)
    removed = [*INTERNAL_HEADERS, *answers, *asking.headers(bodies)]
    outer = dump(route.RouteConfiguration(name=ROUTES_OF + name, request_headers_to_remove=removed))
    guarded = tree.condition([guard.refused()]) if guard else b""
    version = hashlib.sha256(outer + head + guarded + tree.level(first, chained)).hexdigest()[:32]
    probe = routes.probe(version)
    if guard:
        behind = tree.first(guarded, routes.certificate_wanted(), tree.level(first, chained))
        top = tree.level([probe], behind)
    else:
        top = tree.level([probe, *first], chained)
    host = embed(_VIRTUAL_HOSTS, head, embed(_MATCHER, tree.root(top)))
    return outer + host


def scoped(name: str) -> bytes:
    """Serialized ScopedRouteConfiguration: the scope key `name` selects the RouteConfiguration of that scope."""
    return dump(
        route.ScopedRouteConfiguration(
            name=name, route_configuration_name=ROUTES_OF + name, key={"fragments": [{"string_key": name}]}
        )
    )


def _head(global_chain: Mapping[str, wkt.Any]) -> bytes:
    return dump(route.VirtualHost(name="host", domains=["*"], typed_per_filter_config=global_chain))
