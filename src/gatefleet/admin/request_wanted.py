"""The request that somebody wants to see tried: its shape, and what it must not be."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Self

import msgspec

from gatefleet.errors import Invalid
from gatefleet.fleet import RequestTest

MOST_BODY: Final = 64 * 1024
MOST_HEADERS: Final = 100
MOST_HEADER_BYTES: Final = 48 * 1024
"""Envoy refuses requests with more than 60 kB of headers."""
METHOD: Final = re.compile(r"[A-Z][A-Z_-]{0,19}")
TARGET: Final = re.compile(r"/[!-\"$-~]{0,8191}")
HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?")
NAME: Final = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]{1,256}")
CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
OURS: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "http2-settings", "expect", "host", "content-length"),
    )
)
"""Headers that are about the connection (RFC 9110, 7.6.1), or are made of other fields."""


class Wanted(msgspec.Struct):
    """The body: the request, and which instance makes it. `path` with its query; `headers`: name to value or values."""

    path: str
    method: str = "GET"
    host: str = "localhost"
    scheme: Literal["http", "https"] = "http"
    headers: dict[str, str | list[str]] = {}
    body: str = ""
    instance_id: str | None = None

    def checked(self) -> Self:
        """Itself; Invalid names what no request can have, or what would not be the client's to say."""
        _fits("method", self.method, METHOD, "it must be a method in capitals, such as GET")
        if self.method == "CONNECT":
            raise Invalid('Error at "/method": CONNECT opens tunnels, and gateways refuse it')
        _fits("path", self.path, TARGET, 'it must begin with "/" and hold printable ASCII only, others percent-encoded')
        _fits("host", self.host, HOST, "it must be a host name, or name:port")
        if len(self.body.encode()) > MOST_BODY:
            raise Invalid(f'Error at "/body": it is longer than {MOST_BODY} bytes')
        pairs = list(self._pairs())
        for name, text in pairs:
            _header(name, text)
        if len(pairs) > MOST_HEADERS or sum(len(name) + len(text.encode()) for name, text in pairs) > MOST_HEADER_BYTES:
            raise Invalid(f'Error at "/headers": no more than {MOST_HEADERS} and {MOST_HEADER_BYTES} bytes are sent')
        return self

    def order(self) -> RequestTest:
        """As an instance is told, under a new id."""
        pairs = tuple((name, text.strip(" \t")) for name, text in self._pairs())
        return RequestTest(uuid.uuid4().hex, self.method, self.path, self.host, self.scheme, pairs, self.body.encode())

    def recorded(self) -> Mapping[str, Any]:
        """What the audit log keeps: no values of headers or of the query, and no body."""
        path, _, query = self.path.partition("?")
        return {
            "method": self.method,
            "path": path,
            "query": sorted({part.partition("=")[0] for part in query.split("&") if part}),
            "host": self.host,
            "scheme": self.scheme,
            "headers": sorted({name.lower() for name in self.headers}),
            "body_bytes": len(self.body.encode()),
        }

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for name, given in self.headers.items():
            texts: Sequence[str] = [given] if isinstance(given, str) else given
            yield from ((name, text) for text in texts)


def _fits(field: str, given: str, pattern: re.Pattern[str], what: str) -> None:
    if not pattern.fullmatch(given):
        raise Invalid(f'Error at "/{field}": {what}')


def _header(name: str, text: str) -> None:
    if not NAME.fullmatch(name):
        raise Invalid(f'Error at "/headers": {name[:80]!r} is no name of a header')
    if name.lower() in OURS:
        raise Invalid(f'Error at "/headers/{name}": it is of the connection, or made of other fields; leave it out')
    if CONTROLS.search(text):
        raise Invalid(f'Error at "/headers/{name}": the value must not hold control characters')
