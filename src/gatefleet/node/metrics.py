"""Envoy's statistics under the names and labels of APISIX's prometheus plugin.

Names: APISIX documentation, plugins/prometheus, "Metrics". Envoy counts what the constant access log of our
listeners tells it: `gf.http_status`, `gf.bandwidth_*`, `gf.latency_*` and `gf.stream_*`, with the labels as tags, of
which `of` stands for the labels `service` and `route` of requests: the service's length, a colon, both. Every line also
names the gateway group and the instance: who scrapes many nodes cannot tell them by their addresses.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

PATH: Final = "/apisix/prometheus/metrics"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NONE: Final = "-"
"""What Envoy's access log writes for a value that is not there."""
_TRAFFIC: Final = "envoy_http_conn_manager_prefix"

Labels = Mapping[str, str]
Line = tuple[str, Labels, float]
"""Suffix of the family's name, labels, value."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the metrics say about the node itself."""

    hostname: str
    version: str
    gateway_group_id: str
    instance_id: str
    connected: bool
    """To a DP Manager."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family of the text format."""

    name: str
    kind: str
    help: str
    lines: Iterable[Line]


def rename(statistics: str, node: Node) -> str:
    """Envoy's /stats/prometheus as APISIX's metrics, both in Prometheus' text format."""
    samples = tuple(s for family in text_string_to_metric_families(statistics) for s in family.samples)
    return written(_families(samples, node), node)


def written(families: Iterable[Family], node: Node) -> str:
    """Families in Prometheus' text format, as this node's."""
    whose = {"gateway_group_id": node.gateway_group_id, "instance_id": node.instance_id}
    return "".join(_text(family, whose) for family in families)


def _families(samples: Iterable[Sample], node: Node) -> Iterator[Family]:
    status = [("", _labels(s), s.value) for s in _named(samples, "gf_http_status")]
    yield Family("apisix_http_status", "counter", "HTTP status codes per service", status)
    yield Family("apisix_bandwidth", "counter", "Total bandwidth in bytes", _bandwidth(samples))
    yield Family("apisix_http_latency", "histogram", "HTTP request latency in milliseconds", _latency(samples))
    connections = [("", _labels(s), s.value) for s in _named(samples, "gf_stream_connection_total", "")]
    yield Family("apisix_stream_connection_total", "counter", "Connections per stream route that ended", connections)
    streamed = _bandwidth(samples, "stream_bandwidth")
    yield Family("apisix_stream_bandwidth", "counter", "Bytes per stream route", streamed)
    total = sum(s.value for s in _traffic(samples, "rq_total"))
    yield Family("apisix_http_requests_total", "counter", "Requests since Envoy started", [("", {}, total)])
    yield Family("apisix_nginx_http_current_connections", "gauge", "HTTP connections", _connections(samples))
    about = {"hostname": node.hostname, "version": node.version}
    yield Family("apisix_node_info", "gauge", "Info of the gateway node", [("", about, 1)])
    reachable: list[Line] = [("", {}, float(node.connected))]
    yield Family("apisix_etcd_reachable", "gauge", "Whether a DP Manager is connected, 0 is not", reachable)


def _named(samples: Iterable[Sample], name: str, suffix: str = "_total") -> Iterator[Sample]:
    """Samples of one of our statistics; the parser adds `_total` to counters."""
    wanted = (f"envoy_{name}", f"envoy_{name}{suffix}")
    return (s for s in samples if s.name in wanted)


def _labels(sample: Sample, **more: str) -> Labels:
    own: dict[str, str] = {}
    for name, value in sample.labels.items():
        if name == "of":
            length, _, both = value.partition(":")
            size = int(length) if length.isdigit() else 0
            own |= {"route": both[size:], "service": both[:size]}
        elif not name.startswith("envoy_"):
            own[name] = "" if value == _NONE else value
    return {**own, **more}


def _bandwidth(samples: Iterable[Sample], name: str = "bandwidth") -> Iterator[Line]:
    for kind in ("ingress", "egress"):
        for sample in _named(samples, f"gf_{name}_{kind}"):
            yield "", _labels(sample, type=kind), sample.value


def _latency(samples: Iterable[Sample]) -> Iterator[Line]:
    for kind in ("request", "upstream"):
        for part in ("_bucket", "_sum", "_count"):
            for sample in _named(samples, f"gf_latency_{kind}{part}"):
                yield part, _labels(sample, type=kind), sample.value


def _connections(samples: Iterable[Sample]) -> Iterator[Line]:
    for state, name in (("active", "cx_active"), ("accepted", "cx_total"), ("handled", "cx_total")):
        yield "", {"state": state}, sum(s.value for s in _traffic(samples, name))


def _traffic(samples: Iterable[Sample], name: str) -> Iterator[Sample]:
    """Samples of the public listeners' connection manager."""
    return (s for s in _named(samples, f"http_downstream_{name}") if s.labels.get(_TRAFFIC) == "gf")


def _text(family: Family, whose: Labels) -> str:
    head = f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    return head + "".join(
        f"{family.name}{suffix}{_braced({**labels, **whose})} {value:.17g}\n" for suffix, labels, value in family.lines
    )


def _braced(labels: Labels) -> str:
    inside = ",".join(f'{k}="{_escaped(v)}"' for k, v in labels.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
