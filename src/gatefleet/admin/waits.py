"""Requests that wait for PostgreSQL to tell them something."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from gatefleet.errors import Unreachable
from gatefleet.store import listen

MOST: Final = 100
"""Requests that wait at once; each costs a small query per second and per notice."""


class Waits:
    """Requests that wait for notices of one of PostgreSQL's channels; one connection listens while there are any."""

    def __init__(self, channel: str, what: str) -> None:
        """`what` they wait for, in the plural."""
        self._channel, self._what = channel, what
        self._waiting: dict[asyncio.Event, str] = {}
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def on(self, dsn: str, told: str) -> AsyncGenerator[asyncio.Event]:
        """An event that is set whenever the channel tells this text. Unreachable when too many wait."""
        if len(self._waiting) >= MOST:
            raise Unreachable(f"{MOST} requests wait for {self._what} already: try again later")
        woken = asyncio.Event()
        self._waiting[woken] = told
        if self._listener is None:
            self._listener = asyncio.create_task(listen(dsn, self._heard, self._channel))
        try:
            yield woken
        finally:
            del self._waiting[woken]
            if not self._waiting:
                self._listener.cancel()
                self._listener = None

    def _heard(self, told: str | None) -> None:
        for woken, wanted in self._waiting.items():
            if told in (None, wanted):
                woken.set()
