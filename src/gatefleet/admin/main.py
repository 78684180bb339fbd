"""`gatefleet admin` as a process of its own: log, loop, signals."""

import asyncio
import signal

import uvloop

from gatefleet import logs
from gatefleet.admin import serve
from gatefleet.settings import AdminSettings


def run(settings: AdminSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.configure("json" if settings.log_format == "json" else "console", "admin")
    uvloop.run(_until_told(settings))


async def _until_told(settings: AdminSettings) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await serve.run(settings, told)
