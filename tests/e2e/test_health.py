"""How the nodes of upstreams are can be asked of the Admin API, with the reason, as Envoy sees them."""

import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.kit import Fleet, eventually

TOLD = 30
"""Seconds until a change is told for certain: after ten it is told again if that did not work."""
ACTIVE = {"http_path": "/health", "healthy": {"interval": 1, "successes": 1}, "unhealthy": {"http_failures": 1}}


class Upstream(ThreadingHTTPServer):
    """Answers 200, or 500 while it is not well."""

    well = True


@contextmanager
def upstream() -> Generator[Upstream]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert isinstance(self.server, Upstream)
            self.send_response(200 if self.server.well else 500)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    with Upstream(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def nodes_of(fleet: Fleet, service: str) -> list[dict[str, Any]]:
    answer = fleet.call("GET", f"/api/gateway_groups/default/services/{service}/healthcheck")
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]["upstreams"][0]["nodes"]


def statuses(fleet: Fleet, service: str) -> dict[int, str]:
    return {node["port"]: node["status"] for node in nodes_of(fleet, service)}


def test_the_health_of_nodes_is_told_with_its_reason_and_heals(fleet: Fleet) -> None:
    with ExitStack() as stack:
        good, other = stack.enter_context(upstream()), stack.enter_context(upstream())
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            ports = good.server_port, other.server_port, nobody.getsockname()[1]
            nodes = [{"host": "127.0.0.1", "port": port, "weight": 1} for port in ports]
            fleet.put("services/well", {"name": "well", "upstream": {"nodes": nodes, "checks": {"active": ACTIVE}}})
            fleet.route("well", "well", "/well")
            wanted = {ports[0]: "healthy", ports[1]: "healthy", ports[2]: "unhealthy"}
            eventually(lambda: statuses(fleet, "well") == wanted, TOLD)
            gone = next(node for node in nodes_of(fleet, "well") if node["port"] == ports[2])
            assert gone["unhealthy_ratio"] == 1
            assert "active check" in gone["instances"][0]["reason"]
            other.well = False
            eventually(lambda: statuses(fleet, "well")[ports[1]] == "unhealthy", TOLD)
            total = fleet.call("GET", "/api/gateway_groups/default/healthcheck").json()["total"]
            assert total == 2
            other.well = True
            eventually(lambda: statuses(fleet, "well") == wanted, TOLD)
            passive = {"unhealthy": {"http_statuses": [500], "http_failures": 1, "tcp_failures": 1}}
            slow = {"http_path": "/", "healthy": {"interval": 60}, "unhealthy": {"interval": 60}}
            checks = {"active": slow, "passive": passive}
            fleet.put("services/tried", {"name": "tried", "upstream": {"nodes": nodes[1:2], "checks": checks}})
            fleet.route("tried", "tried", "/tried")
            eventually(lambda: fleet.get("/tried").status == 200)
            other.well = False
            eventually(lambda: fleet.get("/tried").status >= 500)
            # Envoy tries it again after ten seconds; it goes on failing
            eventually(
                lambda: fleet.get("/tried").status and statuses(fleet, "tried")[ports[1]] == "unhealthy", TOLD, 0.1
            )
            reason = nodes_of(fleet, "tried")[0]["instances"][0]["reason"]
            assert "passive" in reason
        fleet.delete("services/tried")
        fleet.delete("services/well")
