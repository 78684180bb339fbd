"""Delta xDS messages as bytes: responses are joined from the resources' own bytes, so big ones are copied once only.

Field numbers are those of envoy/service/discovery/v3/discovery.proto; a test parses every shape with Envoy's classes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from gatefleet.snapshot import Entry

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD: Final = "DeltaAggregatedResources"
OWN_SERVICE: Final = "gatefleet.Discovery"
PACKED_METHOD: Final = "PackedDeltaResources"
"""The same messages, several in one gRPC message: what a gRPC message costs is most of what feeding many nodes does."""
CHUNK: Final = 256 * 1024
"""A response is closed when it holds this many bytes; one bigger resource still goes alone."""
UNLIMITED: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
"""Channel and server options: one resource may be bigger than gRPC's default limit of 4 MiB."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How the protocol's messages stand in those of gRPC."""

    join: Callable[[Sequence[bytes]], bytes]
    split: Callable[[bytes], Sequence[bytes]]
    """ValueError (msgspec.DecodeError is one) when there are none in it."""
    full: int
    """Bytes from which on no other message is joined."""


PLAIN: Final = Framing(b"".join, lambda body: (body,), 0)
"""Each alone, as the xDS protocol wants it."""
PACKED: Final = Framing(msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[bytes]).decode, 64 * 1024)

_RESOURCES, _TYPE_URL, _NONCE, _REMOVED = 2, 4, 5, 6
_VERSION, _RESOURCE, _NAME = 1, 2, 3
_ANY_TYPE_URL, _ANY_VALUE = 1, 2


@dataclass(frozen=True, slots=True)
class Response:
    """One DeltaDiscoveryResponse, built once and shared by every stream it goes to."""

    type_url: str
    nonce: str
    names: tuple[str, ...]
    removed: tuple[str, ...]
    body: bytes


def responses(
    type_url: str, changed: Mapping[str, Entry], removed: tuple[str, ...], nonces: Iterator[str]
) -> Iterator[Response]:
    """`changed` in chunks of about `CHUNK` bytes, `removed` in the last one; one empty response when both are empty."""
    parts: list[bytes] = []
    names: list[str] = []
    size = 0
    for name, entry in changed.items():
        if size and size + len(entry.body) > CHUNK:
            yield _response(type_url, parts, tuple(names), (), next(nonces))
            parts, names, size = [], [], 0
        parts += _resource(type_url, name, entry)
        names.append(name)
        size += len(entry.body) + len(name) + 128
    yield _response(type_url, parts, tuple(names), removed, next(nonces))


def _response(
    type_url: str, parts: Iterable[bytes], names: tuple[str, ...], removed: tuple[str, ...], nonce: str
) -> Response:
    gone = b"".join(_text(_REMOVED, name) for name in removed)
    body = b"".join((*parts, _text(_TYPE_URL, type_url), _text(_NONCE, nonce), gone))
    return Response(type_url, nonce, names, removed, body)


def _resource(type_url: str, name: str, entry: Entry) -> tuple[bytes, ...]:
    """A `Resource` as one field of the response: heads before the body, the body itself as it is."""
    any_head = _text(_ANY_TYPE_URL, type_url) + _head(_ANY_VALUE, len(entry.body))
    head = _text(_NAME, name) + _text(_VERSION, entry.version) + _head(_RESOURCE, len(any_head) + len(entry.body))
    return _head(_RESOURCES, len(head) + len(any_head) + len(entry.body)), head, any_head, entry.body


def _text(field: int, value: str) -> bytes:
    encoded = value.encode()
    return _head(field, len(encoded)) + encoded


def _head(field: int, length: int) -> bytes:
    """Tag and length of a length-delimited field (the field numbers here are all below 16)."""
    out = bytearray((field << 3 | 2,))
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    out.append(length)
    return bytes(out)
