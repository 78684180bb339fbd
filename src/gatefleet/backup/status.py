"""What `gatefleet backup` tells without TLS: whether it works, and numbers for Prometheus. Never anything secret."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatefleet.backup.exporter import Exporter, State


@dataclass(slots=True)
class Health:
    """What the process is doing."""

    exporter: Exporter | None = None
    """Set while this process leads: the others wait for its end."""
    postgresql: bool = True

    @property
    def states(self) -> Mapping[str, State]:
        """Gateway group to how its copies are; nothing while another process leads."""
        return self.exporter.states if self.exporter else {}


def status_app(health: Health) -> Starlette:
    """`/healthz` and `/metrics`, and nothing else."""
    registry = CollectorRegistry()
    registry.register(_Copies(health))

    async def healthz(_: Request) -> Response:
        failing = {name: state.reason for name, state in health.states.items() if state.reason}
        body = {
            "status": "ok" if health.postgresql and not failing else "copies are not written",
            "role": "leader" if health.exporter else "standby",
            "postgresql": "ok" if health.postgresql else "away",
            **({"gateway_groups": failing} if failing else {}),
        }
        return JSONResponse(body)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])


class _Copies(Collector):
    """The numbers, read when they are asked for."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        yield self._one("gatefleet_backup_leader", "1 while this process writes the copies", self._health.exporter)
        yield self._one("gatefleet_postgresql_up", "1 while PostgreSQL answers", self._health.postgresql)
        failures = CounterMetricFamily("gatefleet_backup_failures", "Attempts that failed", labels=["gateway_group"])
        for group, state in self._health.states.items():
            failures.add_metric([group], state.failures)
        yield failures
        yield self._each("revision", "Newest revision in the bucket", lambda state: state.revision)
        yield self._each(
            "last_success_timestamp_seconds", "When the bucket had everything", lambda state: state.written_at
        )

    def _one(self, name: str, text: str, value: object) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(name, text)
        gauge.add_metric([], float(bool(value)))
        return gauge

    def _each(self, name: str, text: str, value: Callable[[State], float]) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(f"gatefleet_backup_{name}", text, labels=["gateway_group"])
        for group, state in self._health.states.items():
            gauge.add_metric([group], value(state))
        return gauge
