"""Continuous traffic as clients send it, and the count of what failed."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator, Sequence

PAUSE = 0.04
"""Seconds between two requests of one client."""
PER_CONNECTION = 10
"""Requests after which a client connects anew."""
CLIENTS = 2
Address = tuple[str, int]


class Traffic:
    """Clients that ask again and again. Each tries one address after the other, as behind a load balancer."""

    def __init__(self, addresses: Sequence[Address], path: str) -> None:
        self.sent = 0
        self.failed: list[str] = []
        self._addresses, self._path = tuple(addresses), path
        self._stop = threading.Event()
        self._count = threading.Lock()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait(self, requests: int) -> None:
        """Until so many more have been sent."""
        until = self.sent + requests
        while self.sent < until:
            time.sleep(PAUSE)

    def _client(self) -> None:
        while not self._stop.is_set():
            with contextlib.ExitStack() as stack:
                connections = [http.client.HTTPConnection(*address, timeout=30) for address in self._addresses]
                for connection in connections:
                    stack.callback(connection.close)
                for _ in range(PER_CONNECTION):
                    if self._stop.wait(PAUSE) or not self._ask(connections):
                        break

    def _ask(self, connections: Sequence[http.client.HTTPConnection]) -> bool:
        """Whether the connections can be used again."""
        problems = []
        for connection in connections:
            if not (problem := self._asked(connection)):
                break
            problems.append(problem)
        with self._count:
            self.sent += 1
            if len(problems) == len(connections):
                self.failed.append("; ".join(problems))
        return not problems

    def _asked(self, connection: http.client.HTTPConnection) -> str:
        try:
            connection.request("GET", self._path, headers={"host": "steady.test"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        return "" if answer.status == 200 else f"{answer.status}"


@contextlib.contextmanager
def traffic(*addresses: Address | int, path: str = "/steady") -> Iterator[Traffic]:
    """About fifty requests a second until the block ends; a port is one of this machine."""
    seen = Traffic([("127.0.0.1", each) if isinstance(each, int) else each for each in addresses], path)
    seen.start()
    try:
        seen.wait(5)
        yield seen
    finally:
        seen.stop()


def told(fault: str, seen: Traffic, converged: float | None = None) -> None:
    """Print what a fault came to, and let nothing have failed."""
    after = "" if converged is None else f", converged after {converged:.1f} s"
    print(f"{fault}: {seen.sent} requests sent, {len(seen.failed)} failed{after}")  # noqa: T201
    assert seen.failed == []
