"""Lets requests in, or keeps them out, by the host of the page they come from: the Referer header.

A Referer that is no HTTP address counts as missing.
"""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from gatefleet.filters import lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
Hosts = Annotated[
    tuple[Annotated[str, Field(pattern=r"^\*?[0-9a-zA-Z\-._\[\]:]+$")], ...], Field(strict=False, min_length=1)
]


class RefererRestriction(Conf):
    """Exactly one of `whitelist` and `blacklist`."""

    bypass_missing: bool = Field(default=False, description="Let requests without a Referer pass.")
    whitelist: Hosts | None = Field(
        default=None, description="Only these hosts may pass; `*` at the beginning stands for anything."
    )
    blacklist: Hosts | None = Field(default=None, description="These hosts may not pass.")
    message: str = Field(
        default="Your referer host is not allowed",
        min_length=1,
        max_length=1024,
        description="The message of the refusal, a 403.",
    )

    @model_validator(mode="after")
    def one_list(self) -> Self:
        if (self.whitelist is None) == (self.blacklist is None):
            raise ValueError("exactly one of whitelist and blacklist is required")
        return self


def translate(conf: RefererRestriction, _: Scope) -> Iterator[Effect]:
    hosts = conf.whitelist or conf.blacklist or ()
    yield from lua(
        "referer-restriction",
        SOURCE,
        {
            "allow": conf.whitelist is not None,
            "bypass": conf.bypass_missing,
            "hosts": dict.fromkeys((host for host in hosts if not host.startswith("*")), True),
            "endings": [host[1:] for host in hosts if host.startswith("*")],
            "body": refusal(conf, {"message": conf.message}),
        },
    )


PLUGIN = Plugin(
    name="referer-restriction",
    priority=2990,
    phase=Phase.ACCESS,
    conf=RefererRestriction,
    translate=translate,
    summary="Allows or refuses requests by the host in their Referer header.",
    category="security",
    examples={"Only links from our own pages": {"whitelist": ["example.com", "*.example.com"], "bypass_missing": True}},
    protects=True,
)
