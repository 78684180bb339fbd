"""Gives each request an id, in a header to the upstream and to the client; an id that the client sent is kept.

UUIDs are Envoy's own and cost least. With them, and unlike APISIX, a header the client sent empty stays empty.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gatefleet.filters import default_header, headers, lua, lua_source, mutation
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=256)]
SOURCE = lua_source(__name__)


class RangeId(Conf):
    """Ids of `length` characters drawn from `char_set`."""

    length: int = Field(default=16, ge=6, le=256)
    char_set: str = Field(
        default="abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789",
        min_length=6,
        max_length=256,
        pattern=r"^[!-~]+$",
    )


class RequestId(Conf):
    """Without any field: UUIDs in `X-Request-Id`."""

    header_name: Name = Field(default="X-Request-Id", description="The header that carries the id.")
    include_in_response: bool = Field(default=True, description="Tell the client the id, too.")
    algorithm: Literal["uuid", "nanoid", "range_id", "ksuid"] = Field(default="uuid", description="How ids are made.")
    range_id: RangeId = Field(default=RangeId(), description="How `range_id` makes them.")


def translate(conf: RequestId, _: Scope) -> Iterator[Effect]:
    name = conf.header_name
    generated = "%UNIQUE_ID%"
    if conf.algorithm != "uuid":
        yield from lua(
            "request-id",
            SOURCE,
            {
                "header": name.lower(),
                "algorithm": conf.algorithm,
                "length": conf.range_id.length,
                "chars": conf.range_id.char_set,
            },
        )
    request = [mutation(default_header(name, generated))] if conf.algorithm == "uuid" else []
    response = [mutation(default_header(name, f"%REQ({name})%"))] if conf.include_in_response else []
    if request or response:
        yield headers(request=request, response=response)


PLUGIN = Plugin(
    name="request-id",
    priority=12015,
    phase=Phase.REWRITE,
    conf=RequestId,
    translate=translate,
    summary="Gives each request a unique id.",
    category="traffic",
    examples={"An id that the client sees, too": {"header_name": "X-Request-Id", "include_in_response": True}},
)
