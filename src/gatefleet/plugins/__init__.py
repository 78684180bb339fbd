"""The plugins: one module each, which holds the constant PLUGIN."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from gatefleet.plugin import Plugin


@cache
def registry() -> Mapping[str, Plugin]:
    """Every plugin by its name."""
    found: list[Plugin] = [import_module(f"{__name__}.{module.name}").PLUGIN for module in iter_modules(__path__)]
    return MappingProxyType({plugin.name: plugin for plugin in sorted(found, key=lambda p: p.name)})
