"""Asks another service whether a request may pass, and hands back what it says if not.

The service is called for every request, without its body unless `request_method` is POST. A service that cannot be
reached refuses, with `status_on_error`, unless `allow_degradation` is set.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from gatefleet.filters import HeaderName, Strings, lua, lua_source, place_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import lua_parts, parse

SOURCE = lua_source(__name__)
Names = Annotated[tuple[HeaderName, ...], Field(strict=False)]


class ForwardAuth(Conf):
    """Whom to ask, and what is passed on in either direction."""

    uri: str = Field(pattern=r"^https?://[^\s/?#]+", max_length=4096, description="The address of the service.")
    allow_degradation: bool = Field(default=False, description="Let requests pass while it cannot be reached.")
    status_on_error: int = Field(default=403, ge=200, le=599, description="The answer while it cannot be reached.")
    ssl_verify: bool = Field(default=True, description="Check its certificate.")
    request_method: Literal["GET", "POST"] = Field(
        default="GET", description="How it is asked; with POST the request's body goes along."
    )
    request_headers: Names | None = Field(default=None, min_length=1, description="The client's headers it is sent.")
    extra_headers: dict[HeaderName, str] | None = Field(
        default=None, min_length=1, description="More headers it is sent; values may hold `$variables`."
    )
    upstream_headers: Names | None = Field(
        default=None, min_length=1, description="Its headers that the upstream is sent; the client's own go no further."
    )
    client_headers: Names | None = Field(
        default=None, min_length=1, description="Its headers that the client is sent when it refuses."
    )
    timeout: int = Field(default=3000, ge=1, le=60000, description="Milliseconds to wait for it.")
    keepalive: bool = Field(default=True, description="Accepted: connections are always kept for the next request.")
    keepalive_timeout: int = Field(default=60000, ge=1000, description="Accepted, without effect.")
    keepalive_pool: int = Field(default=5, ge=1, description="Accepted, without effect.")


def translate(conf: ForwardAuth, scope: Scope) -> Iterator[Effect]:
    extra = {
        name.lower(): lua_parts(parse(value, f"extra_headers.{name}", scope))
        for name, value in (conf.extra_headers or {}).items()
    }
    context: dict[str, Any] = {
        **place_of(conf.uri, "uri", verify=conf.ssl_verify),
        "degrade": conf.allow_degradation,
        "on_error": str(conf.status_on_error),
        "method": conf.request_method,
        "sent": _lower(conf.request_headers),
        "extra": extra,
        "upstream": _lower(conf.upstream_headers),
        "client": _lower(conf.client_headers),
        "timeout": conf.timeout,
    }
    yield from lua("forward-auth", SOURCE, context, ["ask"])


def _lower(names: Strings | None) -> list[str]:
    return [name.lower() for name in names or ()]


PLUGIN = Plugin(
    name="forward-auth",
    priority=2002,
    phase=Phase.ACCESS,
    conf=ForwardAuth,
    translate=translate,
    summary="Asks another service whether a request may pass.",
    category="authentication",
    examples={
        "Ask a service that sets X-User-Id": {
            "uri": "http://auth.example:8080/check",
            "request_headers": ["Authorization"],
            "upstream_headers": ["X-User-Id"],
        }
    },
    protects=True,
)
