"""Proof that a route scope serves a version: ask Envoy itself, through the listener that only we can reach."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.snapshot import Entry

PATH: Final = "gf:probe"
"""A path key no client can have: a client's path begins with a slash."""


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
    """Probes over one kept-alive connection to the `probe` listener's socket."""

    def __init__(self, socket: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)), base_url="http://probe", timeout=1
        )

    async def missing(self, wanted: Mapping[str, str], patience: float) -> list[str]:
        """The scopes of `wanted` (scope key to version) that did not serve their version within `patience` seconds."""
        until = time.monotonic() + patience
        left = list(wanted)
        while left:
            left = [scope for scope in left if await self._version(scope) != wanted[scope]]
            if not left or time.monotonic() > until:
                break
            await asyncio.sleep(0.005)
        return left

    async def _version(self, scope: str) -> str:
        try:
            answer = await self._client.get("/", headers={"x-gf-scope": scope, "x-gf-path": PATH})
        except httpx.HTTPError:
            return ""
        return answer.text.strip() if answer.status_code == 200 else ""

    async def close(self) -> None:
        await self._client.aclose()
