"""A client that asks the gateway for the same thing until the answer changes."""

import socket
import time
from typing import Self

from bench.shape import HEADERS


class Watcher:
    """One kept-alive connection to the gateway that asks for the same route again and again."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def aim(self, host: str, target: str) -> None:
        """Ask for this from now on."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        self._request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()

    def until(self, mark: str, seconds: float) -> float:
        """The moment at which an answer has the header x-live with this value; RuntimeError when none has in time."""
        ends, wanted = time.monotonic() + seconds, f"x-live: {mark}\r\n".encode()
        while True:
            head = self._ask()
            now = time.monotonic()
            if wanted in head:
                return now
            if now > ends:
                raise RuntimeError(f"not live after {seconds:.0f} s, the gateway still answers:\n{head.decode()}")

    def _ask(self) -> bytes:
        self._socket.sendall(self._request)
        said = b""
        while b"\r\n\r\n" not in said:
            said += self._receive()
        head, _, rest = said.partition(b"\r\n\r\n")
        missing = _length(head) - len(rest)
        while missing > 0:
            missing -= len(self._receive())
        return head + b"\r\n"

    def _receive(self) -> bytes:
        if not (found := self._socket.recv(65536)):
            raise RuntimeError("the gateway closed a kept-alive connection")
        return found


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise RuntimeError(f"an answer without a length: {head.decode()}")
