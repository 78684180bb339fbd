"""Every script answers 500 when anything in it goes wrong, and never lets a request past.

Scripts are taken from the registry, with every configuration that a golden case has: a new one cannot be forgotten.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chains import Site
from goldens import ROOT, read

from gatefleet.plugin import Effect, Filter, Plugin, Scope, Script
from gatefleet.plugins import registry
from gatefleet.protos.envoy.extensions.filters.http.body_size_limit.v3 import BodySizeLimit
from gatefleet.protos.envoy.extensions.filters.http.dynamic_modules.v3 import DynamicModuleFilter
from gatefleet.protos.envoy.extensions.filters.http.lua.v3 import Lua

if TYPE_CHECKING:
    from tests.plugins.conftest import Gateway

SHARED = (
    *("header", "variable", "target", "pattern_found", "holds", "labels_of", "person", "json_read"),
    *("ask", "ask_signin"),
)
"""What scripts are made of."""
INJECTED = {
    "inside": "\n".join(f"{name} = function() error('injected') end" for name in SHARED),
    "at once": "for name in pairs(on) do on[name] = function() error('injected') end end",
}
END = "\nenvoy_on_request = on.request"
CHECKS = (Path(__file__).parent.parent / "native" / "checks.c").read_text()
"""The module's own checks, which break what its filters rely on."""


def effects(plugin: Plugin, case: str = "everything") -> Iterator[Effect]:
    conf = read(ROOT / "plugins" / plugin.name / f"{case}.in.yaml")["conf"]
    yield from plugin.translate(plugin.conf.model_validate(conf), Scope("route:r1", route_id="r1", service_id="s1"))


def failing(plugin: Plugin, where: str) -> Iterator[Effect]:
    """What the plugin does with everything configured, its scripts broken."""
    mark = where.replace(" ", "-")
    for effect in effects(plugin):
        match effect:
            case Script(name, source):
                assert source.count(END) == 1
                yield Script(f"{mark}-{name}", source.replace(END, f"\n{INJECTED[where]}{END}"))
            case Filter(config) if isinstance(config, Lua):
                broken = Lua.FromString(config.SerializeToString())
                script = config.default_source_code.filename.removeprefix("lua/")
                broken.default_source_code.filename = f"lua/{mark}-{script}"
                yield Filter(broken)
            case _:
                yield effect


SCRIPTED = [name for name, one in registry().items() if any(isinstance(e, Script) for e in effects(one))]
BROKEN = [
    (name, where)
    for name in SCRIPTED
    for where in INJECTED
    if where == "at once" or registry()[name].protects  # others need not use anything that could fail
]
SITES = {f"failing-{where[:2]}-{name}": Site(more=tuple(failing(registry()[name], where))) for name, where in BROKEN}


@pytest.mark.parametrize(("name", "where"), BROKEN)
def test_an_internal_error_answers_500(gateway: "Gateway", name: str, where: str) -> None:
    for method in ("GET", "POST"):
        answer = gateway.ask(f"failing-{where[:2]}-{name}", method=method, user_agent="curl")
        assert answer.status_code == 500
        if where == "inside":
            assert answer.json() == {"error_msg": "500 Internal Server Error"}


@pytest.mark.parametrize("name", [name for name, one in registry().items() if one.protects])
def test_what_protects_is_a_script_or_checked_in_the_module(name: str) -> None:
    """A protecting plugin is broken above, or its native filter is broken by the module's checks."""
    configs = [effect.config for effect in effects(registry()[name]) if isinstance(effect, Filter)]
    native = [config.filter_name for config in configs if isinstance(config, DynamicModuleFilter)]
    bounded = any(isinstance(config, BodySizeLimit) for config in configs)  # Envoy's own, which answers 413
    assert native or name in SCRIPTED or bounded
    assert [one for one in native if f'"{one}"' not in CHECKS] == []
