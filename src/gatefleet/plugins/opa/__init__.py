"""Asks Open Policy Agent whether a request may pass, and hands back what its policy says if not.

The policy's input holds the request and nginx's variables of the connection, as APISIX sends them. An agent that cannot
be reached, or that says nothing of `allow`, refuses.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator

from gatefleet.filters import HeaderName, lua, lua_source, place_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
NOT_SENT = "Not supported: the policy cannot be sent that document; `true` is refused."


class Opa(Conf):
    """Whom to ask for which policy."""

    host: str = Field(pattern=r"^https?://[^\s/?#]+$", max_length=4096, description="The agent's address.")
    policy: str = Field(
        min_length=1, pattern=r"^[^\s?#]*$", max_length=1024, description="Path of the policy: `a/b` is package a.b."
    )
    ssl_verify: bool = Field(default=True, description="Check its certificate.")
    timeout: int = Field(default=3000, ge=1, le=60000, description="Milliseconds to wait for it.")
    keepalive: bool = Field(default=True, description="Accepted: connections are always kept for the next request.")
    keepalive_timeout: int = Field(default=60000, ge=1000, description="Accepted, without effect.")
    keepalive_pool: int = Field(default=5, ge=1, description="Accepted, without effect.")
    with_route: bool = Field(default=False, description=NOT_SENT)
    with_service: bool = Field(default=False, description=NOT_SENT)
    with_consumer: bool = Field(default=False, description=NOT_SENT)
    with_body: bool = Field(default=False, description="Send the request's body too, as text.")
    send_headers_upstream: Annotated[tuple[HeaderName, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="Headers of the policy's answer that the upstream is sent when the request may pass."
    )

    @field_validator("with_route", "with_service", "with_consumer")
    @classmethod
    def not_sent(cls, value: bool) -> bool:  # noqa: FBT001 - the field's value
        if value:
            raise ValueError("is not supported: the policy cannot be sent that document yet")
        return value


def translate(conf: Opa, _: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {
        **place_of(conf.host, "host", verify=conf.ssl_verify),
        "path": "/v1/data/" + conf.policy,
        "timeout": conf.timeout,
        "with_body": conf.with_body,
        "upstream": {name: name.lower() for name in conf.send_headers_upstream or ()},
    }
    yield from lua("opa", SOURCE, context, ("json", "ask"))


PLUGIN = Plugin(
    name="opa",
    priority=2001,
    phase=Phase.ACCESS,
    conf=Opa,
    translate=translate,
    summary="Asks Open Policy Agent whether a request may pass.",
    category="authentication",
    protects=True,
)
