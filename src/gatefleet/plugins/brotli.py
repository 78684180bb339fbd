"""Compresses responses with Brotli, for clients that accept it and did not get them compressed already.

Compressing is Envoy's. Where gzip is at work too, clients that accept both get Brotli. `Vary: Accept-Encoding` is sent
wherever the client's header made a difference, whether `vary` is set or not. A strong ETag becomes a weak one.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from gatefleet.filters import compress, known_http
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.protos.envoy.extensions.compression.brotli.compressor import v3 as brotli
from gatefleet.protos.google import protobuf as wkt

Types = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=1)] | Literal["*"]
MODES = ("GENERIC", "TEXT", "FONT")


class Brotli(Conf):
    """Which responses are compressed, and how much."""

    types: Types = Field(default=("text/html",), description="MIME types to compress; `*` for all.")
    min_length: int = Field(
        default=20, ge=1, lt=2**32, description="Compress only what the Content-Length says is at least as long."
    )
    mode: int = Field(default=0, ge=0, le=2, description="What is compressed: 0 anything, 1 UTF-8 text, 2 fonts.")
    comp_level: int = Field(default=6, ge=0, le=11, description="From fastest to smallest.")
    lgwin: int = Field(default=19, ge=0, le=24, description="Size of the window, as a power of two; 0 is the default.")
    lgblock: int = Field(
        default=0, ge=0, le=24, description="Largest size of a block of input, as a power of two; 0 lets Brotli choose."
    )
    http_version: Annotated[float, AfterValidator(known_http)] = Field(
        default=1.1, description="The least version of a client's HTTP, 1.1 or 1.0."
    )
    vary: bool = Field(default=False, description="Send `Vary: Accept-Encoding`. It is always sent.")

    @field_validator("lgwin")
    @classmethod
    def window(cls, value: int) -> int:
        if 0 < value < 10:
            raise ValueError("must be 0 or from 10 to 24")
        return value

    @field_validator("lgblock")
    @classmethod
    def block(cls, value: int) -> int:
        if 0 < value < 16:
            raise ValueError("must be 0 or from 16 to 24")
        return value


def translate(conf: Brotli, _: Scope) -> Iterator[Effect]:
    library = brotli.Brotli(
        quality=wkt.UInt32Value(value=conf.comp_level),
        encoder_mode=MODES[conf.mode],
        window_bits=wkt.UInt32Value(value=conf.lgwin) if conf.lgwin else None,
        input_block_bits=wkt.UInt32Value(value=conf.lgblock) if conf.lgblock else None,
    )
    yield compress("brotli", library, conf.types, conf.min_length, preferred=True)


PLUGIN = Plugin(
    name="brotli",
    priority=996,
    phase=Phase.OUTPUT,
    conf=Brotli,
    translate=translate,
    summary="Compresses responses with Brotli.",
    category="general",
    examples={
        "Text and JSON from a kilobyte on": {
            "types": ["text/html", "text/css", "application/json"],
            "min_length": 1024,
            "vary": True,
        }
    },
)
