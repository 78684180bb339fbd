"""Stream routes as Envoy's resources: one listener per port, whose changes leave open connections alone.

Three things are apart so that each can change while connections are open (docs/adr/0008): which route a connection
meets is the listener's matcher; what the filters of a route do comes by discovery (ECDS), and holds for connections
that come later; a filter chain itself changes only with what cannot change under a connection, whether TLS ends here.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from gatefleet.compile.emit import listeners
from gatefleet.compile.emit.upstreams import ADS, seconds
from gatefleet.compile.streams import StreamRoute, Transport
from gatefleet.compile.wire import dump
from gatefleet.native.config import encode_config
from gatefleet.protos import pack, type_url
from gatefleet.protos.envoy.config.accesslog import v3 as accesslog
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.listener import v3 as listener
from gatefleet.protos.envoy.extensions.access_loggers.stats import v3 as stats
from gatefleet.protos.envoy.extensions.dynamic_modules import v3 as modules
from gatefleet.protos.envoy.extensions.filters.common.set_filter_state import v3 as filter_state
from gatefleet.protos.envoy.extensions.filters.listener.set_filter_state import v3 as listener_state
from gatefleet.protos.envoy.extensions.filters.listener.tls_inspector import v3 as tls_inspector
from gatefleet.protos.envoy.extensions.filters.network.dynamic_modules import v3 as module_filter
from gatefleet.protos.envoy.extensions.filters.network.set_filter_state import v3 as network_state
from gatefleet.protos.envoy.extensions.filters.network.tcp_proxy import v3 as tcp_proxy
from gatefleet.protos.envoy.extensions.filters.udp.udp_proxy import v3 as udp_proxy
from gatefleet.protos.envoy.extensions.matching.common_inputs.network import v3 as inputs
from gatefleet.protos.envoy.extensions.matching.input_matchers.ip import v3 as ip
from gatefleet.protos.envoy.type import v3 as types
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as matcher
from gatefleet.snapshot import STREAM_LISTENER

if TYPE_CHECKING:
    from google.protobuf.message import Message

Matcher = matcher.Matcher
Predicate = Matcher.MatcherList.Predicate

DENIED: Final = "gf.denied"
"""Neither a filter chain nor a cluster: connections sent there are closed, datagrams are dropped."""
UDP_IDLE: Final = 60.0
"""Seconds after which a client's next datagram may go to another node; constant, as the listener must be."""


def listener_name(transport: Transport, port: int) -> str:
    return f"{STREAM_LISTENER}{transport}:{port}"


def compile_listener(transport: Transport, port: int, routes: Iterable[StreamRoute]) -> bytes:
    """Serialized Listener of one port. The most specific route wins: server name, client, server address, id."""
    ordered = sorted(routes, key=_rank)
    if transport == "udp":
        return dump(_udp_listener(port, ordered))
    return dump(_tcp_listener(port, ordered))


def compile_filters(route: StreamRoute) -> Iterator[tuple[str, bytes]]:
    """(name, serialized TypedExtensionConfig) of what the filters of a TCP route do."""
    if route.transport == "tcp":
        yield _extension(_limit_name(route), _limit(route))
        yield _extension(_proxy_name(route), _proxy(route))


def compile_inspector(port: int, routes: Iterable[StreamRoute]) -> tuple[str, bytes]:
    """(name, serialized TypedExtensionConfig) of the listener filter of a TCP port.

    Only where a server name counts does it wait for the client's first bytes: with many protocols the server begins.
    """
    looks = any(route.sni for route in routes)
    return _extension(_inspector_name(port), tls_inspector.TlsInspector() if looks else listener_state.Config())


def _extension(name: str, config: "Message") -> tuple[str, bytes]:
    return name, dump(core.TypedExtensionConfig(name=name, typed_config=pack(config)))


def _inspector_name(port: int) -> str:
    return f"{listener_name('tcp', port)}/inspector"


def _limit_name(route: StreamRoute) -> str:
    return f"stream:{route.id}/limit"


def _proxy_name(route: StreamRoute) -> str:
    return f"stream:{route.id}/proxy"


def _tcp_listener(port: int, routes: Sequence[StreamRoute]) -> listener.Listener:
    kinds = (tls_inspector.TlsInspector, listener_state.Config)
    return listener.Listener(
        name=listener_name("tcp", port),
        address=_address(port, "TCP"),
        listener_filters=[
            listener.ListenerFilter(name=_inspector_name(port), config_discovery=_discovered(kinds)),
        ],
        continue_on_listener_filters_timeout=True,
        filter_chains=[_chain(route) for route in sorted(routes, key=lambda route: route.id)],
        filter_chain_matcher=_tree(routes, _chain_named),
        per_connection_buffer_limit_bytes=wkt.UInt32Value(value=1 << 20),
        tcp_backlog_size=wkt.UInt32Value(value=4096),
    )


def _chain(route: StreamRoute) -> listener.FilterChain:
    limits = (module_filter.DynamicModuleNetworkFilter, network_state.Config)
    return listener.FilterChain(
        name=route.id,
        filters=[
            listener.Filter(name=_limit_name(route), config_discovery=_discovered(limits)),
            _FORWARD_SERVER_NAME,
            listener.Filter(name=_proxy_name(route), config_discovery=_discovered((tcp_proxy.TcpProxy,))),
        ],
        transport_socket=listeners.on_demand_tls(alpn=()) if route.terminates else None,
    )


def _discovered(kinds: "Iterable[type[Message]]") -> core.ExtensionConfigSource:
    return core.ExtensionConfigSource(config_source=ADS, type_urls=[type_url(kind) for kind in kinds])


_FORWARD_SERVER_NAME: Final = listener.Filter(
    name="server_name",
    typed_config=pack(
        network_state.Config(
            on_new_connection=[
                filter_state.FilterStateValue(
                    object_key="envoy.network.upstream_server_name",
                    format_string={"text_format_source": {"inline_string": "%REQUESTED_SERVER_NAME%"}},
                    shared_with_upstream="ONCE",
                    skip_if_empty=True,
                )
            ]
        )
    ),
)
"""An upstream with scheme tls is asked for the server name that the client asked for."""


def _limit(route: StreamRoute) -> "Message":
    if route.limit is None:
        return network_state.Config()
    fields = (("owner", route.limit_owner.encode()), ("conn", str(route.limit.most).encode()))
    config = encode_config((*fields, *(("key", part) for part in route.limit.key)))
    return module_filter.DynamicModuleNetworkFilter(
        dynamic_module_config=modules.DynamicModuleConfig(name="gatefleet", do_not_close=True),
        filter_name="limit-conn",
        filter_config=pack(wkt.BytesValue(value=config)),
    )


def _proxy(route: StreamRoute) -> tcp_proxy.TcpProxy:
    one = route.targets[0].cluster if len(route.targets) == 1 else ""
    weighted = [{"name": target.cluster, "weight": target.weight} for target in route.targets]
    return tcp_proxy.TcpProxy(
        stat_prefix="stream",
        cluster=one or None,
        weighted_clusters=None if one else {"clusters": weighted},
        hash_policy=[types.HashPolicy(source_ip={})] if route.by_source else None,
        idle_timeout=seconds(route.idle_timeout),
        max_connect_attempts=wkt.UInt32Value(value=route.attempts),
        access_log=[_metrics_log(*route.counted)] if route.counted else None,
    )


def _udp_listener(port: int, routes: Sequence[StreamRoute]) -> listener.Listener:
    proxy = udp_proxy.UdpProxyConfig(
        stat_prefix="stream",
        matcher=_tree(routes, _cluster_named),
        idle_timeout=seconds(UDP_IDLE),
        hash_policies=[udp_proxy.UdpProxyConfig.HashPolicy(source_ip=True)]
        if any(r.by_source for r in routes)
        else None,
    )
    return listener.Listener(
        name=listener_name("udp", port),
        address=_address(port, "UDP"),
        udp_listener_config={},
        listener_filters=[listener.ListenerFilter(name="udp", typed_config=pack(proxy))],
    )


def _address(port: int, protocol: str) -> core.Address:
    where = {"protocol": protocol, "address": "0.0.0.0", "port_value": port}  # noqa: S104  (the node binds its own)
    return core.Address(socket_address=where)


def _rank(route: StreamRoute) -> tuple[int, int, int, int, str]:
    sni = route.sni or ""
    precision = 0 if sni and not sni.startswith("*") else 1 if sni else 2
    return precision, -len(sni), -_prefix(route.remote_addr), -_prefix(route.server_addr), route.id


def _prefix(network: str | None) -> int:
    return -1 if network is None else ipaddress.ip_network(network).prefixlen


def _tree(routes: Iterable[StreamRoute], to: Callable[[str], Matcher.OnMatch]) -> matcher.Matcher:
    """The first route whose conditions hold; addresses it does not let in go to `DENIED` and to no other route."""
    fields: list[Matcher.MatcherList.FieldMatcher] = []
    last: Matcher.OnMatch | None = None
    for route in routes:
        taken = _guarded(route, to)
        conditions = list(_conditions(route))
        if not conditions:
            last = taken
            break
        fields.append(Matcher.MatcherList.FieldMatcher(predicate=_all_of(conditions), on_match=taken))
    return Matcher(matcher_list=Matcher.MatcherList(matchers=fields) if fields else None, on_no_match=last)


def _guarded(route: StreamRoute, to: Callable[[str], Matcher.OnMatch]) -> Matcher.OnMatch:
    taken = to(route.id if route.transport == "tcp" else route.targets[0].cluster)
    refused = list(_refused(route))
    if not refused:
        return taken
    field = Matcher.MatcherList.FieldMatcher(predicate=_any_of(refused), on_match=to(DENIED))
    inner = Matcher(matcher_list=Matcher.MatcherList(matchers=[field]), on_no_match=taken)
    return Matcher.OnMatch(matcher=inner)


def _refused(route: StreamRoute) -> Iterator[Predicate]:
    if route.addresses.allowed:
        yield Predicate(not_matcher=_in_networks(inputs.SourceIPInput(), route.addresses.allowed))
    if route.addresses.denied:
        yield _in_networks(inputs.SourceIPInput(), route.addresses.denied)


def _conditions(route: StreamRoute) -> Iterator[Predicate]:
    if route.sni:
        yield _named(route.sni)
    if route.remote_addr:
        yield _in_networks(inputs.SourceIPInput(), (route.remote_addr,))
    if route.server_addr:
        yield _in_networks(inputs.DestinationIPInput(), (route.server_addr,))


def _named(sni: str) -> Predicate:
    wanted = {"suffix": sni[1:]} if sni.startswith("*") else {"exact": sni}
    single = Predicate.SinglePredicate(
        input=_input(inputs.ServerNameInput()), value_match={**wanted, "ignore_case": True}
    )
    return Predicate(single_predicate=single)


def _in_networks(of: "Message", networks: Iterable[str]) -> Predicate:
    parsed = (ipaddress.ip_network(network, strict=False) for network in networks)
    ranges = [
        core.CidrRange(address_prefix=str(n.network_address), prefix_len=wkt.UInt32Value(value=n.prefixlen))
        for n in parsed
    ]
    config = pack(ip.Ip(cidr_ranges=ranges, stat_prefix="gf"))
    single = Predicate.SinglePredicate(
        input=_input(of), custom_match=xds.TypedExtensionConfig(name="ip", typed_config=config)
    )
    return Predicate(single_predicate=single)


def _input(of: "Message") -> xds.TypedExtensionConfig:
    return xds.TypedExtensionConfig(name="input", typed_config=pack(of))


def _all_of(parts: Sequence[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else Predicate(and_matcher={"predicate": parts})


def _any_of(parts: Sequence[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else Predicate(or_matcher={"predicate": parts})


def _chain_named(name: str) -> Matcher.OnMatch:
    return _action(wkt.StringValue(value=name))


def _cluster_named(name: str) -> Matcher.OnMatch:
    return _action(udp_proxy.Route(cluster=name))


def _action(config: "Message") -> Matcher.OnMatch:
    return Matcher.OnMatch(action=xds.TypedExtensionConfig(name="to", typed_config=pack(config)))


_SCOPE: Final = types.Scope(prefix="gf", sharing_name="gf-metrics", max_counters=wkt.UInt32Value(value=200_000))
"""One bounded set of series for all ports: labels come from configuration, yet memory has a ceiling."""


def _metrics_log(route: str, service: str) -> accesslog.AccessLog:
    """Counters of connections that have ended, and of their bytes."""

    def stat(name: str) -> stats.Config.Stat:
        tags = {"route": route, "service": service}
        own = [stats.Config.Tag(name=key, value_format=value.replace("%", "%%")) for key, value in tags.items()]
        return stats.Config.Stat(name=name, tags=own)

    config = stats.Config(
        stats_scope=_SCOPE,
        counters=[
            {"stat": stat("stream_connection_total"), "value_fixed": wkt.UInt64Value(value=1)},
            {"stat": stat("stream_bandwidth_ingress"), "value_format": "%BYTES_RECEIVED%"},
            {"stat": stat("stream_bandwidth_egress"), "value_format": "%BYTES_SENT%"},
        ],
    )
    return accesslog.AccessLog(name="envoy.access_loggers.stats", typed_config=pack(config))
