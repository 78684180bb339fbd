"""`gatefleet node`: join, serve, and leave in good order."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import structlog
import uvloop

from gatefleet import VERSION, logs, rundir
from gatefleet.errors import Conflict, Invalid, Unreachable
from gatefleet.fleet import Machine
from gatefleet.node import identity, metrics
from gatefleet.node.agent import Agent
from gatefleet.node.build import run_files
from gatefleet.node.drill import Again
from gatefleet.node.manager import Manager
from gatefleet.node.status import Pages, Status
from gatefleet.pki import Bundle
from gatefleet.settings import NodeSettings

log = structlog.get_logger()

RUN_ROOM: Final = 64 * 1024 * 1024
"""Bytes that must be free in shared memory for the run directory to be there."""
TRAFFIC_PORTS: Final = (9080, 9443)
JOIN_PAUSES: Final = (*(0.1,) * 20, *(0.25,) * 12, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to join while the DP Manager does not answer; the last one repeats."""
PATIENT: Final = 20
"""Attempts after which the log says what is waited for."""
_T = TypeVar("_T")


@dataclass(slots=True)
class Told:
    """What signals ask for."""

    to_end: asyncio.Event = field(default_factory=asyncio.Event)
    to_return: bool = False
    """And then to begin again, with the program as it is on disk by now; Envoy serves meanwhile."""

    def listen(self) -> None:
        """SIGTERM and SIGINT end the node, SIGUSR2 has the agent begin again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.to_end.set)
        loop.add_signal_handler(signal.SIGUSR2, self._return)

    def _return(self) -> None:
        self.to_return = not self.to_end.is_set()
        self.to_end.set()


def run(settings: NodeSettings) -> None:
    """Run one node until SIGTERM or SIGINT. Raises a GatefleetError when it cannot start."""
    logs.configure(settings.log_format, "node")
    if uvloop.run(serve(settings)):
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # until the next agent listens
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (no shell is meant)


async def serve(settings: NodeSettings) -> bool:
    """Join if this node has not yet, and serve until a signal asks for an end; whether to begin again then."""
    told = Told()
    told.listen()
    status = Status()
    with _locked(settings.data_dir):
        async with _pages(settings, status):
            manager = await _unless(told.to_end, _join(settings, status))
            if manager is not None:
                await _work(settings, status, manager, told)
    log.info("the agent begins again" if told.to_return else "stopped")
    return told.to_return


async def _work(settings: NodeSettings, status: Status, manager: Manager, told: Told) -> None:
    directory = rundir.private_dir("node", settings.data_dir, room=RUN_ROOM)
    files = run_files(directory, settings, manager.instance)
    agent = Agent(settings, files, manager, _machine(settings, manager.address), status)
    try:
        await agent.start()
    except BaseException:
        if agent.replaces:  # the Envoy before serves; the next agent tries again
            await agent.abandon()
            raise
        await agent.stop()
        rundir.remove(directory)
        raise
    keeps_envoy = True
    try:
        await _unless(told.to_end, agent.failed())
    except Again as again:
        told.to_return, keeps_envoy = True, not again.envoy
    except Exception:
        log.exception("the agent failed; Envoy goes on with what it has, for the next agent")
        await agent.abandon()
        raise
    if told.to_return and keeps_envoy:
        await agent.abandon()
        return
    await agent.stop()
    rundir.remove(directory)


async def _join(settings: NodeSettings, status: Status) -> Manager:
    """The identity this node has or gets; waits for the DP Manager as long as it takes."""
    store = identity.IdentityStore(settings.data_dir)
    stored = store.load()
    offered = identity.invitation(settings, joined=stored is not None)
    known = identity.choose(stored, offered, datetime.now(UTC))
    addresses = identity.addresses_of(offered, known)
    if known is None:
        turns = itertools.cycle(addresses)
        known = await _patiently(status, lambda: _enroll(settings, store, next(turns), offered.token or ""))
        log.info("joined", group=known.gateway_group_id, instance=store.instance())
    manager = Manager(addresses, store, known, lambda address, expired: _rejoin(settings, store, address, expired))
    await _patiently(status, manager.complete)
    store.save(manager.identity)
    return manager


async def _rejoin(settings: NodeSettings, store: identity.IdentityStore, address: str, expired: Bundle) -> Bundle:
    """Another identity by what the options say now; files that they name may have been replaced."""
    offered = identity.invitation(settings, joined=True)
    if offered.token is None:
        return identity.again(expired, offered, datetime.now(UTC))
    return await _enroll(settings, store, address, offered.token)


async def _enroll(settings: NodeSettings, store: identity.IdentityStore, address: str, token: str) -> Bundle:
    found = await identity.enroll(address, token, store.instance(), _machine(settings, address))
    store.save(found)
    return found


async def _patiently(status: Status, attempt: Callable[[], Awaitable[_T]]) -> _T:
    """`attempt` until the DP Manager answers; what else goes wrong is raised."""
    tries = 0
    while True:
        try:
            return await attempt()
        except Unreachable as error:
            if tries == PATIENT or (tries > PATIENT and status.reason != str(error)):
                log.warning("cannot join yet", reason=str(error))
            status.reason = str(error)
        await asyncio.sleep(JOIN_PAUSES[min(tries, len(JOIN_PAUSES) - 1)])
        tries += 1


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    """What `work` returns or raises; None when `stop` is set first, and `work` is cancelled."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return None
    finally:
        for one in (task, stopped):
            one.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


@contextlib.asynccontextmanager
async def _pages(settings: NodeSettings, status: Status) -> AsyncGenerator[None]:
    """The node's two small web servers, there from the first moment to the last."""
    bind, offset = settings.status_bind or settings.bind, settings.port_offset
    alive = {"/status": status.alive_page, "/status/ready": status.ready_page, "/status/secrets": status.secrets_page}
    servers = (
        Pages(bind, settings.status_port + offset, "status", alive),
        Pages(bind, settings.metrics_port + offset, "metrics", {metrics.PATH: status.metrics_page}),
    )
    try:
        for server in servers:
            await server.start()
        yield
    finally:
        for server in servers:
            await server.stop()


@contextlib.contextmanager
def _locked(data_dir: Path) -> Generator[None]:
    """The data directory, made if need be and ours alone; Invalid or Conflict when it cannot be."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "node.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Invalid(f"cannot write to [{data_dir}]: {error.strerror}; choose another --data-dir") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Conflict(f"another node runs on [{data_dir}]: stop it, or choose another --data-dir") from error
    try:
        yield
    finally:
        os.close(lock)


def _machine(settings: NodeSettings, address: str) -> Machine:
    return Machine(
        hostname=socket.gethostname(),
        ip=_own_address(address),
        version=VERSION,
        ports=tuple(port + settings.port_offset for port in TRAFFIC_PORTS),
        cores=len(os.sched_getaffinity(0)),
        labels=settings.labels or {},
    )


def _own_address(address: str) -> str:
    """The address this machine reaches the DP Manager from; nothing is sent to find out."""
    parts = urlsplit(address)
    try:
        family, _, _, _, there = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(there)
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"
