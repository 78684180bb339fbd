"""A stand-in for a Kubernetes API server: it takes what Helm installs and keeps it, and checks nothing."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

import yaml

JSON: Final = "application/json"
KINDS: Final = {
    "v1": {"Secret": "secrets", "Service": "services", "ServiceAccount": "serviceaccounts"},
    "apps/v1": {"Deployment": "deployments", "DaemonSet": "daemonsets"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "networking.k8s.io/v1": {"Ingress": "ingresses"},
    "monitoring.coreos.com/v1": {"PodMonitor": "podmonitors"},
}
"""What can be installed, by API version: kinds and their plural names."""


@dataclass
class Cluster:
    """Where it listens, and what was installed."""

    port: int
    objects: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def kubeconfig(self) -> str:
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        user = {"name": "u", "user": {"token": "t"}}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c"}
        return yaml.safe_dump({**config, "clusters": [cluster], "contexts": [context], "users": [user]})


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: ClassVar[Cluster]

    def do_GET(self) -> None:
        path, _, _ = self.path.partition("?")
        if (body := _discovery(path)) is not None:
            return self._answer(200, body)
        plural = path.rpartition("/")[2]
        if any(plural in plurals.values() for plurals in KINDS.values()):
            return self._answer(200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []})
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return self._answer(404, {**missing, "message": f"{path} not found"})

    def do_POST(self) -> None:
        given = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self._sent == JSON:
            self.cluster.objects.append(json.loads(given))
        self._send(201, self._sent, given)

    def do_PUT(self) -> None:
        self._send(200, self._sent, self.rfile.read(int(self.headers.get("content-length") or 0)))

    @property
    def _sent(self) -> str:
        """JSON for what a chart makes; Helm's own records of a release come in protocol buffers."""
        return str(self.headers.get("content-type"))

    def _answer(self, status: int, body: Any) -> None:
        self._send(status, JSON, json.dumps(body).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def _discovery(path: str) -> Any:
    if path == "/version":
        return {"major": "1", "minor": "30", "gitVersion": "v1.30.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [name for name in KINDS if "/" in name]
        groups = [
            {"name": v.split("/")[0], "versions": [{"groupVersion": v, "version": v.split("/")[1]}]} for v in versions
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    name = path.removeprefix("/apis/").removeprefix("/api/")
    if name not in KINDS:
        return None
    verbs = ["create", "get", "list", "update", "patch", "delete"]
    found = [
        {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}
        for kind, plural in KINDS[name].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}


@contextlib.contextmanager
def kubernetes() -> Iterator[Cluster]:
    """An empty cluster on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {}))
    cluster = server.RequestHandlerClass.cluster = Cluster(server.server_port)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
