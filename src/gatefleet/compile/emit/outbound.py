"""The clusters through which plugins ask others: whoever the request's authority names, plainly or by TLS.

They are constant; what is asked stands in the plugins' configurations.
"""

from collections.abc import Iterator
from typing import Final

from gatefleet.compile.emit.upstream_tls import CA_BUNDLE
from gatefleet.compile.emit.upstreams import HTTP_OPTIONS, seconds
from gatefleet.compile.wire import dump
from gatefleet.filters import ASK_HTTP, ASK_HTTPS, ASK_HTTPS_UNCHECKED
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.extensions.clusters.dynamic_forward_proxy import v3 as dynamic
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls
from gatefleet.protos.envoy.extensions.upstreams.http import v3 as http

CONNECT_TIMEOUT: Final = 5.0


def compile_outbound() -> Iterator[tuple[str, bytes]]:
    """(name, serialized Cluster) of each."""
    checked = tls.CommonTlsContext(validation_context={"trusted_ca": {"filename": CA_BUNDLE}})
    yield ASK_HTTP, dump(_cluster(ASK_HTTP, None))
    yield ASK_HTTPS, dump(_cluster(ASK_HTTPS, checked))
    yield ASK_HTTPS_UNCHECKED, dump(_cluster(ASK_HTTPS_UNCHECKED, tls.CommonTlsContext(), checked=False))


def _cluster(name: str, secure: tls.CommonTlsContext | None, *, checked: bool = True) -> cluster.Cluster:
    config = dynamic.ClusterConfig(
        dns_cache_config={"name": name, "dns_lookup_family": "V4_PREFERRED"}, allow_insecure_cluster_options=not checked
    )
    options = http.HttpProtocolOptions(
        explicit_http_config={"http_protocol_options": {}},
        upstream_http_protocol_options=core.UpstreamHttpProtocolOptions(auto_sni=True, auto_san_validation=checked),
    )
    return cluster.Cluster(
        name=name,
        lb_policy="CLUSTER_PROVIDED",
        cluster_type={"name": "dynamic", "typed_config": pack(config)},
        connect_timeout=seconds(CONNECT_TIMEOUT),
        typed_extension_protocol_options={HTTP_OPTIONS: pack(options)},
        transport_socket=core.TransportSocket(
            name="tls", typed_config=pack(tls.UpstreamTlsContext(common_tls_context=secure))
        )
        if secure
        else None,
    )
