"""The whole product on free ports, an upstream that says what it saw, and clients for both sides."""

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import psutil

from gatefleet.node.copies import DiskCopy
from tests import ports

_T = TypeVar("_T")
GATEFLEET = Path(sys.executable).parent / "gatefleet"
PORTS = {
    "admin": 7080,
    "admin_tls": 7443,
    "dpm": 7900,
    "dpm_tls": 7943,
    "http": 9080,
    "https": 9443,
    "status": 7085,
    "metrics": 9091,
}
FURTHER = (5400, 5401, 5402, 7081, 7944)
"""Ports that some tests use beside those: of streams, of an admin's status and of a node's peers."""
PATIENCE = 60.0
"""Seconds within which what must happen has happened on a machine that is busy with something else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Fleet:
    """One `gatefleet up`: its ports, its processes, and short ways to talk to it."""

    offset: int
    directory: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client = field(repr=False)

    def port(self, name: str) -> int:
        return PORTS[name] + self.offset

    def url(self, name: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port(name)}{path}"

    def call(self, method: str, path: str, body: Any = None, *, group: str | None = "default") -> httpx.Response:
        """A call of the Admin API as the first administrator."""
        query = {"gateway_group_id": group} if group and path.startswith("/apisix/") else None
        return self.client.request(method, self.url("admin", path), json=body, params=query, auth=("admin", "admin"))

    def put(self, path: str, body: Any, *, group: str | None = "default") -> Any:
        answer = self.call("PUT", f"/apisix/admin/{path}", body, group=group)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    def delete(self, path: str, *, group: str | None = "default") -> None:
        answer = self.call("DELETE", f"/apisix/admin/{path}", group=group)
        assert answer.status_code == 200, answer.text

    def service(self, name: str, port: int, *, group: str = "default", **more: Any) -> None:
        nodes = [{"host": "127.0.0.1", "port": port, "weight": 1}]
        self.put(f"services/{name}", {"name": name, "upstream": {"nodes": nodes}, **more}, group=group)

    def route(self, name: str, service: str, *paths: str, group: str = "default", **more: Any) -> None:
        self.put(f"routes/{name}", {"name": name, "service_id": service, "paths": list(paths), **more}, group=group)

    def get(
        self, path: str, *, port: int | None = None, method: str = "GET", host: str | None = "127.0.0.1", **headers: str
    ) -> Answer:
        """A request through the gateway; `host` None sends HTTP/1.0 without a Host header."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(port or self.port("http"), method, path, host, given)

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            asked = (self.url("status", "/status/ready"), self.url("admin", "/readyz"))
            return all(self.client.get(url).status_code == 200 for url in asked)
        return False

    def processes(self, *words: str) -> list[psutil.Process]:
        """Processes below `up` whose command line has all of these words."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if self._is_ours(process) and all(any(word in part for part in line) for word in words):
                    found.append(process)
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        return any(parent.pid == self.process.pid for parent in process.parents())

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@dataclass(slots=True)
class GatewayNode:
    """A `gatefleet node` of its own, beside those of `up`."""

    offset: int
    directory: Path
    process: subprocess.Popen[bytes]

    def begin(self) -> None:
        """Start it again, with what it was started with."""
        self.process = spawn(self.process.args, _log_of(self.directory))

    def get(self, path: str, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(PORTS["http"] + self.offset, "GET", path, "127.0.0.1", given)

    def status(self, path: str) -> Answer:
        return request(PORTS["status"] + self.offset, "GET", path, "127.0.0.1", {})

    def keeps(self, group: str, revision: int) -> None:
        """Wait until it has this revision on its disk: only what every worker was seen to serve gets there."""
        eventually(lambda: DiskCopy(self.directory).floor(group) >= revision)

    def kill(self) -> None:
        """Kill -9 of the agent and of its Envoy; the agent first, or it might start another Envoy yet."""
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        family += [p for p in psutil.process_iter() if _mentions(p, "envoy", f"{self.directory}") and p not in family]
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait(20)


def _mentions(process: psutil.Process, name: str, word: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return name in process.name() and word in str(process.environ())
    return False


@contextlib.contextmanager
def node(
    directory: Path,
    *arguments: str,
    offset: int | None = None,
    within: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[GatewayNode]:
    """`gatefleet node` with these arguments, stopped at the end; `within`: a command that runs it somewhere else.

    `environment` is added to ours.
    """
    offset = free_offset() if offset is None else offset
    command = [*within, GATEFLEET, "node", "--data-dir", directory, "--port-offset", str(offset), "--bind", "127.0.0.1"]
    process = spawn([*command, "--drain-timeout", "1", *arguments], _log_of(directory), environment)
    node = GatewayNode(offset, directory, process)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.process.terminate()
            node.process.wait(40)


def spawn(command: Any, log: Path, environment: Mapping[str, str] = MappingProxyType({})) -> subprocess.Popen[bytes]:
    """A process in a session of its own that writes to the end of `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **environment}
        )


def _log_of(directory: Path) -> Path:
    return directory.parent / f"{directory.name}.log"


def request(port: int, method: str, path: str, host: str | None, headers: Mapping[str, str]) -> Answer:
    """One request on a connection of its own, byte by byte as given: no library changes the case of a host."""
    version = "1.0" if host is None else "1.1"
    lines = [f"{method} {path} HTTP/{version}", *([f"Host: {host}"] if host is not None else []), "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        body = answer.read()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def eventually(check: Callable[[], _T], seconds: float = PATIENCE, every: float = 0.02) -> _T:
    """What `check` returns once it is true and raises nothing; its last error when time is over."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
        except (AssertionError, OSError, httpx.HTTPError, http.client.HTTPException, ValueError, LookupError) as error:
            if time.monotonic() > end:
                raise
            last: Exception | None = error
        else:
            last = None
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {last or check}")
        time.sleep(every)


@contextlib.contextmanager
def running(directory: Path, *arguments: str, offset: int | None = None) -> Iterator[Fleet]:
    """`gatefleet up` until it is ready, and stopped at the end."""
    offset = free_offset() if offset is None else offset
    command = [
        GATEFLEET,
        "up",
        "--data-dir",
        directory,
        "--port-offset",
        str(offset),
        "--drain-timeout",
        "2",
        *arguments,
    ]
    log = (directory.parent / f"{directory.name}.log").open("ab")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    with httpx.Client(timeout=30) as client:
        fleet = Fleet(offset, directory, process, client)
        try:
            _wait(fleet, Path(log.name))
            yield fleet
        finally:
            try:
                fleet.stop()
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            log.close()


def _wait(fleet: Fleet, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not fleet.ready():
        if fleet.process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"`gatefleet up` did not become ready:\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


def refused(*arguments: object) -> str:
    """What `gatefleet up` says when it does not start."""
    command = [GATEFLEET, "up", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def free_offset() -> int:
    """An offset at which every port above is free, and ours, below those the kernel gives to clients."""
    while True:
        offset = 3000 + secrets.randbelow(20000)
        if ports.take([port + offset for port in (*PORTS.values(), *FURTHER)]):
            return offset


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        said = {"method": self.command, "path": self.path, "headers": headers, "body": self.rfile.read(size).decode()}
        body = json.dumps({**said, "server": self.server.server_port}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """An HTTP upstream that answers with what it was asked; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def load(port: int, path: str, connections: int = 8) -> Iterator["Load"]:
    """Keep-alive clients that ask for `path` again and again until the block ends."""
    load = Load(port, path, connections)
    load.start()
    try:
        yield load
    finally:
        load.stop()


class Load:
    """Counts what keep-alive clients see: answers, failures, connections that were closed under them."""

    def __init__(self, port: int, path: str, connections: int) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self.closed = 0
        self._port, self._path, self._connections = port, path, connections
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._connections)))

    async def _client(self) -> None:
        while not self._stop.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while await self._ask(reader, writer) and not self._stop.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                self.failed.append(repr(error))
            finally:
                writer.close()
            if not self._stop.is_set():
                self.closed += 1

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(f"GET {self._path} HTTP/1.1\r\nHost: load.test\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        await reader.readexactly(length)
        status = head.split()[1]
        self.answered += 1
        if status != "200":
            self.failed.append(status)
        return "connection: close" not in head


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A short directory: unix socket paths are limited. Open to all, so that root's PostgreSQL lies in it too."""
    with tempfile.TemporaryDirectory(prefix="gf") as name:
        Path(name).chmod(0o755)
        yield Path(name)
