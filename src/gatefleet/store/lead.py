"""Leadership: one of any number of processes over a database holds an advisory lock, and with it the leader's work."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import structlog

from gatefleet.store.dsn import LOST, dial
from gatefleet.waiting import happens

if TYPE_CHECKING:
    import asyncpg

log = structlog.stdlib.get_logger(__name__)

LOCK: Final = 7_462_016
"""The advisory lock of the DP Managers' leader; the number is only ours."""
BACKUP_LOCK: Final = 7_462_017
"""That of the one process that writes copies to the bucket."""
PULSE_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 4
"""After this much silence PostgreSQL ends the connection of a process that hangs or cannot be reached any more."""


async def lead(dsn: str, work: Callable[[], Coroutine[Any, Any, None]], lock: int = LOCK) -> None:
    """Do `work` whenever this process is the leader, which is who holds `lock`, until cancelled.

    The lock belongs to a connection of its own: when that is lost, the work is cancelled at once and somebody else may
    begin. Work must therefore be such that another leader can take it up at any point.
    """
    while True:
        try:
            async with _connected(dsn) as (connection, lost):
                await _elected(connection, lost, lock)
                await _working(connection, lost, work)
        except LOST:
            pass
        except Exception:
            log.exception("leading failed; somebody else may")
        await asyncio.sleep(PULSE_SECONDS)


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncGenerator[tuple["asyncpg.Connection[Any]", asyncio.Event]]:
    lost = asyncio.Event()
    settings = {"application_name": "gatefleet-leader", "idle_session_timeout": f"{SILENCE_SECONDS}s"}
    connection = await dial(dsn, SILENCE_SECONDS, server_settings=settings)
    try:
        connection.add_termination_listener(lambda _: lost.set())
        yield connection, lost
    finally:
        connection.terminate()


async def _elected(connection: "asyncpg.Connection[Any]", lost: asyncio.Event, lock: int) -> None:
    """Wait for the lock."""
    while not await connection.fetchval("select pg_try_advisory_lock($1)", lock, timeout=SILENCE_SECONDS):
        await happens(lost, PULSE_SECONDS)


async def _working(
    connection: "asyncpg.Connection[Any]", lost: asyncio.Event, work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Work as long as the connection lives; raises what ended either."""
    log.info("this process leads")
    task = asyncio.create_task(work())
    try:
        while not task.done():
            await happens(lost, PULSE_SECONDS)
            await connection.execute("select 1", timeout=SILENCE_SECONDS)
        task.result()
    finally:
        log.info("this process leads no more")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
