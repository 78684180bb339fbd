"""Keeps other sites from using a visitor's cookies: requests that change something have to send back a signed token.

Every answer sets the token as a cookie; pages of the same site read it there and send it in a header of the same name.
Tokens are signed with HMAC-SHA256; those that APISIX gave out are not accepted.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field, SecretStr

from gatefleet.filters import HeaderName, lua, lua_source, refusal, refused_body
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)


class Csrf(Conf):
    """Every node that serves the site has to know the same `key`."""

    key: SecretStr = Field(min_length=1, max_length=4096, description="What tokens are signed with.")
    expires: int = Field(
        default=7200, ge=0, le=2**31, description="Seconds a token is good for; 0 for as long as the key stays."
    )
    name: HeaderName = Field(default="apisix-csrf-token", description="The name of the cookie and of the header.")


def translate(conf: Csrf, _: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {
        "key": conf.key.get_secret_value(),
        "expires": conf.expires,
        "cookie": conf.name,
        "header": conf.name.lower(),
    }
    if refused_body(conf, None) is not None:
        context["body"] = refusal(conf, None)
    yield from lua("csrf", SOURCE, context, ["native"])


PLUGIN = Plugin(
    name="csrf",
    priority=2980,
    phase=Phase.ACCESS,
    conf=Csrf,
    translate=translate,
    summary="Protects against cross-site request forgery with signed tokens.",
    category="security",
    examples={"Tokens that last two hours": {"key": "a-long-random-text-of-your-own", "expires": 7200}},
    protects=True,
)
