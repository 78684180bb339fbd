"""A stand-in for places where secrets are kept: Vault's key-value engines and logins, and Secrets of Kubernetes."""

import base64
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN, ROLE_ID, SECRET_ID = "a-token-of-the-stand-in", "gate", "let me in"


@dataclass
class Standin:
    """What is kept: the engines `one` and `two` (of versions 1 and 2), and Secrets by namespace and name."""

    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    """Path below the engine, or namespace/name, to the secret's fields."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    """Tokens that are let in."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def standin(port: int = 0, **secrets: dict[str, str]) -> Generator[Standin]:
    """The places, until the end; names of secrets have `__` for a slash."""
    known = Standin({name.replace("__", "/"): fields for name, fields in secrets.items()})
    handler = type("Handler", (_Handler,), {"known": known})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        known.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield known
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    known: Standin
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        proof = json.loads(self.rfile.read(int(self.headers["content-length"])))
        good = {
            "/v1/auth/approle/login": {"role_id": ROLE_ID, "secret_id": SECRET_ID},
            "/v1/auth/kubernetes/login": {"role": "gate", "jwt": ""},
        }
        if proof != good.get(self.path):
            self._say({"errors": ["permission denied"]}, 403)
            return
        token = f"hvs.{len(self.known.tokens)}"
        self.known.tokens.add(token)
        self._say({"auth": {"client_token": token, "lease_duration": 3600, "renewable": True}})

    def do_GET(self) -> None:
        self.known.asked.append(self.path)
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not {self.headers.get("x-vault-token"), bearer} & self.known.tokens:
            self._say({"errors": ["permission denied"]}, 403)
            return
        kind, _, path = self.path.removeprefix("/").partition("/")
        self._vault(path) if kind == "v1" else self._kubernetes(path)

    def _vault(self, path: str) -> None:
        engine, _, name = path.partition("/")
        if engine == "two":
            name = name.removeprefix("data/")
        found = self.known.secrets.get(name)
        if found is None:
            self._say({"errors": []}, 404)
        elif engine == "two":
            self._say({"data": {"data": found, "metadata": {"version": 1}}})
        else:
            self._say({"data": found, "lease_duration": 2764800})

    def _kubernetes(self, path: str) -> None:
        """`v1/namespaces/<namespace>/secrets/<name>` below `api`."""
        _, _, namespace, _, name = path.split("/")
        found = self.known.secrets.get(f"{namespace}/{name}")
        if found is None:
            self._say({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)
            return
        data = {key: base64.b64encode(value.encode()).decode() for key, value in found.items()}
        self._say({"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data})

    def _say(self, body: Any, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""
