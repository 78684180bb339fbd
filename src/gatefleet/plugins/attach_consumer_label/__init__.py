"""Tells the upstream labels of the consumer, in headers.

What a client sent under these names never reaches the upstream.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gatefleet.filters import HeaderName, lua, lua_source
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)


class AttachConsumerLabel(Conf):
    """Which labels go into which headers."""

    headers: Annotated[dict[HeaderName, Annotated[str, Field(pattern=r"^\$.*$")]], Field(min_length=1)] = Field(
        description="Names of headers, and the label each of them tells, written `$label`. Labels that a consumer "
        "does not have are not sent."
    )


def translate(conf: AttachConsumerLabel, _: Scope) -> Iterator[Effect]:
    labels = {name.lower(): label[1:] for name, label in conf.headers.items()}
    yield from lua("attach-consumer-label", SOURCE, {"labels": labels}, ("native", "labels"))


PLUGIN = Plugin(
    name="attach-consumer-label",
    priority=2399,
    phase=Phase.BEFORE_PROXY,
    conf=AttachConsumerLabel,
    translate=translate,
    summary="Sends labels of the consumer to the upstream.",
    category="authentication",
    examples={"The department of the caller": {"headers": {"X-Consumer-Department": "$department"}}},
    protects=True,
)
