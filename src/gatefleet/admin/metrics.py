"""What the process says of itself on its status port: /healthz, /readyz and Prometheus metrics."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """Counters of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "gatefleet_admin_requests", "Requests by method and status.", ["method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "gatefleet_admin_request_seconds", "Time to answer.", buckets=BUCKETS, registry=self._registry
        )

    def count(self, method: str, status: int, seconds: float) -> None:
        self._requests.labels(method if method in METHODS else "other", status).inc()
        self._seconds.observe(seconds)

    def app(self, api: ASGIApp) -> ASGIApp:
        """/metrics from here, /healthz and /readyz from the API; nothing else."""

        async def status(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path")
            if path in {"/healthz", "/readyz"}:
                scope.setdefault("state", {})["request_id"] = "status"
                await api(scope, receive, send)
                return
            found = path == "/metrics"
            headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
            await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
            await send({"type": "http.response.body", "body": generate_latest(self._registry) if found else b""})

        return status
