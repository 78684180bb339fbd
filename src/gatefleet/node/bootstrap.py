"""The bootstrap of the node's Envoy: no port but the listeners', everything else by unix sockets in one directory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatefleet.protos import pack
from gatefleet.protos.envoy.config.bootstrap import v3 as bootstrap
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.metrics import v3 as metrics
from gatefleet.protos.envoy.extensions.upstreams.http import v3 as upstreams
from gatefleet.protos.google import protobuf as wkt

ADS_CLUSTER: Final = "gf.ads"
SIGNIN_CLUSTER: Final = "gf-signin"
"""The sign-in process, as scripts name it (`lua/signin.lua`)."""
SIGNIN_MOST: Final = 256
"""Questions to it under way or waiting; more are refused at once."""
STATS: Final = (
    "gf.",
    "http.gf.downstream_cx_active",
    "http.gf.downstream_cx_total",
    "http.gf.downstream_rq_active",
    "http.gf.downstream_rq_total",
    "server.live",
    "server.memory_allocated",
    "server.uptime",
)
"""The statistics Envoy keeps, by prefix: stream routes' counters and what draining and /status look at."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The sockets and files of a node's Envoy, all in one directory below the node's own."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        return self.directory / "bootstrap.pb"

    @property
    def ads(self) -> Path:
        return self.directory / "ads.sock"

    @property
    def admin(self) -> Path:
        return self.directory / "admin.sock"

    @property
    def signin(self) -> Path:
        return self.directory / "signin.sock"

    @property
    def signin_key(self) -> Path:
        return self.directory / "signin.key"

    @property
    def running(self) -> Path:
        """Which Envoy process serves which revision, for an agent that takes it over."""
        return self.directory.parent / "running"


RUNTIME: Final = wkt.Struct(
    fields={f"re2.max_program_size.{level}_level": wkt.Value(number_value=1_000_000) for level in ("error", "warn")}
)
"""Patterns may be longer than the hundred steps that Envoy takes by itself: RE2 is bounded by its memory, too."""


def envoy_bootstrap(files: RunFiles, instance_id: str) -> bootstrap.Bootstrap:
    """What Envoy starts with: where our ADS is, where its admin interface is, and which statistics it keeps."""
    source = core.ConfigSource(ads={}, resource_api_version="V3", initial_fetch_timeout=wkt.Duration())
    return bootstrap.Bootstrap(
        node=core.Node(id=instance_id, cluster="gatefleet", metadata=None, user_agent_name="gatefleet"),
        admin=bootstrap.Admin(address={"pipe": {"path": str(files.admin), "mode": 0o600}}),
        static_resources={"clusters": [_ads_cluster(files.ads), _signin_cluster(files.signin)]},
        dynamic_resources={"ads_config": _ads(), "cds_config": source, "lds_config": source},
        stats_config=_stats(STATS),
        layered_runtime={"layers": [{"name": "static", "static_layer": RUNTIME}, {"name": "admin", "admin_layer": {}}]},
    )


def _ads() -> core.ApiConfigSource:
    """Reconnects at once and then each second, so that a new agent is found quickly."""
    back_off = core.BackoffStrategy(base_interval=_milliseconds(50), max_interval=_milliseconds(1000))
    return core.ApiConfigSource(
        api_type="DELTA_GRPC",
        transport_api_version="V3",
        set_node_on_first_message_only=True,
        grpc_services=[
            core.GrpcService(
                envoy_grpc={"cluster_name": ADS_CLUSTER, "retry_policy": {"retry_back_off": back_off}},
            )
        ],
    )


def _ads_cluster(socket: Path) -> cluster.Cluster:
    options = upstreams.HttpProtocolOptions(
        explicit_http_config={"http2_protocol_options": {"max_concurrent_streams": wkt.UInt32Value(value=100)}}
    )
    return cluster.Cluster(
        name=ADS_CLUSTER,
        type="STATIC",
        connect_timeout=_milliseconds(1000),
        load_assignment={
            "cluster_name": ADS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}}]}],
        },
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(options)},
    )


def _signin_cluster(socket: Path) -> cluster.Cluster:
    most = wkt.UInt32Value(value=SIGNIN_MOST)
    bounds = cluster.CircuitBreakers.Thresholds(max_connections=most, max_pending_requests=most, max_requests=most)
    return cluster.Cluster(
        name=SIGNIN_CLUSTER,
        type="STATIC",
        connect_timeout=_milliseconds(1000),
        circuit_breakers={"thresholds": [bounds]},
        load_assignment={
            "cluster_name": SIGNIN_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}}]}],
        },
    )


def _stats(kept: Iterable[str]) -> metrics.StatsConfig:
    patterns: Sequence[dict[str, str]] = [{"prefix": prefix} for prefix in kept]
    return metrics.StatsConfig(stats_matcher={"inclusion_list": {"patterns": patterns}})


def _milliseconds(count: int) -> wkt.Duration:
    return wkt.Duration(seconds=count // 1000, nanos=count % 1000 * 1_000_000)
