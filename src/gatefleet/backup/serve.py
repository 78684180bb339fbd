"""The process of `gatefleet backup`: one of any number writes the copies, the others wait for its end."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog
import uvloop

from gatefleet import logs
from gatefleet.backup.exporter import Exporter, Target
from gatefleet.backup.status import Health, status_app
from gatefleet.buckets import config_bucket, resource_bucket
from gatefleet.errors import Invalid, Unreachable
from gatefleet.settings import BackupSettings
from gatefleet.status_port import status_port
from gatefleet.store import Store, master_key
from gatefleet.store.lead import BACKUP_LOCK, lead

log = structlog.stdlib.get_logger(__name__)

RETRY_SECONDS: Final = 1.0


def run(settings: BackupSettings) -> None:
    """Write copies until SIGTERM or SIGINT. Raises a GatefleetError when it cannot start."""
    logs.configure(settings.log_format, "backup")
    uvloop.run(_until_told(settings))


async def _until_told(settings: BackupSettings) -> None:
    task = asyncio.create_task(serve(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def serve(settings: BackupSettings) -> None:
    """Write copies until cancelled; waits for PostgreSQL as long as it takes.

    Invalid when the settings name no bucket, GatefleetError when the port is taken or the database cannot be opened.
    """
    targets, master = _targets(settings), master_key(settings)
    health = Health()
    async with AsyncExitStack() as stack:
        app = status_app(health)
        await stack.enter_async_context(status_port(app, settings.bind, settings.status_port, "--status-port"))
        store = await _open(settings, master, health)
        stack.push_async_callback(store.close)
        log.info("ready to write copies", to=sorted({target.bucket.name for target in targets}))

        async def work() -> None:
            health.exporter = Exporter(store, master, targets, settings.keep)
            try:
                await _turns(health, health.exporter, settings.fallback_interval)
            finally:
                health.exporter = None

        await lead(settings.dsn.get_secret_value(), work, BACKUP_LOCK)


async def _turns(health: Health, exporter: Exporter, interval: float) -> None:
    while True:
        try:
            await exporter.turn()
            health.postgresql = True
        except Unreachable as error:
            if health.postgresql:
                log.warning("postgresql is away; the copies stay as they are", reason=str(error))
            health.postgresql = False
        await asyncio.sleep(interval)


async def _open(settings: BackupSettings, master: bytes, health: Health) -> Store:
    while True:
        try:
            store = await Store.open(settings.dsn.get_secret_value(), master, pool_size=2)
        except Unreachable as error:
            log.warning("waiting for postgresql", reason=str(error))
            health.postgresql = False
            await asyncio.sleep(RETRY_SECONDS)
        else:
            health.postgresql = True
            return store


def _targets(settings: BackupSettings) -> Sequence[Target]:
    snapshots, resources = config_bucket(settings), resource_bucket(settings)
    targets = [*([Target("snapshot", snapshots)] if snapshots else ())]
    targets += [Target("resources", resources)] if resources else []
    if not targets:
        raise Invalid(
            "there is nowhere to write to: give --fallback-aws-s3-config-bucket and --fallback-aws-s3-resource-bucket, "
            "or --fallback-azure-blob-config-container and --fallback-azure-blob-resource-container"
        )
    return targets
