"""Wake-ups: to which group something happened, as PostgreSQL tells it; a lost notice costs seconds, never truth."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

from gatefleet.store.dsn import LOST, dial
from gatefleet.waiting import happens

if TYPE_CHECKING:
    import asyncpg

log = structlog.stdlib.get_logger(__name__)

CHANNEL: Final = "gatefleet_group"
"""Tells the id of a group whose configuration changed."""
RETRY_SECONDS: Final = 1.0
PULSE_SECONDS: Final = 5.0


async def listen(dsn: str, wake: Callable[[str | None], None], channel: str = CHANNEL) -> None:
    """Call `wake(group_id)` for every notice on a channel, until cancelled.

    After each (re)connection `wake(None)` is called once: anything may have changed meanwhile. The connection is its
    own, outside the pool, and is made again when it is lost or silent, or the driver fails in it.
    """
    while True:
        try:
            async with _listening(dsn, wake, channel) as (connection, lost):
                wake(None)
                while not await happens(lost, PULSE_SECONDS):
                    await connection.execute("select 1", timeout=PULSE_SECONDS)
        except LOST:
            pass
        except Exception:
            log.exception("listening failed; it is begun again", channel=channel)
        await asyncio.sleep(RETRY_SECONDS)


@contextlib.asynccontextmanager
async def _listening(
    dsn: str, wake: Callable[[str | None], None], channel: str
) -> AsyncGenerator[tuple["asyncpg.Connection[Any]", asyncio.Event]]:
    def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        wake(str(payload))

    lost = asyncio.Event()
    connection = await dial(dsn, PULSE_SECONDS)
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(channel, heard)
        yield connection, lost
    finally:
        connection.terminate()
