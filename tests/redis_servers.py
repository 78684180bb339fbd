"""Real Redis servers for tests: one alone, with a password, over TLS, and a cluster of three masters."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

MASTERS = 3
SLOTS = 16384


@dataclass(slots=True)
class Redis:
    """A server on the loopback address, its data in memory only."""

    port: int
    options: Sequence[str]
    credentials: Sequence[str]
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Runs it, and waits until it answers."""
        command = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory), *self.options]
        if "--tls-port" not in self.options:
            command += ["--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self.ask("ping").startswith(("PONG", "NOAUTH")):
            assert time.monotonic() < end, "Redis does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kills it; may be called twice."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, *words: str) -> str:
        """What it answers to one command, as redis-cli prints it."""
        command = ["redis-cli", "-p", str(self.port), *self.credentials, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()


@contextmanager
def redis_server(directory: Path, *options: str, credentials: Sequence[str] = ()) -> Iterator[Redis]:
    """A server; `options` as of its command line, `credentials` as redis-cli takes them."""
    port = free_port()
    server = Redis(port, [option.format(port=port) for option in options], credentials, directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def redis_cluster(directory: Path) -> Iterator[list[Redis]]:
    """Three masters with a third of the slots each, no replicas."""
    with ExitStack() as stack:
        servers: list[Redis] = []
        for number in range(MASTERS):
            home = directory / str(number)
            home.mkdir()
            bus = ("--cluster-port", str(free_port()))
            servers.append(stack.enter_context(redis_server(home, "--cluster-enabled", "yes", *bus)))
        for number, server in enumerate(servers):
            first, last = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
            assert server.ask("cluster", "addslotsrange", str(first), str(last)) == "OK"
            assert server.ask("cluster", "set-config-epoch", str(number + 1)) == "OK"
        for server in servers[1:]:
            bus = server.options[-1]
            assert servers[0].ask("cluster", "meet", "127.0.0.1", str(server.port), bus) == "OK"
        _settle(servers)
        yield servers


def _settle(servers: Sequence[Redis]) -> None:
    end = time.monotonic() + 60
    while not all("cluster_state:ok" in server.ask("cluster", "info") for server in servers):
        assert time.monotonic() < end, "the cluster does not settle"
        time.sleep(0.1)
