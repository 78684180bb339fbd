"""Proof that a route scope serves a version: ask Envoy itself, through the listener that only we can reach."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.snapshot import Entry

PATH: Final = "gf:probe"
"""A path key no client can have: a client's path begins with a slash."""
CALL_SECONDS: Final = 1.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def expected(resource: Entry) -> str:
    """The version that the RouteConfiguration `resource` answers a probe with; empty when it has no probe."""
    hosts = route.RouteConfiguration.FromString(resource.body).virtual_hosts
    if not hosts:
        return ""
    entries = hosts[0].matcher.matcher_tree.exact_match_map.map
    if PATH not in entries:
        return ""
    answer = route.Route.FromString(entries[PATH].action.typed_config.value)
    return answer.direct_response.body.inline_string


class Prober:
    """Probes every worker thread of Envoy, over one kept-alive connection each.

    The `probe` listener deals connections out evenly, and a worker takes a new configuration a moment after Envoy has
    acknowledged it: only what every worker serves is proven.
    """

    def __init__(self, socket: Path, workers: int) -> None:
        self._workers = [_Worker(socket) for _ in range(workers)]

    async def missing(self, wanted: Mapping[str, str], patience: float) -> list[str]:
        """The scopes of `wanted` (scope key to version) that did not serve their version within `patience` seconds.

        Each is asked once at least, unless Envoy is so slow to answer that patience and `CALL_SECONDS` are over before.
        """
        until = time.monotonic() + patience
        left = list(wanted)
        while left:
            left = await self._pass(left, wanted, until + CALL_SECONDS)
            if not left or time.monotonic() > until:
                break
            await asyncio.sleep(0.005)
        return left

    async def _pass(self, scopes: Sequence[str], wanted: Mapping[str, str], until: float) -> list[str]:
        return [s for s in scopes if time.monotonic() > until or not await self._shows(s, wanted[s])]

    async def _shows(self, scope: str, version: str) -> bool:
        shown = await asyncio.gather(*(worker.version(scope) for worker in self._workers))
        return all(found == version for found in shown)

    async def close(self) -> None:
        for worker in self._workers:
            await worker.close()


class _Worker:
    """One connection to the probe listener; a tenth of a web client's cost."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._connection: _Connection | None = None

    async def version(self, scope: str) -> str:
        """What this worker serves for a scope; empty when it serves nothing there or does not answer."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._ask(scope)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            await self.close()
            return ""

    async def _ask(self, scope: str) -> str:
        if self._connection is None:
            self._connection = await asyncio.open_unix_connection(str(self._socket))
        reader, writer = self._connection
        writer.write(f"GET / HTTP/1.1\r\nhost: probe\r\nx-gf-scope: {scope}\r\nx-gf-path: {PATH}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        body = await reader.readexactly(int(found[1]) if found else 0)
        return body.decode() if head.startswith(b"HTTP/1.1 200 ") else ""

    async def close(self) -> None:
        if self._connection is not None:
            _, writer = self._connection
            self._connection = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
