"""Waiting for something that may not happen in time, without losing a cancellation."""

import asyncio
import contextlib


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set, waiting for it so long at most.

    Not asyncio.wait_for: up to Python 3.11 that returns what came at the same moment as a cancellation, and its caller
    goes on for ever (https://github.com/python/cpython/issues/86296).
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
