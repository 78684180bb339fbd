"""`gatefleet up` in a fresh data directory, filled by its own Admin API, and its processes."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import msgspec
import psutil

from bench.load import PROXY_CORE, pin
from bench.shape import KEY, MARKER_HOST, Json, Shape, marker
from bench.watcher import Watcher
from gatefleet.resources import Document
from gatefleet.store import Author, Store, read_master_key

GATEFLEET: Final = Path(sys.executable).parent / "gatefleet"
ADMIN: Final = ("admin", "admin")
GROUP: Final = {"gateway_group_id": "default"}
PORTS: Final = (7080, 7443, 7900, 7943, 9080, 9443, 7085, 9091)
AT_ONCE: Final = 10
MOST_PUTS: Final = 1_000
CALM: Final = 2.0
"""Seconds after a big change until the node has also written its copy to disk."""
SETTLED: Final = 120.0
"""Seconds until a big change is live, at most."""
READY: Final = 90.0
"""Seconds until a fresh fleet serves, at most: a busy machine makes its database slowly."""


class Memory(msgspec.Struct, frozen=True):
    """MB of one kind of process; of shared memory, such as PostgreSQL's, `pss_mb` counts to each its part."""

    rss_mb: float
    pss_mb: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """One running product."""

    pid: int
    offset: int
    log: Path

    @property
    def gateway(self) -> int:
        """The port of the gateway."""
        return 9080 + self.offset

    @property
    def admin(self) -> int:
        """The port of the Admin API."""
        return 7080 + self.offset

    def fill(self, shape: Shape, upstream: int, *, first: int = 0) -> float | None:
        """Add the services and the routes from number `first` on, without plugins.

        PUTs per second, or None for so many routes that they go straight into the database, as one revision.
        """
        self.put([("consumers/bench", {"username": "bench", "plugins": {"key-auth": {"key": KEY}}})])
        services, routes = shape.services(upstream, {}), (shape.route(n, {}) for n in range(first, shape.routes))
        rate = None
        if shape.routes - first > MOST_PUTS:
            self.store([*services, *routes])
        else:
            with self._dpm_asleep():
                began = time.monotonic()
                self.put(services)
                self.put(routes)
                rate = (shape.hosts + shape.routes - first) / (time.monotonic() - began)
        self.settle(upstream)
        return rate

    def store(self, documents: Iterable[tuple[str, Json]]) -> None:
        """Write documents straight into the database, as one revision."""
        asyncio.run(self._store(list(documents)))

    async def _store(self, documents: Iterable[tuple[str, Json]]) -> None:
        settings = self.processes()["admin"][0].environ()
        key = read_master_key(Path(settings["GATEFLEET_ADMIN_ENCRYPTION_KEY_FILE"]))
        store = await Store.open(settings["GATEFLEET_ADMIN_DSN"], key)
        async with store.change("default", Author("bench", "fill")) as group:
            named = ((*resource.split("/", 1), body) for resource, body in documents)
            await group.put_all([Document(kind, name, body.get("service_id"), body) for kind, name, body in named])
        await store.close()

    def set_plugins(self, shape: Shape, upstream: int, plugins: Json) -> None:
        """PUT every service with these plugins, which all its routes inherit."""
        with self._dpm_asleep():
            self.put(shape.services(upstream, plugins))
        self.settle(upstream)

    @contextmanager
    def _dpm_asleep(self) -> Generator[None]:
        """One revision for nodes at the end: thousands of revisions of one document each are not what is measured."""
        dpm = self.processes()["dpm"][0]
        dpm.suspend()
        try:
            yield
        finally:
            dpm.resume()

    def put(self, documents: Iterable[tuple[str, Json]]) -> None:
        """PUT documents, ten at a time; RuntimeError when one is refused."""
        asyncio.run(self._put(iter(documents)))

    async def _put(self, documents: Iterator[tuple[str, Json]]) -> None:
        base = f"http://127.0.0.1:{self.admin}/apisix/admin/"
        async with httpx.AsyncClient(base_url=base, auth=ADMIN, params=GROUP, timeout=60) as client:
            await asyncio.gather(*(_put_all(client, documents) for _ in range(AT_ONCE)))

    def settle(self, upstream: int) -> None:
        """Wait until all that was PUT is live and all is calm again; RuntimeError when that takes too long.

        Revisions go live one after the other, so it is when two later ones are, each changing a route of its own.
        """
        with Watcher(self.gateway) as watcher:
            watcher.aim(MARKER_HOST, "/marker")
            for mark in (f"{time.monotonic_ns()}", f"{time.monotonic_ns()}+"):
                for document in marker(upstream, mark):
                    self.put([document])
                watcher.until(mark, SETTLED)
        time.sleep(CALM)

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The product's processes by what they are."""
        found: dict[str, list[psutil.Process]] = {}
        for process in [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]:
            with suppress(psutil.Error):
                found.setdefault(_role(process), []).append(process)
        return found

    @property
    def envoy(self) -> int:
        """Process id of the node's Envoy."""
        return self.processes()["node: Envoy"][0].pid

    def memory(self) -> dict[str, Memory]:
        """What each kind of process holds."""
        return {role: _memory(processes) for role, processes in sorted(self.processes().items())}


@contextmanager
def running(home: Path) -> Generator[Fleet]:
    """A fresh fleet with one Envoy worker, alone on its core; it is gone afterwards."""
    offset = free_offset()
    home.mkdir()
    command = [str(GATEFLEET), "up", "--data-dir", str(home / "data"), "--port-offset", str(offset)]
    log = home / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--envoy-concurrency", "1", "--drain-timeout", "0", "--log-format", "json"],
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        fleet = Fleet(process.pid, offset, log)
        _wait(fleet, process)
        pin(fleet.envoy, PROXY_CORE)
        yield fleet
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


async def _put_all(client: httpx.AsyncClient, waiting: Iterator[tuple[str, Json]]) -> None:
    for resource, body in waiting:
        answer = await client.put(resource, json=body)
        if answer.status_code >= 300:
            raise RuntimeError(f"PUT {resource}: {answer.status_code} {answer.text}")


def _wait(fleet: Fleet, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + READY
    ready = (f"http://127.0.0.1:{7085 + fleet.offset}/status/ready", f"http://127.0.0.1:{fleet.admin}/healthz")
    while True:
        with suppress(httpx.HTTPError):
            if all(httpx.get(url).status_code == 200 for url in ready):
                return
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"gatefleet up did not become ready:\n{fleet.log.read_text()[-3000:]}")
        time.sleep(0.2)


def _memory(processes: Iterable[psutil.Process]) -> Memory:
    found = [process.memory_full_info() for process in processes]
    return Memory(round(sum(m.rss for m in found) / 1e6, 1), round(sum(m.pss for m in found) / 1e6, 1))


def _role(process: psutil.Process) -> str:
    words = process.cmdline()
    program, parent = process.name(), process.parent()
    if "envoy" in program:
        above = " ".join(parent.cmdline()) if parent else ""
        return "dpm: its front (Envoy)" if "gatefleet dpm" in above else "node: Envoy"
    if "postgres" in program:
        return "postgres"
    named = [role for role in ("admin", "dpm", "node") if role in words]
    return named[0] + {"node": ": agent"}.get(named[0], "") if named else "up"


def free_offset() -> int:
    """What to add to the product's ports so that all of them are free, and none is one that clients are given."""
    while True:
        offset = random.randrange(10_000, 23_000)
        if all(_is_free(port + offset) for port in PORTS):
            return offset


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
