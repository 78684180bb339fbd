"""Answers, or delays, a share of the requests on purpose, to see what clients make of it."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gatefleet.expressions import LIBRARIES, Conditions, any_of, read
from gatefleet.filters import HeaderName, HeaderValue, headers, lua, lua_source, pause, removal, text_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import lua_parts, parse

SOURCE = lua_source(__name__)
MARK = lua_source(__name__, "mark.lua")
HEADER = "x-gf-delayed"


class Fault(Conf):
    """How often a fault happens."""

    percentage: int | None = Field(
        default=None, ge=0, le=100, description="The share of requests in percent; without it, all."
    )
    vars: Annotated[list[Any], Field(max_length=20)] | None = Field(
        default=None,
        description="Lists of conditions, each as `vars` of routes: it happens where all of one list hold.",
    )


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
        yield from _pause(conf.delay, scope)
    if conf.abort:
        yield from _answer(conf.abort, scope)


def _pause(delay: Delay, scope: Scope) -> Iterator[Effect]:
    percentage = 100 if delay.percentage is None else delay.percentage
    if not delay.vars:
        yield pause(delay.duration, percentage)
        return
    found = _conditions(delay, "delay.vars", scope)
    yield from found.before
    yield from lua("fault-injection", MARK, {"vars": found.tree, "header": HEADER}, LIBRARIES)
    yield pause(delay.duration, percentage, only_with=HEADER)
    yield headers(request=[removal(HEADER)])


def _conditions(fault: Fault, at: str, scope: Scope) -> Conditions:
    return any_of([read("fault-injection", one, at, scope) for one in fault.vars or ()])


def _answer(abort: Abort, scope: Scope) -> Iterator[Effect]:
    named = (abort.headers or {}).items()
    found = _conditions(abort, "abort.vars", scope)
    yield from found.before
    yield from lua(
        "fault-injection",
        SOURCE,
        {
            "when": found.tree if abort.vars else {},
            "status": str(abort.http_status),
            "percentage": 100 if abort.percentage is None else abort.percentage,
            "body": lua_parts(parse(abort.body or "", "abort.body", scope)),
            "headers": {
                name.lower(): lua_parts(parse(text_of(value), f"abort.headers.{name}", scope)) for name, value in named
            },
        },
        LIBRARIES if abort.vars else (),
    )


PLUGIN = Plugin(
    name="fault-injection",
    priority=11000,
    phase=Phase.REWRITE,
    conf=FaultInjection,
    translate=translate,
    summary="Answers or delays a share of the requests on purpose.",
    category="traffic",
    examples={
        "One request in ten fails": {"abort": {"http_status": 503, "body": "a test of failures", "percentage": 10}},
        "Every request is a second slower": {"delay": {"duration": 1}},
    },
)
