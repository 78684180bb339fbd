"""Where our processes connect to because somebody configured it: anywhere but where only the machine itself may ask.

Clouds hand out credentials to whoever asks certain link-local addresses from inside the machine (server-side request
forgery: OWASP, SSRF Prevention). What counts is the address a name resolves to when the connection is made.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpx

from gatefleet.addresses import DENIED
from gatefleet.errors import GatefleetError


class Denied(GatefleetError):
    """The address must not be connected to; the message names it."""

    status = 400


class Outbound:
    """Which addresses are not connected to."""

    def __init__(self, denied: Iterable[str] = DENIED) -> None:
        self._denied: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text, strict=False) for text in denied)

    async def address(self, host: str, port: int) -> str:
        """An address of the host to connect to; Denied if any is not allowed, OSError if there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            self.check(host, address)
        return addresses[0]

    def check(self, host: str, address: str) -> None:
        """Denied if the address, which the host has, must not be connected to."""
        plain = _plain(address)
        if any(plain in network for network in self._denied):
            raise Denied(f"[{host}] is at [{address}], which must not be connected to: see the setting outbound-deny")

    async def check_host(self, host: str, port: int) -> None:
        """Denied as `address`; a name that resolves to nothing now is judged when it is used."""
        try:
            await self.address(host, port)
        except OSError:
            return


class Transport(httpx.AsyncHTTPTransport):
    """Connects to the very address that was judged, with the host's name in the request and in TLS."""

    def __init__(self, outbound: Outbound, verify: ssl.SSLContext | bool = True, **more: Any) -> None:  # noqa: FBT001, FBT002
        super().__init__(verify=verify, trust_env=False, **more)
        self._outbound = outbound

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            address = await self._outbound.address(host, port)
        except Denied as denied:
            raise httpx.ConnectError(str(denied), request=request) from denied
        except OSError as error:
            raise httpx.ConnectError(f"[{host}] has no address: {error}", request=request) from error
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await super().handle_async_request(request)


def _plain(address: str) -> IPv4Address | IPv6Address:
    """The address; one of IPv4 in IPv6's clothes as what it is."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or found.sixtofour or found
    return found
