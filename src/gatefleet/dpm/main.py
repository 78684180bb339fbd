"""The DP Manager as a process of its own: log, loop, signals."""

import asyncio
import signal

import uvloop

from gatefleet import logs
from gatefleet.dpm import serve
from gatefleet.settings import DpmSettings


def run(settings: DpmSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.configure("json" if settings.log_format == "json" else "console", "dpm")
    uvloop.run(_until_told(settings))


async def _until_told(settings: DpmSettings) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.create_task(serve.run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
