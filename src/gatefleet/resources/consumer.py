"""Consumers and their credentials: who calls, and how that is proven."""

from typing import Annotated

from pydantic import Field

from gatefleet.resources.shape import ID_PATTERN, Labels, Name, PluginConfs, Shape, Text


class Consumer(Shape):
    """`plugins` may hold authentication plugins (with the secret itself) and plugins that run for this consumer."""

    username: Annotated[str, Field(pattern=ID_PATTERN, min_length=1, max_length=100)]
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    plugins: PluginConfs = Field(default_factory=dict)


class Credential(Shape):
    """One way a consumer proves who it is: exactly one authentication plugin with the secret."""

    name: Name | None = None
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    plugins: Annotated[PluginConfs, Field(min_length=1, max_length=1)]
