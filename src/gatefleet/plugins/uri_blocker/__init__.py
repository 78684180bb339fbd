"""Refuses requests whose path or query holds one of some patterns.

Patterns are searched anywhere in the request's target as Envoy passes it on: path, normalized, and query. A refusal
without `rejected_msg` has an empty body; no pattern at all matches everything.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from gatefleet.filters import find_any, lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("values must be unique")
    return values


class UriBlocker(Conf):
    """What to look for, and what to answer."""

    block_rules: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...],
        Field(strict=False),
        AfterValidator(distinct),
    ] = Field(description="Regular expressions (RE2); a request that any of them matches is refused.")
    rejected_code: int = Field(default=403, ge=200, le=599, description="The status of the refusal.")
    rejected_msg: str | None = Field(
        default=None, min_length=1, description="The message of the refusal; without it the body is empty."
    )
    case_insensitive: bool = Field(default=False, description="Do not tell small letters from capitals.")


def translate(conf: UriBlocker, _: Scope) -> Iterator[Effect]:
    search, found_at = find_any("uri-blocker", ":path", conf.block_rules, "block_rules", any_case=conf.case_insensitive)
    yield search
    yield from lua(
        "uri-blocker",
        SOURCE,
        {
            "found_at": found_at,
            "status": str(conf.rejected_code),
            "body": refusal(conf, None if conf.rejected_msg is None else {"error_msg": conf.rejected_msg}),
        },
    )


PLUGIN = Plugin(
    name="uri-blocker",
    priority=2900,
    phase=Phase.REWRITE,
    conf=UriBlocker,
    translate=translate,
    summary="Refuses requests whose path or query matches a pattern.",
    category="security",
    examples={
        "Paths nobody should ask for": {"block_rules": ["\\.env$", "/\\.git/", "wp-login"], "rejected_code": 404}
    },
    protects=True,
)
