"""No bytes of a client become a request that the gateway did not judge: neither by lengths, nor by odd headers."""

import contextlib
import socket
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.e2e.kit import Fleet, eventually

INNER = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
HEADS = {
    "a length and chunks": "Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 0\r\nContent-Length: {size}\r\n\r\n",
    "two lengths in one": "Content-Length: 0, {size}\r\n\r\n",
    "a signed length": "Content-Length: +0\r\n\r\n",
    "a negative length": "Content-Length: -1\r\n\r\n",
    "an unknown coding": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a coding behind a tab": "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": "Transfer-Encoding : chunked\r\nContent-Length: {size}\r\n\r\n",
    "a folded header": "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a line feed alone": "X: y\nTransfer-Encoding: chunked\r\nContent-Length: {size}\r\n\r\n",
    "a carriage return alone": "X: y\rTransfer-Encoding: chunked\r\nContent-Length: {size}\r\n\r\n",
    "a NUL": "X: y\0z\r\nContent-Length: 0\r\n\r\n",
    "an endless chunk size": "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\n",
    "a chunk longer than it says": "Transfer-Encoding: chunked\r\n\r\n1\r\nXX\r\n0\r\n\r\n",
    "an upgrade": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
}


class Upstream(BaseHTTPRequestHandler):
    """Answers every request it can make out of the bytes it gets, and remembers what it was asked for."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do_POST(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def guarded(fleet: Fleet) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """A host whose outer path is open and whose inner one wants a key, before one upstream."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"{uuid.uuid4().hex[:8]}.test"
        fleet.service(host, server.server_port, hosts=[host])
        fleet.route(f"{host}-outer", host, "/outer")
        fleet.route(f"{host}-inner", host, "/smuggled", plugins={"key-auth": {}})
        eventually(lambda: fleet.get("/outer", host=host).status == 200)
        yield host, server
        server.shutdown()


@pytest.mark.parametrize("trick", HEADS)
def test_no_trick_with_lengths_and_lines_reaches_what_is_guarded(
    guarded: tuple[str, ThreadingHTTPServer], fleet: Fleet, trick: str
) -> None:
    host, server = guarded
    inner = INNER.format(host=host)
    head = f"POST /outer HTTP/1.1\r\nHost: {host}\r\n" + HEADS[trick].format(size=len(inner))
    with socket.create_connection(("127.0.0.1", fleet.port("http")), 5) as connection:
        connection.sendall((head + inner).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while part := connection.recv(65536):
                answer += part
    assert "/smuggled" not in server.seen, trick  # type: ignore[attr-defined]
    assert b" 401 " in answer or answer.count(b"HTTP/1.1 200") <= 1, (trick, answer[:300])
    assert fleet.get("/outer", host=host).status == 200, "the next client is answered as ever"
    assert "/smuggled" not in server.seen, trick  # type: ignore[attr-defined]
