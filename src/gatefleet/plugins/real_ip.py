"""Takes the client's address from a header, an argument or a cookie, where the peer is trusted to say it.

Everything behind it in the chain sees that address: restrictions, limits, variables, and the upstream in `X-Real-IP`
and `X-Forwarded-For`. Routes are chosen before.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from gatefleet.addresses import address
from gatefleet.counting import is_countable
from gatefleet.errors import Invalid
from gatefleet.filters import native
from gatefleet.native.config import real_ip_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope


class RealIp(Conf):
    """Without `trusted_addresses` every peer is trusted."""

    source: str = Field(
        min_length=1,
        max_length=256,
        pattern=r"^\w+$",
        description="The variable that holds the address, and maybe a port: `arg_realip`, `http_x_forwarded_for` ... "
        "Of X-Forwarded-For the last entry counts.",
    )
    trusted_addresses: (
        Annotated[tuple[Annotated[str, AfterValidator(address)], ...], Field(strict=False, min_length=1)] | None
    ) = Field(default=None, description="Addresses and networks of peers that are believed.")
    recursive: bool = Field(
        default=False, description="Of X-Forwarded-For take the last entry that is not a trusted address itself."
    )


def translate(conf: RealIp, _: Scope) -> Iterator[Effect]:
    if not is_countable(conf.source):
        raise Invalid(f"[source] uses the variable [${conf.source}], which is not available here")
    yield native(
        "real-ip",
        real_ip_config(source=conf.source, trusted=conf.trusted_addresses, recursive=conf.recursive),
    )


PLUGIN = Plugin(
    name="real-ip",
    priority=23000,
    phase=Phase.REWRITE,
    conf=RealIp,
    translate=translate,
    summary="Takes the client's address from what a trusted peer says.",
    category="general",
    examples={
        "Behind a load balancer": {
            "source": "http_x_forwarded_for",
            "trusted_addresses": ["10.0.0.0/8"],
            "recursive": True,
        }
    },
    protects=True,
)
