"""Answers, or delays, a share of the requests on purpose, to see what clients make of it."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from gatefleet.filters import HeaderName, HeaderValue, lua, lua_source, pause, text_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import lua_parts, parse

SOURCE = lua_source(__name__)


class Fault(Conf):
    """How often a fault happens."""

    percentage: int | None = Field(
        default=None, ge=0, le=100, description="The share of requests in percent; without it, all."
    )
    vars: list[Any] | None = Field(default=None, description="Conditions on the request. Not supported yet: refused.")

    @field_validator("vars")
    @classmethod
    def no_conditions(cls, value: list[Any] | None) -> None:
        if value:
            raise ValueError("conditions are not supported yet; use a route with vars of its own")


class Abort(Fault):
    """An answer instead of the upstream's."""

    http_status: int = Field(ge=200, le=599, description="Its status.")
    body: str | None = Field(default=None, description="Its body; may hold `$variables`.")
    headers: dict[HeaderName, HeaderValue] | None = Field(
        default=None, min_length=1, description="Its headers; values may hold `$variables`."
    )


class Delay(Fault):
    """A pause before the request goes on."""

    duration: float = Field(ge=0, le=86400, allow_inf_nan=False, description="Its length in seconds.")


class FaultInjection(Conf):
    """`abort`, `delay` or both; a request may be delayed first and answered then."""

    abort: Abort | None = None
    delay: Delay | None = None

    @model_validator(mode="after")
    def something(self) -> Self:
        if self.abort is None and self.delay is None:
            raise ValueError("abort or delay is required")
        return self


def translate(conf: FaultInjection, scope: Scope) -> Iterator[Effect]:
    if conf.delay and conf.delay.duration > 0:
        yield pause(conf.delay.duration, 100 if conf.delay.percentage is None else conf.delay.percentage)
    if conf.abort:
        yield from _answer(conf.abort, scope)


def _answer(abort: Abort, scope: Scope) -> Iterator[Effect]:
    named = (abort.headers or {}).items()
    yield from lua(
        "fault-injection",
        SOURCE,
        {
            "status": str(abort.http_status),
            "percentage": 100 if abort.percentage is None else abort.percentage,
            "body": lua_parts(parse(abort.body or "", "abort.body", scope)),
            "headers": {
                name.lower(): lua_parts(parse(text_of(value), f"abort.headers.{name}", scope)) for name, value in named
            },
        },
    )


PLUGIN = Plugin(
    name="fault-injection",
    priority=11000,
    phase=Phase.REWRITE,
    conf=FaultInjection,
    translate=translate,
    summary="Answers or delays a share of the requests on purpose.",
    category="traffic",
)
