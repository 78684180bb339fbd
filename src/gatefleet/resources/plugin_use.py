"""Plugins of a whole group: global rules, which run on every request, and plugin metadata."""

from typing import Annotated

from pydantic import Field

from gatefleet.resources.shape import PluginConfs, Shape


class GlobalRule(Shape):
    """One plugin that runs on every request of the group; its id is the plugin's name."""

    plugins: Annotated[PluginConfs, Field(min_length=1, max_length=1)]


class PluginMetadata(Shape):
    """What all uses of one plugin in a group share; the keys are the plugin's own."""
