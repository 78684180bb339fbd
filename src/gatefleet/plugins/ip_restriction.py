"""Lets requests in, or keeps them out, by the client's address.

Either family, single addresses or networks; which address is the client's is the listener's business (real IP).
"""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from gatefleet.addresses import address
from gatefleet.filters import native, refused_body
from gatefleet.native.config import ip_restriction_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(address)], ...], Field(strict=False, min_length=1, max_length=100_000)
]


class IpRestriction(Conf):
    """Exactly one of `whitelist` and `blacklist`."""

    whitelist: Addresses | None = Field(default=None, description="Only these addresses and networks may pass.")
    blacklist: Addresses | None = Field(default=None, description="These addresses and networks may not pass.")
    message: str = Field(
        default="Your IP address is not allowed",
        min_length=1,
        max_length=1024,
        description="The message of the refusal.",
    )
    response_code: int = Field(default=403, ge=403, le=404, description="The status of the refusal.")

    @model_validator(mode="after")
    def one_list(self) -> Self:
        if (self.whitelist is None) == (self.blacklist is None):
            raise ValueError("exactly one of whitelist and blacklist is required")
        return self


def translate(conf: IpRestriction, _: Scope) -> Iterator[Effect]:
    yield native(
        "ip-restriction",
        ip_restriction_config(
            whitelist=conf.whitelist or (),
            blacklist=conf.blacklist or (),
            message=conf.message,
            response_code=conf.response_code,
            error_response=refused_body(conf, None),
        ),
    )


PLUGIN = Plugin(
    name="ip-restriction",
    priority=3000,
    phase=Phase.ACCESS,
    conf=IpRestriction,
    translate=translate,
    summary="Allows or refuses requests by the client's IP address.",
    category="security",
    examples={
        "Only the company's networks": {"whitelist": ["10.0.0.0/8", "192.168.0.0/16"], "message": "Not from there"},
        "Not from these": {"blacklist": ["203.0.113.0/24"]},
    },
    protects=True,
)
