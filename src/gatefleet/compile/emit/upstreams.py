"""Clusters and their endpoints: one cluster per upstream, endpoints apart so that a node swap rebuilds nothing."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from gatefleet.compile import ir
from gatefleet.compile.wire import dump
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.endpoint import v3 as endpoint
from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls
from gatefleet.protos.envoy.extensions.upstreams.http import v3 as http
from gatefleet.protos.google import protobuf as wkt

ADS: Final = core.ConfigSource(ads={}, resource_api_version="V3")
HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
POLICIES: Final = {
    "roundrobin": "ROUND_ROBIN",
    "chash": "RING_HASH",
    "least_conn": "LEAST_REQUEST",
    "ewma": "LEAST_REQUEST",
}
UNLIMITED: Final = wkt.UInt32Value(value=1_000_000)
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"


def compile_cluster(upstream: ir.Upstream) -> bytes:
    """Serialized Cluster."""
    by_name = not _all_addresses(upstream.nodes)
    return dump(
        cluster.Cluster(
            name=upstream.name,
            type="STRICT_DNS" if by_name else "EDS",
            eds_cluster_config=None if by_name else {"eds_config": ADS},
            load_assignment=_endpoints(upstream) if by_name else None,
            lb_policy=POLICIES[upstream.balancer],
            connect_timeout=seconds(upstream.connect_timeout),
            typed_extension_protocol_options={HTTP_OPTIONS: pack(_http_options(upstream))},
            transport_socket=_transport_socket(upstream),
            circuit_breakers={
                "thresholds": [
                    {
                        "max_connections": UNLIMITED,
                        "max_pending_requests": UNLIMITED,
                        "max_requests": UNLIMITED,
                        "max_retries": UNLIMITED,
                    }
                ]
            },
            health_checks=list(_health_checks(upstream.checks.get("active") or {})),
            outlier_detection=_outliers(upstream.checks.get("passive") or {}),
            common_lb_config={"healthy_panic_threshold": {"value": 0.0}} if upstream.checks else None,
            ignore_health_on_host_removal=True,
        )
    )


def compile_endpoints(upstream: ir.Upstream) -> bytes | None:
    """Serialized ClusterLoadAssignment, or None when the cluster resolves names by itself."""
    return dump(_endpoints(upstream)) if _all_addresses(upstream.nodes) else None


def seconds(value: float) -> wkt.Duration:
    whole = int(value)
    return wkt.Duration(seconds=whole, nanos=round((value - whole) * 1e9))


def _all_addresses(nodes: Iterable[ir.Node]) -> bool:
    return all(_is_address(node.host) for node in nodes)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _endpoints(upstream: ir.Upstream) -> endpoint.ClusterLoadAssignment:
    serving = [node for node in upstream.nodes if node.weight > 0]
    tiers = sorted({-node.priority for node in serving})
    return endpoint.ClusterLoadAssignment(
        cluster_name=upstream.name,
        endpoints=[
            {
                "priority": tiers.index(tier),
                "lb_endpoints": [_endpoint(node, upstream.scheme) for node in nodes],
            }
            for tier, nodes in groupby(
                sorted(serving, key=lambda n: (-n.priority, n.host, n.port)), lambda n: -n.priority
            )
        ],
    )


def _endpoint(node: ir.Node, scheme: str) -> dict[str, Any]:
    default_port = 443 if scheme in ("https", "grpcs") else 80
    name = node.host if node.port == default_port else f"{node.host}:{node.port}"
    return {
        "endpoint": {
            "address": {"socket_address": {"address": node.host.strip("[]"), "port_value": node.port}},
            "hostname": name,
        },
        "load_balancing_weight": wkt.UInt32Value(value=node.weight),
    }


def _http_options(upstream: ir.Upstream) -> http.HttpProtocolOptions:
    common = core.HttpProtocolOptions(
        idle_timeout=seconds(upstream.idle_timeout),
        max_requests_per_connection=wkt.UInt32Value(value=upstream.requests_per_connection),
    )
    http2 = upstream.scheme in ("grpc", "grpcs")
    explicit = http.HttpProtocolOptions.ExplicitHttpConfig(
        http2_protocol_options=core.Http2ProtocolOptions() if http2 else None,
        http_protocol_options=None if http2 else core.Http1ProtocolOptions(),
    )
    sni = core.UpstreamHttpProtocolOptions(auto_sni=not upstream.server_name)
    return http.HttpProtocolOptions(
        common_http_protocol_options=common,
        explicit_http_config=explicit,
        upstream_http_protocol_options=sni if upstream.scheme in ("https", "grpcs") else None,
    )


def _transport_socket(upstream: ir.Upstream) -> core.TransportSocket | None:
    if upstream.scheme not in ("https", "grpcs"):
        return None
    certificates = [
        tls.TlsCertificate(certificate_chain={"inline_string": chain}, private_key={"inline_string": key})
        for chain, key in ([upstream.client_certificate] if upstream.client_certificate else [])
    ]
    context = tls.UpstreamTlsContext(
        sni=upstream.server_name,
        common_tls_context=tls.CommonTlsContext(
            tls_certificates=certificates,
            validation_context={"trusted_ca": {"filename": CA_BUNDLE}} if upstream.verify else None,
            alpn_protocols=["h2"] if upstream.scheme == "grpcs" else None,
        ),
    )
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


def _health_checks(active: Mapping[str, Any]) -> Iterator[core.HealthCheck]:
    if not active:
        return
    healthy: Mapping[str, Any] = active.get("healthy") or {}
    unhealthy: Mapping[str, Any] = active.get("unhealthy") or {}
    tcp = active.get("type") == "tcp"
    failures = unhealthy.get("tcp_failures", 2) if tcp else unhealthy.get("http_failures", 5)
    yield core.HealthCheck(
        timeout=seconds(float(active.get("timeout") or 1)),
        interval=seconds(float(healthy.get("interval") or 1)),
        unhealthy_interval=seconds(float(unhealthy.get("interval") or 1)),
        healthy_threshold=wkt.UInt32Value(value=int(healthy.get("successes") or 2)),
        unhealthy_threshold=wkt.UInt32Value(value=int(failures or 2)),
        tcp_health_check={} if tcp else None,
        http_health_check=None if tcp else _http_check(active, healthy),
        alt_port=wkt.UInt32Value(value=int(active["port"])) if active.get("port") else None,
    )


def _http_check(active: Mapping[str, Any], healthy: Mapping[str, Any]) -> core.HealthCheck.HttpHealthCheck:
    headers = (line.partition(":") for line in active.get("req_headers") or ())
    return core.HealthCheck.HttpHealthCheck(
        path=active.get("http_path") or "/",
        host=active.get("host") or "",
        expected_statuses=[{"start": s, "end": s + 1} for s in healthy.get("http_statuses") or (200, 302)],
        request_headers_to_add=[
            core.HeaderValueOption(header={"key": name.strip(), "value": value.strip()}) for name, _, value in headers
        ],
    )


def _outliers(passive: Mapping[str, Any]) -> cluster.OutlierDetection | None:
    if not passive:
        return None
    unhealthy: Mapping[str, Any] = passive.get("unhealthy") or {}
    return cluster.OutlierDetection(
        consecutive_5xx=wkt.UInt32Value(value=int(unhealthy.get("http_failures") or 5)),
        consecutive_gateway_failure=wkt.UInt32Value(value=int(unhealthy.get("tcp_failures") or 2)),
        enforcing_consecutive_gateway_failure=wkt.UInt32Value(value=100),
        max_ejection_percent=wkt.UInt32Value(value=100),
        interval=seconds(1),
        base_ejection_time=seconds(10),
    )
