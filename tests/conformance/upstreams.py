"""Upstreams that note what reached them and answer as the request asks.

What they answer stands in the request, in its target or in the header `x-want`, as words like
`/any/path/~status:503~delay:0.2~header:x-a=b~body:hello`: see README.md.
"""

import contextlib
import json
import re
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socket import AF_INET, SO_LINGER, SOL_SOCKET, create_server, socket
from tempfile import TemporaryDirectory
from typing import IO, Any, Final
from urllib.parse import unquote

import grpc

from gatefleet import pki
from tests import directory
from tests.redis_servers import redis_server

NAMES: Final = ("echo", "other", "third")
SECURE: Final = "secure"
WORD: Final = re.compile(r"~(status|delay|header|body|chunks|close|reset|silent|slowly)(?::([^~?&]*))?")
DETAILS: Final = b"\x08\x0e\x12\x0eOut of service\x1a&\n\x1dtype.googleapis.com/demo.Note\x12\x05\n\x03why"
"""A google.rpc.Status of code 14 with one detail."""
PROBE: Final = "Envoy/HC"
"""The user agent of health checks, which are not noted as requests."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in; header names as they were spelt."""

    server: str
    method: str
    path: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def of(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def plain(self) -> dict[str, Any]:
        """What the body of an answer says of the request."""
        named: dict[str, list[str]] = {}
        for name, value in self.headers:
            named.setdefault(name.lower(), []).append(value)
        return {
            "server": self.server,
            "method": self.method,
            "path": self.path,
            "headers": {name: ",".join(values) for name, values in named.items()},
            "body": self.body.decode("latin-1"),
        }


@dataclass
class Upstreams:
    """The ports of all upstreams by name, and what they have seen since `forget`."""

    ports: Mapping[str, int]
    seen: list[Seen] = field(default_factory=list[Seen])

    def forget(self) -> None:
        self.seen.clear()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    name: str
    seen: list[Seen]


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            while request := self._read():
                if PROBE not in "".join(request.of("user-agent")):
                    self.server.seen.append(request)
                if not self._answer(request):
                    return

    def _read(self) -> Seen | None:
        first = self.rfile.readline(65537).decode("latin-1").split()
        if len(first) != 3:
            return None
        headers: list[tuple[str, str]] = []
        while line := self.rfile.readline(65537).decode("latin-1").rstrip("\r\n"):
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        head = Seen(self.server.name, *first, headers=tuple(headers), body=b"")
        return Seen(self.server.name, *first, headers=tuple(headers), body=_body(self.rfile, head))

    def _answer(self, request: Seen) -> bool:
        """Whether the connection goes on."""
        words = _words(request)
        wanted = dict(words)
        time.sleep(float(wanted.get("delay", 0)))
        if "silent" in wanted:
            time.sleep(30)
        if "reset" in wanted:
            self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        if {"close", "reset", "silent"} & wanted.keys():
            self.connection.close()
            return False
        if "websocket" in "".join(request.of("upgrade")).lower():
            return self._websocket()
        self._send(request, words, wanted)
        return True

    def _send(self, request: Seen, words: list[tuple[str, str]], wanted: Mapping[str, str]) -> None:
        body = wanted["body"].encode() if "body" in wanted else json.dumps(request.plain()).encode()
        headers = [("x-upstream", self.server.name)]
        headers += [(name, value) for key, pair in words if key == "header" for name, _, value in [pair.partition("=")]]
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", "text/plain" if "body" in wanted else "application/json"))
        status = wanted.get("status", "200")
        if "chunks" in wanted:
            parts = wanted["chunks"].encode().split(b",")
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (*parts, b""))
            headers.append(("transfer-encoding", "chunked"))
        elif status not in ("204", "304"):
            headers.append(("content-length", str(len(body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        without = request.method == "HEAD" or status in ("204", "304")
        self.wfile.write(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1"))
        if "slowly" in wanted:
            self.wfile.write(body[:1])
            time.sleep(float(wanted["slowly"]))
            body = body[1:]
        if not without:
            self.wfile.write(body)

    def _websocket(self) -> bool:
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while data := self.connection.recv(4096):
            self.wfile.write(data)
        return False


def _words(request: Seen) -> list[tuple[str, str]]:
    asked = "".join([request.path, *request.of("x-want")])
    return [(found[1], unquote(found[2] or "")) for found in WORD.finditer(asked)]


def _body(stream: IO[bytes], head: Seen) -> bytes:
    if "chunked" in "".join(head.of("transfer-encoding")).lower():
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
        return body
    return stream.read(int((head.of("content-length") or ["0"])[0]))


@contextlib.contextmanager
def running() -> Iterator[Upstreams]:
    """Three upstreams that answer, one over TLS whose certificate nobody knows, and two ports.

    `closed` is one where nobody listens, `full` one where nobody gets through.

    And who else is asked: a directory, and a Redis server whose password is "secret".
    """
    with contextlib.ExitStack() as stack:
        seen: list[Seen] = []
        ports: dict[str, int] = {}
        home = Path(stack.enter_context(TemporaryDirectory()))
        for name in (*NAMES, SECURE):
            server = stack.enter_context(_Server(("127.0.0.1", 0), _Handler))
            server.name, server.seen = name, seen
            if name == SECURE:
                server.socket = _own_certificate(home).wrap_socket(
                    server.socket, server_side=True, do_handshake_on_connect=False
                )
            ports[name] = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.shutdown)
        closed = stack.enter_context(socket(AF_INET))
        closed.bind(("127.0.0.1", 0))
        ports["closed"] = closed.getsockname()[1]
        ports["grpc"] = stack.enter_context(_grpc(seen))
        ports["full"] = stack.enter_context(_full())
        ports["redis"] = stack.enter_context(redis_server(home, "--requirepass", "secret")).port
        found = stack.enter_context(directory.running())
        ports["ldap"], ports["ldaps"] = found.port, found.tls_port
        yield Upstreams(ports, seen)


def _own_certificate(home: Path) -> ssl.SSLContext:
    """TLS with a certificate of an authority that is made here."""
    pair = pki.issue_server(pki.create_ca(datetime.now(UTC)), ["localhost"], datetime.now(UTC))
    (home / "pair.pem").write_text(f"{pair.certificate}\n{pair.key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "pair.pem")
    return context


class _Calls(grpc.GenericRpcHandler):
    """Answers each call with its request; methods that end in `/Fail` fail, and `/FailInDetail` tells details, too."""

    def __init__(self, seen: list[Seen]) -> None:
        self._seen = seen

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method, metadata = handler_call_details.method, handler_call_details.invocation_metadata

        def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
            headers = tuple((key, str(value)) for key, value in metadata)
            self._seen.append(Seen("grpc", "POST", method, "HTTP/2", headers, body))
            if method.endswith("/Fail"):
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")
            if method.endswith("/FailInDetail"):
                context.set_trailing_metadata((("grpc-status-details-bin", DETAILS),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "Out of service")
            context.send_initial_metadata((("x-upstream", "grpc"),))
            return body

        return grpc.unary_unary_rpc_method_handler(answer)


@contextlib.contextmanager
def _grpc(seen: list[Seen]) -> Iterator[int]:
    """An upstream that speaks gRPC without TLS."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((_Calls(seen),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextlib.contextmanager
def _full() -> Iterator[int]:
    """A port whose queue is full: a connection to it is neither taken nor refused."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket(AF_INET))
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]
