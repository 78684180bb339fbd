"""A TCP proxy that does to connections what bad networks do."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CHUNK = 64 * 1024
TIMEOUT = 0.2
"""TCP's shortest retransmission timeout on Linux, in seconds; it doubles with each loss."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]


@dataclass(frozen=True)
class Weather:
    """How the network is. A stream loses nothing: what loss does to it is delay."""

    delay: float = 0.0
    """Seconds that each piece takes in each direction."""
    loss: float = 0.0
    """Share of pieces that are lost, and sent again after a timeout."""
    silent: bool = False
    """Nothing arrives any more, and nobody says so."""
    cut: bool = False
    """Connections are reset, and new ones too."""


FAIR = Weather()


class Proxy:
    """Forwards connections in a thread of its own; set `weather` for connections that are there and new ones."""

    def __init__(self, dial: Dial, host: str) -> None:
        self.port = 0
        self._dial, self._host = dial, host
        self._weather, self._random = FAIR, random.Random(5)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._loud = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)

    def stop(self) -> None:
        self.set(Weather(cut=True))
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set(self, weather: Weather) -> None:
        """Have this weather from now on."""
        self._loop.call_soon_threadsafe(self._change, weather)

    def _change(self, weather: Weather) -> None:
        self._weather = weather
        if weather.silent:
            self._loud.clear()
        else:
            self._loud.set()
        if weather.cut:
            for writer in self._writers:
                writer.transport.abort()

    async def _listen(self) -> None:
        self._loud.set()
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        own = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather.cut:
            writer.transport.abort()
            return
        try:
            there, onward = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, onward}
        self._writers |= ends
        ways = [asyncio.create_task(self._pump(*way)) for way in ((reader, onward), (there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= ends
            for way in ways:
                way.cancel()
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(CHUNK):
                await self._travel()
                writer.write(piece)
                await writer.drain()

    async def _travel(self) -> None:
        weather, timeout = self._weather, TIMEOUT
        if weather.delay:
            await asyncio.sleep(weather.delay)
        while self._random.random() < self._weather.loss:
            await asyncio.sleep(timeout)
            timeout *= 2
        await self._loud.wait()


@contextmanager
def proxy(target: int | str, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy on a free port of `host`, to a port of this machine or to a unix socket."""

    async def dial() -> Streams:
        if isinstance(target, str):
            return await asyncio.open_unix_connection(target)
        return await asyncio.open_connection("127.0.0.1", target)

    found = Proxy(dial, host)
    found.start()
    try:
        yield found
    finally:
        found.stop()
