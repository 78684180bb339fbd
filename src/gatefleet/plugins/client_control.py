"""Limits the size of request bodies: a larger one is answered with 413.

A body whose length is announced is refused before any of it goes to the upstream.
"""

from collections.abc import Iterator

from pydantic import Field

from gatefleet.plugin import Conf, Effect, Filter, Phase, Plugin, Scope
from gatefleet.protos.envoy.extensions.filters.http.body_size_limit import v3 as body_size_limit
from gatefleet.protos.google import protobuf as wkt


class ClientControl(Conf):
    """Without `max_body_size` there is no limit."""

    max_body_size: int | None = Field(
        default=None, ge=0, lt=2**63, description="The most bytes a request's body may have; 0 for any number."
    )


def translate(conf: ClientControl, _: Scope) -> Iterator[Effect]:
    if conf.max_body_size:
        yield Filter(body_size_limit.BodySizeLimit(max_request_bytes=wkt.UInt64Value(value=conf.max_body_size)))


PLUGIN = Plugin(
    name="client-control",
    priority=22000,
    phase=Phase.REWRITE,
    conf=ClientControl,
    translate=translate,
    summary="Limits the size of request bodies.",
    category="traffic",
    examples={"Bodies of at most one megabyte": {"max_body_size": 1048576}},
    protects=True,
)
