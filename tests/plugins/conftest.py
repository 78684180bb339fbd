"""One real Envoy in front of an echoing upstream serves the sites of every test module in this folder."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from chains import Site, bootstrap, environment

from gatefleet.envoy import binary
from gatefleet.native.records import basic_auth_entry, consumer_entry, key_auth_entry
from gatefleet.native.sharding import host_entry
from gatefleet.native.tables import Tables
from tests.ports import free_port

CONSUMERS = (
    key_auth_entry("jacks-key", "jack", "cred-1", "custom-1"),
    basic_auth_entry("jill", "sesame", "jill", "cred-2"),
    consumer_entry("guest"),
)


class Echo(BaseHTTPRequestHandler):
    """Answers what it was asked; `x-want-status`, `-header`, `-body`, `-chunks` in the request say how."""

    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        size = int(self.headers.get("content-length", 0))
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): self.headers.get_all(name) for name in self.headers},
            "body": self.rfile.read(size).decode(),
        }
        body = self.headers.get("x-want-body", json.dumps(seen)).encode()
        self.send_response(int(self.headers.get("x-want-status", 200)))
        for line in self.headers.get_all("x-want-header", []):
            name, value = line.split("=", 1)
            self.send_header(name, value)
        if (chunks := self.headers.get("x-want-chunks")) is not None:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"".join(b"%x\r\n%s\r\n" % (len(c), c.encode()) for c in (*chunks.split(), "")))
            return
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_any  # noqa: N815 - the server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Gateway:
    """Envoy, by site."""

    port: int
    client: httpx.Client

    def ask(self, site: str, path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
        """One request to `<site>.test`; underscores in header names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.client.request(method, url, headers={"host": f"{site}.test", **named})

    def upstream_sees(self, site: str, path: str = "/", method: str = "GET", **headers: str) -> dict[str, Any]:
        """What the upstream was asked; the answer must be a 200 of its."""
        answer = self.ask(site, path, method, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, request: bytes) -> bytes:
        """The bytes of one answer on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(request)
            connection.settimeout(2)
            received = b""
            with suppress(TimeoutError):
                while part := connection.recv(65536):
                    received += part
            return received


def sites() -> dict[str, Site]:
    found: dict[str, Site] = {}
    for module in sorted(Path(__file__).parent.glob("test_*.py")):
        found.update(getattr(import_module(f"tests.plugins.{module.stem}"), "SITES", {}))
    return found


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    run_dir = tmp_path_factory.mktemp("run")
    tables = Tables(run_dir)
    tables.write("hosts", {b"*": host_entry(0, 1)})
    tables.write("consumers", dict(CONSUMERS))
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=upstream.serve_forever, daemon=True).start()
    port = free_port()
    binary.write(bootstrap(sites(), run_dir, port=port, upstream=upstream.server_port), run_dir / "envoy.pb")
    with envoy(run_dir, port), httpx.Client(timeout=30, follow_redirects=False, trust_env=False) as client:
        yield Gateway(port, client)
    upstream.shutdown()
    upstream.server_close()
    tables.close()


@contextmanager
def envoy(run_dir: Path, port: int) -> Iterator[None]:
    command = [str(binary.PATH), "-c", "envoy.pb", "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    with (run_dir / "envoy.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=run_dir, env={**os.environ, **environment(run_dir)}, stderr=log)
        try:
            wait_for(port, process, run_dir / "envoy.log")
            yield
        finally:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
