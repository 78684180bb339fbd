"""`gatefleet up`: start everything in order, keep it running, stop it in order."""

import asyncio
import contextlib
import signal
import sys
import time
from typing import Final

import structlog
from rich.console import Console

from gatefleet import VERSION, logs
from gatefleet.errors import GatefleetError, Unreachable
from gatefleet.settings import UpSettings
from gatefleet.up.children import Program, Supervised, adopt_orphans, orphans, spawn, sweep
from gatefleet.up.layout import Layout, Ports, environments, ports, reachable
from gatefleet.up.places import check_ports, data_directory
from gatefleet.up.postgres import Postgres

log = structlog.get_logger()

METRICS_PATH: Final = "/apisix/prometheus/metrics"
PATIENCE: Final = 60.0
"""Seconds that everything together gets to become ready."""
LEFT_BEHIND: Final = 15.0
"""Seconds that those of a killed `up` may take to see that their database is gone, too, and to end."""


def run(settings: UpSettings) -> None:
    """Run until SIGINT or SIGTERM. Raises a GatefleetError that says what to do when it cannot start."""
    logs.configure(settings.log_format, "up")
    with data_directory(settings.data_dir) as claimed:
        patience = settings.drain_timeout + LEFT_BEHIND if claimed.abandoned else 0.0
        check_ports(settings.bind, ports(settings.port_offset).told(), patience)
        asyncio.run(_run(settings, Layout(claimed.directory)))


async def _run(settings: UpSettings, layout: Layout) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    adopt_orphans()
    fleet = Fleet(settings, layout)
    starting = asyncio.create_task(fleet.start())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _welcome(settings, layout)
            await fleet.watch(stopped)
    finally:
        starting.cancel()
        stopped.cancel()
        await asyncio.gather(starting, stopped, return_exceptions=True)
        await fleet.stop()


class Fleet:
    """PostgreSQL, the control plane and one node, as children of this process."""

    def __init__(self, settings: UpSettings, layout: Layout) -> None:
        self._settings, self._layout = settings, layout
        self._ports = ports(settings.port_offset)
        self._postgres = Postgres(layout.directory)
        self._roles: dict[str, Supervised] = {}

    async def start(self) -> None:
        """Return when every part is ready."""
        fresh = not (self._postgres.cluster.data / "PG_VERSION").exists()
        if fresh:
            log.info("making the database", directory=str(self._postgres.cluster.home))
        command = [sys.executable, "-m", "gatefleet.up.prepare", str(self._layout.directory)]
        preparing = await spawn(Program("prepare", command))
        await self._postgres.start()
        if await preparing.wait():
            raise GatefleetError("the data directory could not be prepared; the reason stands above")
        for role, environment in environments(self._settings, self._layout, self._postgres.dsn).items():
            self._roles[role] = Supervised(_program(role, environment, self._settings.drain_timeout))
            await self._roles[role].start()
        await self._ready()
        self._layout.node_token.unlink(missing_ok=True)

    async def _ready(self) -> None:
        host = reachable(self._settings.bind).strip("[]")
        pages = _health_pages(self._ports)
        ends = time.monotonic() + PATIENCE
        for name, (port, path) in pages.items():
            while not await _answers(host, port, path):
                self._check_refusals()
                if time.monotonic() > ends:
                    raise Unreachable(f"{name} was not ready in {PATIENCE:g} s: its messages stand above")
                await asyncio.sleep(0.05)

    def _check_refusals(self) -> None:
        """A role that ends by itself with a code of ours (see cli.main) says why, and would say it again."""
        for name, role in self._roles.items():
            if role.last_code in (1, 2):
                raise GatefleetError(f"{name} cannot start; its reason stands above")

    async def watch(self, stopped: asyncio.Task[bool]) -> None:
        """Until `stopped`: bury what orphans died."""
        while not stopped.done():
            orphans(self._known())
            await asyncio.wait([stopped], timeout=1)

    async def stop(self) -> None:
        """The node first, while its DP Manager still hears it; PostgreSQL last. Nothing is left running."""
        log.info("stopping")
        first = [self._roles[r].stop() for r in ("node", "admin") if r in self._roles]
        await asyncio.gather(*first)
        if "dpm" in self._roles:
            await self._roles["dpm"].stop()
        await self._postgres.stop()
        await sweep(set())
        log.info("stopped")

    def _known(self) -> set[int]:
        pids = [self._postgres.pid, *(role.pid for role in self._roles.values())]
        return {pid for pid in pids if pid is not None}


def _program(role: str, environment: dict[str, str], drain: float) -> Program:
    patience = {"node": drain + 3.0, "admin": 8.0, "dpm": 4.0}[role]
    return Program(role, [sys.executable, "-m", "gatefleet", role], environment, patience=patience)


def _health_pages(at: Ports) -> dict[str, tuple[int, str]]:
    return {
        "admin": (at.admin_http, "/readyz"),
        "the DP Manager": (at.dpm_http, "/readyz"),
        "the node": (at.node_status, "/status/ready"),
    }


async def _answers(host: str, port: int, path: str) -> bool:
    """Whether a GET answers 200."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


def _welcome(settings: UpSettings, layout: Layout) -> None:
    host, at = reachable(settings.bind), ports(settings.port_offset)
    admin, gateway = f"http://{host}:{at.admin_http}", f"http://{host}:{at.gateway_http}"
    service = '{"name": "files", "upstream": {"nodes": [{"host": "127.0.0.1", "port": 8000, "weight": 100}]}}'
    route = '{"name": "files", "service_id": "files", "paths": ["/*"]}'
    Console(highlight=False, soft_wrap=True).print(
        f"""
Gatefleet {VERSION} is running.

  Dashboard     {admin}   user admin, password admin
  Admin API     {admin}  https://{host}:{at.admin_https}   the same user
  Gateway       {gateway}  https://{host}:{at.gateway_https}   group default
  DP Manager    https://{host}:{at.dpm_tls}   more nodes join here
  Node          http://{host}:{at.node_status}/status/ready  http://{host}:{at.metrics}{METRICS_PATH}
  Data          {layout.directory}

Next steps:
  1. Put something behind the gateway, for example what listens on port 8000:
     curl -u admin:admin -X PUT "{admin}/apisix/admin/services/files?gateway_group_id=default" -d '{service}'
  2. Give it a route:
     curl -u admin:admin -X PUT "{admin}/apisix/admin/routes/files?gateway_group_id=default" -d '{route}'
  3. Call it:
     curl -i {gateway}/

Ctrl-C stops everything; the next start keeps your data.
""",
        markup=False,
    )
