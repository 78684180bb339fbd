"""Lets in whom any one of several authentication plugins knows, asked in their order.

What single plugins would say of a request that they do not know is not told.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from gatefleet import plugins
from gatefleet.errors import Invalid
from gatefleet.filters import lua, lua_source, refusal
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
Ways = Annotated[tuple[dict[str, dict[str, Any]], ...], Field(strict=False, min_length=2)]


class MultiAuth(Conf):
    """At least two authentication plugins, each with its configuration."""

    auth_plugins: Ways = Field(description="One authentication plugin each, by its name, with its configuration.")

    @model_validator(mode="after")
    def known_ways(self) -> Self:
        for name in (name for way in self.auth_plugins for name in way):
            plugin = plugins.registry().get(name)
            if plugin is None or plugin.auth is None:
                raise ValueError(f"auth_plugins: [{name}] is not an authentication plugin that can be carried")
        return self


def translate(conf: MultiAuth, scope: Scope) -> Iterator[Effect]:
    softly = replace(scope, one_of_several=True)
    for name, own in (pair for way in conf.auth_plugins for pair in way.items()):
        plugin = plugins.registry()[name]
        try:
            yield from plugin.translate(plugin.read(own), softly)
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            raise Invalid(f"[auth_plugins] {name}.{at}: {first['msg']}") from None
    yield from lua("multi-auth", SOURCE, {"body": refusal(conf, {"message": "Authorization Failed"})})


PLUGIN = Plugin(
    name="multi-auth",
    priority=2600,
    phase=Phase.REWRITE,
    conf=MultiAuth,
    translate=translate,
    summary="Authenticates consumers by any of several plugins.",
    category="authentication",
    examples={"A key or a password": {"auth_plugins": [{"key-auth": {}}, {"basic-auth": {}}]}},
    protects=True,
    identifies=True,
)
