"""Every script that protects something answers 500 when anything in it goes wrong, and never lets a request past."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import yaml
from chains import Site
from goldens import ROOT

from gatefleet.plugin import Effect, Filter, Plugin, Scope, Script
from gatefleet.plugins import registry
from gatefleet.protos.envoy.extensions.filters.http.lua.v3 import Lua

if TYPE_CHECKING:
    from tests.plugins.conftest import Gateway

SHARED = ("header", "variable", "target", "pattern_found", "holds", "labels_of", "person", "json_read", "ask") + (
    "ask_signin",
)
"""What scripts are made of: each of these fails in its turn of the injection, that is, all at once."""
INJECTED = "\n".join(f"{name} = function() error('injected') end" for name in SHARED)
END = "\nenvoy_on_request = on.request"


def failing(plugin: Plugin) -> Iterator[Effect]:
    """What the plugin does with everything configured, its scripts broken."""
    conf = yaml.safe_load((ROOT / "plugins" / plugin.name / "everything.in.yaml").read_text())["conf"]
    scope = Scope("route:r1", route_id="r1", service_id="s1")
    for effect in plugin.translate(plugin.conf.model_validate(conf), scope):
        match effect:
            case Script(name, source):
                yield Script("failing-" + name, source.replace(END, f"\n{INJECTED}{END}"))
            case Filter(config) if isinstance(config, Lua):
                broken = Lua.FromString(config.SerializeToString())
                script = config.default_source_code.filename.removeprefix("lua/")
                broken.default_source_code.filename = f"lua/failing-{script}"
                yield Filter(broken)
            case _:
                yield effect


def scripted(plugin: Plugin) -> bool:
    return plugin.protects and any(isinstance(effect, Script) for effect in failing(plugin))


NAMES = [name for name, plugin in registry().items() if scripted(plugin)]
SITES = {f"failing-{name}": Site(more=tuple(failing(registry()[name]))) for name in NAMES}


def test_there_are_such_scripts() -> None:
    assert {"jwt-auth", "acl", "csrf", "forward-auth", "ua-restriction"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_internal_error_answers_500(gateway: "Gateway", name: str) -> None:
    for method in ("GET", "POST"):
        answer = gateway.ask(f"failing-{name}", method=method, user_agent="curl")
        assert (answer.status_code, answer.json()) == (500, {"error_msg": "500 Internal Server Error"}), name
