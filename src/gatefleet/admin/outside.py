"""Places outside that administrators name: their addresses and the headers that are sent there, checked."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import Request

from gatefleet.admin.web import control
from gatefleet.errors import Invalid
from gatefleet.outbound import Denied, Outbound
from gatefleet.resources.diff import MASK


def headers(at: str, given: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    """Headers, with what is stored where the mask is given. Invalid, naming the field below `at`."""
    return {name: _header(f"{at}/headers/{name}", name, text, stored) for name, text in given.items()}


def _header(at: str, name: str, text: str, stored: Mapping[str, str]) -> str:
    if any(ord(character) < 32 or ord(character) > 126 for character in name + text):
        raise Invalid(f'Error at "{at}": headers are printable ASCII')
    if text == MASK and name not in stored:
        raise Invalid(f'Error at "{at}": [{MASK}] stands for a header that is stored for this address, and none is')
    return stored[name] if text == MASK else text


def target(at: str, url: str) -> tuple[str, int]:
    """Host and port of an address. Invalid, naming the field."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Invalid(f'Error at "{at}": {error}') from error
    if parts.scheme not in {"http", "https"} or not host:
        raise Invalid(f'Error at "{at}": must begin with https:// or http://')
    return host, port or (443 if parts.scheme == "https" else 80)


async def reachable(request: Request, at: str, host: str, port: int) -> None:
    """Invalid, naming the field, if it must not be connected to; whether anybody is there will be seen."""
    if not 1 <= port <= 65535:
        raise Invalid(f'Error at "{at}": the port must be from 1 to 65535')
    try:
        await Outbound(control(request).settings.outbound_deny).check_host(host, port)
    except Denied as denied:
        raise Invalid(f'Error at "{at}": {denied}') from denied
    except (UnicodeError, ValueError) as error:
        raise Invalid(f'Error at "{at}": {error}') from error
