"""The listeners every node has: constant, so that no configuration change ever drains a connection.

Routes come by scoped routes, plugins stand in the routes, certificates come on demand by SDS. The node binds
addresses and ports of its own; what is said here are the default ones.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from gatefleet.compile.emit import chains
from gatefleet.compile.emit.replies import local_replies
from gatefleet.compile.emit.upstreams import ADS, seconds
from gatefleet.compile.resolve import DEFAULT_TIMEOUT
from gatefleet.compile.wire import dump
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.accesslog import v3 as accesslog
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.listener import v3 as listener
from gatefleet.protos.envoy.extensions.access_loggers.dynamic_modules import v3 as module_log
from gatefleet.protos.envoy.extensions.dynamic_modules import v3 as modules
from gatefleet.protos.envoy.extensions.filters.http.composite import v3 as composite
from gatefleet.protos.envoy.extensions.filters.http.filter_chain import v3 as filter_chain
from gatefleet.protos.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
from gatefleet.protos.envoy.extensions.filters.http.router import v3 as router
from gatefleet.protos.envoy.extensions.filters.listener.tls_inspector import v3 as tls_inspector
from gatefleet.protos.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from gatefleet.protos.envoy.extensions.http.early_header_mutation.dynamic_modules import v3 as early
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls
from gatefleet.protos.envoy.extensions.transport_sockets.tls.cert_mappers.sni import v3 as sni
from gatefleet.protos.envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret import v3 as on_demand
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.type.matcher import v3 as matcher

HTTP: Final = "http"
HTTPS: Final = "https"
HTTP3: Final = "http3"
PROBE: Final = "probe"
PORTS: Final = {HTTP: 9080, HTTPS: 9443, HTTP3: 9443}
PROBE_SOCKET: Final = "probe.sock"
"""Relative to the node's run directory; the node makes it absolute."""
ON_DEMAND: Final = "on-demand"
"""The chain of all names but those with a chain of their own."""
NO_SNI: Final = "gf-no-sni"
SERVER: Final = "gatefleet"
HTTP_PROTOCOLS: Final = ("h2", "http/1.1")
YES: Final = wkt.BoolValue(value=True)
NO: Final = wkt.BoolValue(value=False)


def compile_listeners() -> Iterator[tuple[str, bytes]]:
    """(name, serialized Listener) of each listener that nothing ever changes."""
    yield HTTP, dump(_public(HTTP, [listener.FilterChain(filters=[http_filter()])]))
    yield PROBE, dump(_probe())


def compile_https(apart: Sequence[listener.FilterChain], chooser: matcher.Matcher) -> bytes:
    """Serialized Listener for TLS: a chain with certificates on demand, and those of names that need one `apart`.

    `chooser` finds the name of the chain; whatever it says, the listener's own fields stay as they are, so chains that
    stay the same keep their connections.
    """
    usual = listener.FilterChain(name=ON_DEMAND, filters=[http_filter()], transport_socket=on_demand_tls())
    message = _public(HTTPS, [usual, *apart])
    message.listener_filters.append(_INSPECTOR)
    message.filter_chain_matcher.CopyFrom(chooser)
    return dump(message)


def compile_http3(chains: Sequence[listener.FilterChain], chooser: matcher.Matcher) -> bytes:
    """Serialized Listener for HTTP/3 over UDP; a name for which `chooser` says a chain that is not here is refused."""
    return dump(
        listener.Listener(
            name=HTTP3,
            address={"socket_address": {"protocol": "UDP", "address": "0.0.0.0", "port_value": PORTS[HTTP3]}},  # noqa: S104
            udp_listener_config={"quic_options": {}, "downstream_socket_config": {"prefer_gro": YES}},
            filter_chains=chains,
            filter_chain_matcher=chooser,
            enable_reuse_port=YES,
        )
    )


def _public(name: str, chains: Sequence[listener.FilterChain]) -> listener.Listener:
    return listener.Listener(
        name=name,
        address={"socket_address": {"address": "0.0.0.0", "port_value": PORTS[name]}},  # noqa: S104
        filter_chains=chains,
        per_connection_buffer_limit_bytes=wkt.UInt32Value(value=1 << 20),
        tcp_backlog_size=wkt.UInt32Value(value=4096),
    )


def http_filter(more: Sequence[core.TypedExtensionConfig] = (), *, http3: bool = False) -> listener.Filter:
    """Requests of a public listener; `more` changes their headers after the native module, before the route.

    `http3`: answers say that the same port speaks HTTP/3 too.
    """
    message = hcm.HttpConnectionManager()
    message.CopyFrom(_public_manager())
    message.early_header_mutation_extensions.extend(more)
    if http3:
        message.http_filters.insert(0, _ALT_SVC)
    return listener.Filter(name="http", typed_config=pack(message))


def http3_filter() -> listener.Filter:
    """Requests that come by HTTP/3."""
    message = hcm.HttpConnectionManager()
    message.CopyFrom(_public_manager())
    message.codec_type = hcm.HttpConnectionManager.HTTP3
    message.http3_protocol_options.SetInParent()
    return listener.Filter(name="http", typed_config=pack(message))


_ALT_SVC: Final = hcm.HttpFilter(
    name="alt-svc",
    typed_config=pack(
        header_mutation.HeaderMutation(
            mutations={
                "response_mutations": [
                    {
                        "append": {
                            "header": {"key": "alt-svc", "value": 'h3=":%DOWNSTREAM_LOCAL_PORT%"; ma=86400'},
                            "append_action": "ADD_IF_ABSENT",
                        }
                    }
                ]
            }
        )
    ),
)
"""The port is the one the connection came to: whatever this node adds to it."""


def _probe() -> listener.Listener:
    """Where the node's agent asks which version a scope serves; nobody else can reach it.

    Connections are dealt out evenly, so that as many of them as there are workers reach every worker.
    """
    manager = listener.Filter(name="http", typed_config=pack(_manager(public=False)))
    return listener.Listener(
        name=PROBE,
        address={"pipe": {"path": PROBE_SOCKET, "mode": 0o600}},
        filter_chains=[{"filters": [manager]}],
        connection_balance_config={"exact_balance": {}},
    )


_INSPECTOR: Final = listener.ListenerFilter(
    name="envoy.filters.listener.tls_inspector", typed_config=pack(tls_inspector.TlsInspector())
)


@cache
def _public_manager() -> hcm.HttpConnectionManager:
    """To be copied: every chain of names that stand apart has one."""
    return _manager(public=True)


def _manager(*, public: bool) -> hcm.HttpConnectionManager:
    return hcm.HttpConnectionManager(
        stat_prefix="gf" if public else PROBE,
        scoped_routes=_scoped_routes(),
        http_filters=list(_filters()),
        early_header_mutation_extensions=[_SCOPE_MODULE] if public else None,
        access_log=[_TRAFFIC_LOG] if public else None,
        local_reply_config=local_replies() if public else None,
        server_name=SERVER,
        use_remote_address=YES,
        skip_xff_append=True,
        normalize_path=YES,
        merge_slashes=True,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        http_protocol_options=core.Http1ProtocolOptions(accept_http_10=True, default_host_for_http_10="_"),
        http2_protocol_options=core.Http2ProtocolOptions(max_concurrent_streams=wkt.UInt32Value(value=128)),
        common_http_protocol_options=core.HttpProtocolOptions(
            idle_timeout=seconds(60), headers_with_underscores_action="ALLOW"
        ),
        generate_request_id=NO,
        preserve_external_request_id=True,
        stream_idle_timeout=seconds(DEFAULT_TIMEOUT),
        upgrade_configs=[{"upgrade_type": "websocket", "enabled": NO}],
        scheme_header_transformation={"match_upstream": False},
    )


_SCOPE_MODULE: Final = core.TypedExtensionConfig(
    name="scope",
    typed_config=pack(
        early.DynamicModuleEarlyHeaderMutation(
            dynamic_module_config=modules.DynamicModuleConfig(name="gatefleet", do_not_close=True),
            early_header_mutation_name="scope",
        )
    ),
)


def _scoped_routes() -> hcm.ScopedRoutes:
    key = {"header_value_extractor": {"name": "x-gf-scope", "element_separator": "\x01", "index": 0}}
    return hcm.ScopedRoutes(
        name="gf",
        scope_key_builder={"fragments": [key]},
        rds_config_source=ADS,
        scoped_rds={"scoped_rds_config_source": ADS},
    )


def _filters() -> Iterator[hcm.HttpFilter]:
    """Envoy enables a disabled filter for a route or virtual host that configures it, so empty slots cost nothing."""
    chain = pack(filter_chain.FilterChainConfig())
    choice = pack(composite.Composite())
    yield hcm.HttpFilter(name=chains.GLOBAL, typed_config=chain, disabled=True)
    yield hcm.HttpFilter(name=chains.GLOBAL_WHERE, typed_config=choice, disabled=True)
    yield hcm.HttpFilter(name=chains.ROUTE, typed_config=chain, disabled=True)
    yield hcm.HttpFilter(name=chains.ROUTE_WHERE, typed_config=choice, disabled=True)
    yield hcm.HttpFilter(name=chains.CONSUMER, typed_config=choice, disabled=True)
    yield hcm.HttpFilter(
        name="router",
        typed_config=pack(router.Router(suppress_envoy_headers=True, dynamic_stats=NO)),
    )


@cache
def on_demand_tls(alpn: tuple[str, ...] = HTTP_PROTOCOLS) -> core.TransportSocket:
    """TLS ends here, with the certificate that the node's agent has for the client's server name."""
    selector = on_demand.Config(
        config_source=ADS,
        certificate_mapper=core.TypedExtensionConfig(name="sni", typed_config=pack(sni.SNI(default_value=NO_SNI))),
    )
    context = tls.DownstreamTlsContext(
        common_tls_context=tls.CommonTlsContext(
            tls_params={"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            custom_tls_certificate_selector=core.TypedExtensionConfig(name="on-demand", typed_config=pack(selector)),
            alpn_protocols=alpn,
        ),
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


_TRAFFIC_LOG: Final = accesslog.AccessLog(
    name="traffic",
    typed_config=pack(
        module_log.DynamicModuleAccessLog(
            dynamic_module_config=modules.DynamicModuleConfig(name="gatefleet", do_not_close=True),
            logger_name="traffic",
        )
    ),
)
"""Counts every request for the control plane, and those that the prometheus plugin marked in series of their own."""
