"""Compresses responses with gzip, for clients that accept it and did not get them compressed already.

Compressing is Envoy's. `Vary: Accept-Encoding` is sent wherever the client's header made a difference, whether `vary`
is set or not. HTTP/1.0 clients that ask for compression get it too. A strong ETag becomes a weak one.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gatefleet.filters import compress, known_http
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.protos.envoy.extensions.compression.gzip.compressor import v3 as gzip
from gatefleet.protos.google import protobuf as wkt

Types = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=1)] | Literal["*"]


class Buffers(Conf):
    """nginx's buffers. Envoy needs none: accepted, without effect on what clients see."""

    number: int = Field(default=32, ge=1)
    size: int = Field(default=4096, ge=1)


class Gzip(Conf):
    """Which responses are compressed, and how much."""

    types: Types = Field(default=("text/html",), description="MIME types to compress; `*` for all.")
    min_length: int = Field(
        default=20, ge=1, lt=2**32, description="Compress only what the Content-Length says is at least as long."
    )
    comp_level: int = Field(default=1, ge=1, le=9, description="From fastest to smallest.")
    http_version: Annotated[float, AfterValidator(known_http)] = Field(
        default=1.1, description="The least version of a client's HTTP, 1.1 or 1.0."
    )
    buffers: Buffers = Field(default=Buffers(), description="Accepted, without effect on what clients see.")
    vary: bool = Field(default=False, description="Send `Vary: Accept-Encoding`. It is always sent.")


def translate(conf: Gzip, _: Scope) -> Iterator[Effect]:
    library = gzip.Gzip(
        compression_level=f"COMPRESSION_LEVEL_{conf.comp_level}",
        window_bits=wkt.UInt32Value(value=15),
        memory_level=wkt.UInt32Value(value=8),
    )
    yield compress("gzip", library, conf.types, conf.min_length, preferred=False)


PLUGIN = Plugin(
    name="gzip",
    priority=995,
    phase=Phase.OUTPUT,
    conf=Gzip,
    translate=translate,
    summary="Compresses responses with gzip.",
    category="general",
    examples={
        "Text and JSON from a kilobyte on": {
            "types": ["text/html", "text/css", "application/json"],
            "min_length": 1024,
            "vary": True,
        }
    },
)
