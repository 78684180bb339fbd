"""Answers in the upstream's place for a while after it failed several times in a row.

Failures are counted per host and path, per node. The first pause is 2 seconds; each further row of failures doubles it.
An upstream that cannot be reached counts with the status that the client sees.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from gatefleet.counting import is_countable, written
from gatefleet.errors import Invalid
from gatefleet.filters import HeaderName, native, refused_body
from gatefleet.native.config import api_breaker_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import parse


def distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(values)) < len(values):
        raise ValueError("values must be unique")
    return values


Failed = Annotated[
    tuple[Annotated[int, Field(ge=500, le=599)], ...],
    Field(strict=False, min_length=1, max_length=32),
    AfterValidator(distinct),
]
Fine = Annotated[
    tuple[Annotated[int, Field(ge=200, le=499)], ...],
    Field(strict=False, min_length=1, max_length=32),
    AfterValidator(distinct),
]


class BreakHeader(Conf):
    """One header of the answer."""

    key: HeaderName = Field(description="Its name.")
    value: str = Field(min_length=1, max_length=4096, description="Its value; may hold `$variables`.")


Headers = Annotated[tuple[BreakHeader, ...], Field(strict=False, min_length=1, max_length=16)]


class Unhealthy(Conf):
    """When the upstream counts as broken."""

    http_statuses: Failed = Field(default=(500,), description="Statuses that are failures.")
    failures: int = Field(default=3, ge=1, le=2**31, description="How many in a row it takes.")


class Healthy(Conf):
    """When a broken upstream counts as well again."""

    http_statuses: Fine = Field(default=(200,), description="Statuses that are successes.")
    successes: int = Field(default=3, ge=1, le=2**31, description="How many in a row it takes.")


class ApiBreaker(Conf):
    """What to answer while the upstream is given a rest."""

    break_response_code: int = Field(ge=200, le=599, description="The status of the answer.")
    break_response_body: str | None = Field(default=None, description="Its body.")
    break_response_headers: Headers | None = Field(
        default=None, description="Its headers; only together with `break_response_body`."
    )
    max_breaker_sec: int = Field(default=300, ge=3, le=2**31, description="The longest pause in seconds.")
    unhealthy: Unhealthy = Field(default=Unhealthy(), description="When the upstream counts as broken.")
    healthy: Healthy = Field(default=Healthy(), description="When it counts as well again.")


def translate(conf: ApiBreaker, scope: Scope) -> Iterator[Effect]:
    headers = conf.break_response_headers if conf.break_response_body is not None else None
    yield native(
        "api-breaker",
        api_breaker_config(
            status=conf.break_response_code,
            body=refused_body(conf, conf.break_response_body),
            headers=[(one.key, _template(one, scope)) for one in headers or ()],
            longest=conf.max_breaker_sec,
            unhealthy=(conf.unhealthy.http_statuses, conf.unhealthy.failures),
            healthy=(conf.healthy.http_statuses, conf.healthy.successes),
        ),
    )


def _template(header: BreakHeader, scope: Scope) -> str:
    parts = parse(header.value, "break_response_headers", scope)
    for part in parts:
        if not isinstance(part, str) and not is_countable(part.name):
            raise Invalid(f"[break_response_headers] uses the variable [${part.name}], which is not available here")
        if isinstance(part, str) and any(ord(char) < 32 for char in part):
            raise Invalid(f"[break_response_headers] {header.key} holds a control character")
    return "".join(map(written, parts))


PLUGIN = Plugin(
    name="api-breaker",
    priority=1005,
    phase=Phase.ACCESS,
    conf=ApiBreaker,
    translate=translate,
    summary="Gives an upstream that fails a rest.",
    category="traffic",
    examples={
        "Half a minute of rest after three failures": {
            "break_response_code": 503,
            "max_breaker_sec": 30,
            "unhealthy": {"http_statuses": [500, 502, 503], "failures": 3},
            "healthy": {"http_statuses": [200], "successes": 1},
        }
    },
)
