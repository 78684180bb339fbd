"""Lets requests in, or keeps them out, by what the client says it is: the User-Agent header.

Patterns are searched anywhere in the header. Several such headers count as one, joined by commas.
"""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from gatefleet.filters import find_any, lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], Field(strict=False, min_length=1)
]


class UaRestriction(Conf):
    """Exactly one of `allowlist` and `denylist`."""

    bypass_missing: bool = Field(default=False, description="Let requests without the header pass.")
    allowlist: Patterns | None = Field(default=None, description="Regular expressions (RE2): only these may pass.")
    denylist: Patterns | None = Field(default=None, description="Regular expressions (RE2): these may not pass.")
    message: str = Field(
        default="Not allowed", min_length=1, max_length=1024, description="The message of the refusal, a 403."
    )

    @model_validator(mode="after")
    def one_list(self) -> Self:
        if (self.allowlist is None) == (self.denylist is None):
            raise ValueError("exactly one of allowlist and denylist is required")
        return self


def translate(conf: UaRestriction, _: Scope) -> Iterator[Effect]:
    field = "denylist" if conf.allowlist is None else "allowlist"
    search, found_at = find_any("ua-restriction", "user-agent", conf.allowlist or conf.denylist or (), field)
    yield search
    yield from lua(
        "ua-restriction",
        SOURCE,
        {
            "allow": conf.allowlist is not None,
            "bypass": conf.bypass_missing,
            "found_at": found_at,
            "body": refusal(conf, {"message": conf.message}),
        },
    )


PLUGIN = Plugin(
    name="ua-restriction",
    priority=2999,
    phase=Phase.ACCESS,
    conf=UaRestriction,
    translate=translate,
    summary="Allows or refuses requests by their User-Agent header.",
    category="security",
    examples={"Not for these robots": {"denylist": ["(?i)badbot", "curl/7"], "message": "Not for robots"}},
    protects=True,
)
