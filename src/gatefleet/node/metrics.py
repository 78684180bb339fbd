"""What a node has counted, under the names and labels of APISIX's prometheus plugin.

Names: APISIX documentation, plugins/prometheus, "Metrics". The native module counts requests in series; Envoy counts
connections, and of stream routes what their access logs tell it: `gf.stream_*`, with the labels as tags. Every line
also names the gateway group and the instance: who scrapes many nodes cannot tell them by their addresses.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gatefleet.native.series import Counted, Latency, Series

PATH: Final = "/apisix/prometheus/metrics"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
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


def page(statistics: str, counted: Counted, node: Node) -> str:
    """Envoy's /stats/prometheus and the native module's series as APISIX's metrics, in Prometheus' text format."""
    samples = tuple(s for family in text_string_to_metric_families(statistics) for s in family.samples)
    return written((*_served(counted), *_families(samples, node)), node)


def written(families: Iterable[Family], node: Node) -> str:
    """Families in Prometheus' text format, as this node's."""
    whose = {"gateway_group_id": node.gateway_group_id, "instance_id": node.instance_id}
    return "".join(_text(family, whose) for family in families)


def _served(counted: Counted) -> Iterator[Family]:
    series = sorted(((_labels_of(one), one) for one in counted.series), key=lambda found: tuple(found[0].values()))
    status = (("", {"code": code, **of}, count) for of, one in series for code, count in one.codes.items())
    yield Family("apisix_http_status", "counter", "HTTP status codes per service", status)
    ingress = [("", {**of, "type": "ingress"}, one.bytes_in) for of, one in series]
    egress = [("", {**of, "type": "egress"}, one.bytes_out) for of, one in series]
    yield Family("apisix_bandwidth", "counter", "Total bandwidth in bytes", ingress + egress)
    request = (line for of, one in series for line in _latency(of, "request", one.request))
    upstream = (line for of, one in series for line in _latency(of, "upstream", one.upstream))
    yield Family("apisix_http_latency", "histogram", "HTTP request latency in milliseconds", chain(request, upstream))
    lost: list[Line] = [("", {}, counted.lost)]
    yield Family("gatefleet_requests_uncounted", "counter", "Requests to count that found no room in a series", lost)


def _labels_of(series: Series) -> Labels:
    return {"consumer": series.consumer, "route": series.route, "service": series.service}


def _latency(of: Labels, kind: str, latency: Latency) -> Iterator[Line]:
    if latency.count:
        for bound, count in latency.buckets:
            yield "_bucket", {**of, "le": "+Inf" if bound == inf else f"{bound:g}", "type": kind}, count
        yield "_sum", {**of, "type": kind}, latency.us / 1000
        yield "_count", {**of, "type": kind}, latency.count


def _families(samples: Iterable[Sample], node: Node) -> Iterator[Family]:
    connections = [("", _labels(s), s.value) for s in _named(samples, "gf_stream_connection_total", "")]
    yield Family("apisix_stream_connection_total", "counter", "Connections per stream route that ended", connections)
    yield Family("apisix_stream_bandwidth", "counter", "Bytes per stream route", _bandwidth(samples))
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
    return {**{name: value for name, value in sample.labels.items() if not name.startswith("envoy_")}, **more}


def _bandwidth(samples: Iterable[Sample]) -> Iterator[Line]:
    for kind in ("ingress", "egress"):
        for sample in _named(samples, f"gf_stream_bandwidth_{kind}"):
            yield "", _labels(sample, type=kind), sample.value


def _connections(samples: Iterable[Sample]) -> Iterator[Line]:
    for state, name in (("active", "cx_active"), ("accepted", "cx_total"), ("handled", "cx_total")):
        yield "", {"state": state}, sum(s.value for s in _traffic(samples, name))


def _traffic(samples: Iterable[Sample], name: str) -> Iterator[Sample]:
    """Samples of the public listeners' connection manager."""
    return (s for s in _named(samples, f"http_downstream_{name}") if s.labels.get(_TRAFFIC) == "gf")


def _text(family: Family, whose: Labels) -> str:
    head = f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    return head + "".join(
        f"{family.name}{suffix}{_braced({**labels, **whose})} {_number(value)}\n"
        for suffix, labels, value in family.lines
    )


def _braced(labels: Labels) -> str:
    inside = ",".join(f'{k}="{_escaped(v)}"' for k, v in labels.items())
    return f"{{{inside}}}"


def _number(value: float) -> str:
    return f"{value:.17g}" if value % 1 == 0 else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
