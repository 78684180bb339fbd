"""Counts a route's requests, bytes and latencies for Prometheus, under APISIX's metric names.

As a global rule it counts every request, also those that no route serves; fields it does not know are accepted.
"""

from collections.abc import Iterator

from pydantic import Field

from gatefleet.filters import metadata
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

NAMESPACE = "gf.metrics"
"""Dynamic metadata under which the native module finds that a request counts, and its labels.

`of` is service and route as one text, the service's length before them: one look-up for each request."""


class Prometheus(Conf):
    """Switches the metrics on; a node serves them on `/apisix/prometheus/metrics`."""

    prefer_name: bool = Field(
        default=False, description="Label metrics with the names of route and service instead of their ids."
    )


def translate(conf: Prometheus, scope: Scope) -> Iterator[Effect]:
    route = scope.route_name if conf.prefer_name and scope.route_name else scope.route_id
    service = scope.service_name if conf.prefer_name and scope.service_name else scope.service_id
    yield metadata(NAMESPACE, {"of": f"{len(service)}:{service}{route}"})


PLUGIN = Plugin(
    name="prometheus",
    priority=500,
    phase=Phase.LOG,
    conf=Prometheus,
    translate=translate,
    summary="Counts requests, bytes and latencies and serves them to Prometheus.",
    category="observability",
    examples={"Labels with names": {"prefer_name": True}},
    names_route=True,
)
