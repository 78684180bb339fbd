"""What the DP Manager tells without TLS: whether it works, and numbers for Prometheus. Never anything secret."""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatefleet.dpm.front import Front
from gatefleet.dpm.groups import Groups
from gatefleet.dpm.leader import Leader


def status_app(groups: Groups, leader: Leader, front: Front) -> Starlette:
    """`/healthz`, `/readyz` and `/metrics`, and nothing else."""
    registry = CollectorRegistry()
    registry.register(_Fleet(groups, leader, front))

    async def healthz(_: Request) -> Response:
        state = await front.process.state()
        body = {
            "status": "ok" if state == "LIVE" else "the TLS front does not run",
            "postgresql": "ok" if groups.reachable else "away",
        }
        return JSONResponse(body, 200 if state == "LIVE" else 503)

    async def readyz(_: Request) -> Response:
        """503 while PostgreSQL is away: nodes are fed from memory then, but none can join and nothing changes."""
        return JSONResponse({"postgresql": "ok" if groups.reachable else "away"}, 200 if groups.reachable else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


class _Fleet(Collector):
    """The numbers, read when they are asked for."""

    def __init__(self, groups: Groups, leader: Leader, front: Front) -> None:
        self._groups, self._leader, self._front = groups, leader, front

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield self._gauge("revision", "Newest revision published", lambda _, state: state.revision)
        yield self._gauge("resources", "Resources in the newest snapshot", lambda _, state: state.resources)
        yield self._gauge("problems", "Documents that are left out", lambda _, state: len(state.problems))
        yield self._gauge(
            "publish_seconds", "Time the newest revision took to be published", lambda _, state: state.turn_seconds
        )
        yield self._gauge("streams", "Nodes connected", lambda name, _: self._groups.connected(name))
        away = GaugeMetricFamily("gatefleet_postgresql_up", "1 while PostgreSQL answers")
        away.add_metric([], float(self._groups.reachable))
        yield away
        leads = GaugeMetricFamily("gatefleet_leader", "1 while this DP Manager does what only one of all does")
        leads.add_metric([], float(self._leader.leads))
        yield leads
        starts = GaugeMetricFamily("gatefleet_front_starts", "How often the TLS front was started")
        starts.add_metric([], self._front.process.starts)
        yield starts

    def _gauge(self, name: str, text: str, value: Callable[[str, Any], float]) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(f"gatefleet_group_{name}", text, labels=["gateway_group"])
        for group, state in self._groups.states().items():
            gauge.add_metric([group], value(group, state))
        return gauge
