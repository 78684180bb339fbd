"""Clusters and their endpoints: one cluster per upstream, endpoints apart so that a node swap rebuilds nothing."""

import hashlib
import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from gatefleet.compile import ir
from gatefleet.compile.emit.upstream_tls import transport_socket
from gatefleet.compile.wire import dump
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.endpoint import v3 as endpoint
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.load_balancing_policies.least_request import v3 as least_request
from gatefleet.protos.envoy.extensions.retry.host.previous_hosts import v3 as previous_hosts
from gatefleet.protos.envoy.extensions.retry.priority.previous_priorities import v3 as previous_priorities
from gatefleet.protos.envoy.extensions.upstreams.http import v3 as http
from gatefleet.protos.envoy.type import v3 as percent
from gatefleet.protos.google import protobuf as wkt

ADS: Final = core.ConfigSource(ads={}, resource_api_version="V3")
HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
POLICIES: Final = {
    "roundrobin": "ROUND_ROBIN",
    "chash": "RING_HASH",
    "least_conn": "LEAST_REQUEST",
    "ewma": "LEAST_REQUEST",
}
RETRY_ON: Final = "connect-failure,refused-stream,reset-before-request"
ALL_DOWN: Final = percent.Percent(value=1)
"""Where no node is healthy (less than one of a hundred), all of them are tried, as APISIX does."""
SPILL: Final = wkt.UInt32Value(value=100_000)
"""Over-provisioning, in percent: nodes of lower priority get nothing while one of a higher one is healthy."""
UNLIMITED: Final = wkt.UInt32Value(value=1_000_000)
ALWAYS: Final = wkt.UInt32Value(value=100)
NEVER: Final = wkt.UInt32Value(value=0)
Json = Mapping[str, Any]


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
            load_balancing_policy=_FEWEST_REQUESTS if upstream.balancer == "least_conn" else None,
            dns_lookup_family="V4_PREFERRED" if by_name else None,
            connect_timeout=seconds(upstream.connect_timeout),
            typed_extension_protocol_options={HTTP_OPTIONS: pack(_http_options(upstream))},
            transport_socket=transport_socket(upstream),
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
            common_lb_config={"healthy_panic_threshold": ALL_DOWN} if upstream.checks else None,
            ignore_health_on_host_removal=True,
        )
    )


_FEWEST_REQUESTS: Final = cluster.LoadBalancingPolicy(
    policies=[
        {
            "typed_extension_config": {
                "name": "least_request",
                "typed_config": pack(least_request.LeastRequest(selection_method="FULL_SCAN")),
            }
        }
    ]
)
"""Looks at every node, where the plain policy compares two of them."""


def compile_endpoints(upstream: ir.Upstream) -> bytes | None:
    """Serialized ClusterLoadAssignment, or None when the cluster or the node finds the endpoints by itself."""
    return dump(_endpoints(upstream)) if not upstream.lookup and _all_addresses(upstream.nodes) else None


def hash_state(template: str) -> str:
    """The filter state that holds what a template with variables says of a request, to be hashed on."""
    return f"gf.hash.{hashlib.sha256(template.encode()).hexdigest()[:12]}"


def seconds(value: float) -> wkt.Duration:
    """A duration; rounded as a whole, for a fraction rounded by itself may become a second."""
    whole, nanos = divmod(round(value * 1e9), 10**9)
    return wkt.Duration(seconds=whole, nanos=nanos)


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
        policy={"overprovisioning_factor": SPILL} if len(tiers) > 1 else None,
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
        outlier_detection=_errors(upstream.checks.get("passive") or {}),
        hash_policy=list(_hash_policies(*upstream.hash_on)) if upstream.hash_on else None,
        retry_policy=_retries(upstream) if upstream.retries else None,
    )


def _hash_policies(on: ir.HashOn, key: str) -> Iterator[route.RouteAction.HashPolicy]:
    """What is hashed; the client's address where that is absent."""
    policy = route.RouteAction.HashPolicy
    match on:
        case "header":
            yield policy(header={"header_name": key}, terminal=True)
        case "cookie":
            yield policy(cookie={"name": key}, terminal=True)
        case "argument":
            yield policy(query_parameter={"name": key}, terminal=True)
        case "text":
            yield policy(filter_state={"key": hash_state(key)}, terminal=True)
        case "client":
            pass
    yield policy(connection_properties={"source_ip": True})


def _retries(upstream: ir.Upstream) -> route.RetryPolicy:
    """Other nodes are tried, those of lower priority once every node of the highest has been."""
    tiers = Counter(node.priority for node in upstream.nodes if node.weight > 0)
    first = tiers[max(tiers)] if len(tiers) > 1 else 0
    return route.RetryPolicy(
        retry_on=RETRY_ON,
        num_retries=wkt.UInt32Value(value=upstream.retries),
        retry_host_predicate=[
            {"name": "previous_hosts", "typed_config": pack(previous_hosts.PreviousHostsPredicate())}
        ],
        host_selection_retry_max_attempts=5,
        retry_priority={
            "name": "previous_priorities",
            "typed_config": pack(previous_priorities.PreviousPrioritiesConfig(update_frequency=first)),
        }
        if first
        else None,
        retry_back_off={"base_interval": seconds(0.001), "max_interval": seconds(0.01)},
    )


def _health_checks(active: Json) -> Iterator[core.HealthCheck]:
    """Envoy counts failures of every kind together: the count of the check's own type decides."""
    if not active:
        return
    healthy: Json = active.get("healthy") or {}
    unhealthy: Json = active.get("unhealthy") or {}
    tcp = active.get("type") == "tcp"
    failures = unhealthy.get("tcp_failures", 2) if tcp else unhealthy.get("http_failures", 5)
    interval = seconds(float(healthy.get("interval") or 1))
    yield core.HealthCheck(
        timeout=seconds(float(active.get("timeout") or 1)),
        interval=interval,
        no_traffic_interval=interval,
        unhealthy_interval=seconds(float(unhealthy.get("interval") or 1)),
        healthy_threshold=wkt.UInt32Value(value=int(healthy.get("successes") or 2)),
        unhealthy_threshold=wkt.UInt32Value(value=int(failures or 2)),
        tcp_health_check={} if tcp else None,
        http_health_check=None if tcp else _http_check(active, healthy),
        alt_port=wkt.UInt32Value(value=int(active["port"])) if active.get("port") else None,
    )


def _http_check(active: Json, healthy: Json) -> core.HealthCheck.HttpHealthCheck:
    headers = (line.partition(":") for line in active.get("req_headers") or ())
    expected = sorted({int(status) for status in healthy.get("http_statuses") or (200, 302)})
    return core.HealthCheck.HttpHealthCheck(
        path=active.get("http_path") or "/",
        host=active.get("host") or "",
        expected_statuses=[{"start": status, "end": status + 1} for status in expected],
        retriable_statuses=list(_between(expected)),
        request_headers_to_add=[
            core.HeaderValueOption(header={"key": name.strip(), "value": value.strip()}) for name, _, value in headers
        ],
    )


def _between(expected: Iterable[int]) -> Iterator[dict[str, int]]:
    """Every other status: one of these counts as a failure, and does not end the node's health at once."""
    start = 100
    for status in (*expected, 600):
        if status > start:
            yield {"start": start, "end": status}
        start = status + 1


def _outliers(passive: Json) -> cluster.OutlierDetection | None:
    """Nodes that real requests find failing; the active check brings them back. A count of 0 switches it off."""
    if not passive:
        return None
    unhealthy: Json = passive.get("unhealthy") or {}
    statuses, connections = _count(unhealthy, "http_failures", 5), _count(unhealthy, "tcp_failures", 2)
    return cluster.OutlierDetection(
        consecutive_5xx=wkt.UInt32Value(value=statuses or 1),
        enforcing_consecutive_5xx=ALWAYS if statuses else NEVER,
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=wkt.UInt32Value(value=connections or 1),
        enforcing_consecutive_local_origin_failure=ALWAYS if connections else NEVER,
        enforcing_success_rate=NEVER,
        enforcing_local_origin_success_rate=NEVER,
        max_ejection_percent=wkt.UInt32Value(value=100),
        interval=seconds(1),
        base_ejection_time=seconds(10),
    )


def _count(found: Json, field: str, default: int) -> int:
    value = found.get(field)
    return default if value is None else int(value)


def _errors(passive: Json) -> http.HttpProtocolOptions.OutlierDetection | None:
    """Which answers count as failures of the node."""
    if not passive:
        return None
    found: Json = passive.get("unhealthy") or {}
    statuses = [str(status) for status in found.get("http_statuses") or (429, 500, 503)]
    match = {"name": ":status", "string_match": {"safe_regex": {"regex": "|".join(statuses)}}}
    return http.HttpProtocolOptions.OutlierDetection(
        error_matcher={"http_response_headers_match": {"headers": [match]}}
    )
