"""Sends the client elsewhere: to HTTPS, to an address made of variables, or to what a pattern makes of the path.

Patterns see the path decoded and without the query. Line breaks in what variables hold are sent percent-encoded.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gatefleet.filters import first_match, lua, lua_source, remember_matches
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import lua_parts, parse

SOURCE = lua_source(__name__)
NAMESPACE = "gf.redirect"


class RedirectMetadata(Conf):
    """For all uses of the plugin in the gateway group."""

    https_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The port clients find HTTPS on. Without it, the one that belongs to the port of the request: "
        "443 to 80, 9443 to 9080.",
    )


class Redirect(Conf):
    """Exactly one of `uri`, `regex_uri` and `http_to_https`."""

    uri: str | None = Field(default=None, min_length=2, description="Where to; may hold `$variables`.")
    regex_uri: Annotated[tuple[str, str], Field(strict=False)] | None = Field(
        default=None,
        description="A regular expression (RE2) for the path, and what to put for its first match, with groups as "
        "`$1`. Requests whose path it does not match go on.",
    )
    http_to_https: bool | None = Field(
        default=None,
        description="Send requests that came by HTTP to the same address by HTTPS: 301 for GET and HEAD, else 308.",
    )
    ret_code: int = Field(default=302, ge=200, le=599, description="The status, unless `http_to_https` decides it.")
    encode_uri: bool = Field(default=False, description="Percent-encode the path of the new address.")
    append_query_string: bool = Field(default=False, description="Append the query of the request.")

    @model_validator(mode="after")
    def one_way(self) -> Self:
        ways = (self.uri, self.regex_uri, self.http_to_https)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("exactly one of uri, regex_uri and http_to_https is required")
        if self.http_to_https and self.append_query_string:
            raise ValueError("only one of `http_to_https` and `append_query_string` can be configured.")
        return self


def translate(conf: Redirect, scope: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {
        "status": str(conf.ret_code),
        "encode": conf.encode_uri,
        "append": conf.append_query_string,
    }
    if conf.http_to_https is False:
        return
    if conf.regex_uri:
        regex, template = conf.regex_uri
        found, substitution = first_match(regex, template, "regex_uri")
        yield remember_matches(NAMESPACE, "x-gf-path", {"uri": (found, "=" + substitution)})
    elif conf.uri:
        context["uri"] = lua_parts(parse(conf.uri, "uri", scope))
    else:
        context["https"] = True
        context["port"] = RedirectMetadata.model_validate(dict(scope.metadata)).https_port or 0
    yield from lua("redirect", SOURCE, context)


PLUGIN = Plugin(
    name="redirect",
    priority=900,
    phase=Phase.REWRITE,
    conf=Redirect,
    translate=translate,
    summary="Redirects requests, for example from HTTP to HTTPS.",
    category="transformation",
    examples={
        "To HTTPS": {"http_to_https": True},
        "To a new address": {"uri": "https://new.example$request_uri", "ret_code": 301},
    },
    metadata=RedirectMetadata,
)
