"""Who may knock at all: addresses that are let in, and how often each may ask; decided before a request is read."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from gatefleet.admin.web import failure
from gatefleet.settings import AdminSettings

Network = IPv4Network | IPv6Network
MOST: Final = 100_000
"""Addresses that are remembered; beyond, those that have been quiet longest are forgotten."""
SECONDS_OF_BURST: Final = 2
SIGN_IN: Final = "/api/login"
ONE_HOUSEHOLD: Final = 64
"""Bits of an IPv6 address that tell one network from another; the rest anybody chooses as he likes (RFC 6177)."""


class Rates:
    """So many requests a second from each address, and for a moment twice as many (generic cell rate algorithm)."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, who: str) -> float:
        """Seconds until this address may ask again; 0: it may, and that counts."""
        now = self._clock()
        due = max(self._due.pop(who, now), now)
        early = due - now - SECONDS_OF_BURST
        self._due[who] = due if early > 0 else due + self._interval
        if len(self._due) > MOST:
            self._due.popitem(last=False)
        return max(early, 0)


class Gate:
    """Refuses with 403 who is not let in, with 429 who asks too often; the rest reaches the application."""

    def __init__(self, app: ASGIApp, settings: AdminSettings, clock: Callable[[], float]) -> None:
        self._app = app
        self._allowed, self._denied = _networks(settings.allow_from), _networks(settings.deny_from)
        self._requests = Rates(settings.requests_per_second, clock)
        self._sign_ins = Rates(settings.sign_ins_per_second, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if scope["type"] != "http" else self._judged(scope)
        await app(scope, receive, send)

    def _judged(self, scope: Scope) -> ASGIApp:
        host = scope["client"][0] if scope.get("client") else ""
        address = _address(host)
        if not self._let_in(address):
            return failure(403, f"requests from [{host}] are not let in")
        who = _household(address) if address else host
        wait = self._requests.wait(who)
        if scope["method"] == "POST" and scope["path"] == SIGN_IN:
            wait = max(wait, self._sign_ins.wait(who))
        if not wait:
            return self._app
        refusal = failure(429, f"too many requests from [{host}]; try again in {ceil(wait)} s")
        refusal.headers["retry-after"] = str(ceil(wait))
        return refusal

    def _let_in(self, address: IPv4Address | IPv6Address | None) -> bool:
        if _within(address, self._denied):
            return False
        return not self._allowed or _within(address, self._allowed)


def _networks(texts: Iterable[str]) -> Sequence[Network]:
    return [ip_network(text, strict=False) for text in texts]


def _within(address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 in IPv6's clothes as what it is. None for a socket of this machine."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _household(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, ONE_HOUSEHOLD), strict=False))
