"""What plugins become: golden cases, laws that hold for every plugin, and Envoy's own opinion."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from chains import Site, bootstrap, environment
from goldens import ROOT, Golden, beside, case_id, cases, dump, plain, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gatefleet.envoy import binary
from gatefleet.errors import Invalid
from gatefleet.filters import chain_position
from gatefleet.plugin import Effect, Filter, OwnUpstream, Plugin, RoutePatch, Scope, Script, Who
from gatefleet.plugins import registry
from gatefleet.protos.envoy.extensions.filters.http.lua.v3 import Lua
from gatefleet.resources.accept import accept

SCOPE = {"owner": "route:r1", "route_id": "r1", "service_id": "s1", "route_name": "Route", "service_name": "Service"}
NAMES = sorted(registry())
TRIED = int(os.environ.get("GATEFLEET_FUZZ", "25"))
"""Configurations of each plugin."""


def translated(case: Path) -> list[Effect]:
    given = read(case)
    plugin = registry()[case.parent.name]
    conf = plugin.conf.model_validate(given["conf"])
    return list(plugin.translate(conf, Scope(**{**SCOPE, **given.get("scope", {})})))


def shown(effect: Effect) -> dict[str, Any]:
    match effect:
        case Filter(config):
            return {"filter": {"@type": config.DESCRIPTOR.full_name, **plain(config)}}
        case RoutePatch(route):
            return {"route": plain(route)}
        case OwnUpstream(name, body):
            return {"upstream": {"name": name, **body}}
        case Script(name):
            return {"script": re.sub(r"-[0-9a-f]{12}\.lua$", "-*.lua", name)}


def refusal(error: Invalid | ValidationError) -> list[str]:
    if isinstance(error, Invalid):
        return [str(error)]
    return [": ".join((".".join(map(str, e["loc"])), e["msg"])).removeprefix(": ") for e in error.errors()]


@pytest.mark.parametrize("case", cases("plugins"), ids=case_id)
def test_a_configuration_becomes(case: Path, golden: Golden) -> None:
    try:
        outcome: Any = [shown(effect) for effect in translated(case)]
    except (Invalid, ValidationError) as error:
        outcome = {"refused": refusal(error)}
    golden(beside(case, ".out.yaml"), dump(outcome))


def test_every_plugin_has_golden_cases_one_of_them_refused_where_it_can_be() -> None:
    found = cases("plugins")
    assert {case.parent.name for case in found} == set(NAMES)
    for name in set(NAMES) - {"prometheus"}:
        refused = [c for c in found if c.parent.name == name and "refused" in read(beside(c, ".out.yaml"))]
        assert refused, f"no golden case shows what {name} refuses"


def test_the_order_of_all_plugins(golden: Golden) -> None:
    ordered = sorted(registry().values(), key=chain_position)
    golden(ROOT / "plugins" / "order.yaml", dump([f"{p.name} {p.phase.name} {p.priority}" for p in ordered]))


def test_no_two_plugins_share_a_priority() -> None:
    assert len({p.priority for p in registry().values()}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_json_and_every_field_is_described(name: str) -> None:
    plugin = registry()[name]
    for model in (plugin.conf, plugin.metadata, plugin.auth and plugin.auth.credential):
        if model is not None:
            properties = model.model_json_schema()["properties"]
            assert all("description" in p or "$ref" in str(p) for p in properties.values()), properties


def scripts() -> dict[str, str]:
    found: dict[str, str] = {}
    for case in cases("plugins"):
        try:
            found |= {e.name: e.source for e in translated(case) if isinstance(e, Script)}
        except (Invalid, ValidationError):
            continue
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_taken_as_it_is(name: str) -> None:
    examples = registry()[name].examples
    assert examples
    for conf in examples.values():
        accept("routes", "r", {"name": "r", "service_id": "s", "paths": ["/"], "plugins": {name: conf}})


def test_no_script_clears_the_route_cache_or_steps_around_the_guard() -> None:
    assert scripts()
    for name, source in scripts().items():
        assert "clearRouteCache" not in source, name
        assert source.count("envoy_on_request =") == 1, name
        assert "pcall(configured, handle, hook)" in source, name


def test_no_lua_filter_lets_envoy_choose_another_route() -> None:
    """By default Envoy does so after each changed header: a way past the plugins of the route."""
    for case in cases("plugins"):
        with suppress(Invalid, ValidationError):
            for effect in translated(case):
                if isinstance(effect, Filter) and isinstance(effect.config, Lua):
                    assert effect.config.HasField("clear_route_cache"), case
                    assert not effect.config.clear_route_cache.value, case


def test_envoy_takes_every_golden_case(tmp_path: Path) -> None:
    sites: dict[str, Site] = {}
    for case in cases("plugins"):
        given = read(case)
        scope = given.get("scope", {})
        try:
            translated(case)
        except (Invalid, ValidationError):
            continue
        plugins = {case.parent.name: given["conf"]}
        metadata = {case.parent.name: scope.get("metadata", {})}
        on_route = scope.get("owner", "route:r1").startswith(("route:", "service:"))
        name = case_id(case).replace("/", "--")
        sites[name] = Site(plugins=plugins, metadata=metadata) if on_route else Site(rules=plugins, metadata=metadata)
    assert len(sites) > len(NAMES)
    binary.validate(bootstrap(sites, tmp_path, port=1, upstream=1), cwd=tmp_path, environment=environment(tmp_path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 700) | st.floats(allow_nan=True) | st.text(max_size=20)
    | st.sampled_from(["$1", "${x}", "$uri", "^/(a", "*", "**", "http://a.b", "1.2.3.4/8", "/", "%", "\n", "(?=a)"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8) | st.sampled_from(["set", "add", "remove"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=TRIED, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_nothing_but_a_refusal_comes_of_any_json(name: str, data: st.DataObject) -> None:
    plugin = registry()[name]
    fields = st.sampled_from(sorted(plugin.conf.model_fields)) | st.text(max_size=8)
    conf = data.draw(st.dictionaries(fields, JSON, max_size=5))
    translate_any(plugin, conf)


@pytest.mark.parametrize("name", [name for name in NAMES if registry()[name].auth])
@given(data=st.data())
@settings(max_examples=TRIED, deadline=None)
def test_any_credential_gives_entries_or_is_refused(name: str, data: st.DataObject) -> None:
    auth = registry()[name].auth
    assert auth is not None
    texts = st.text(st.characters(), max_size=20) | st.sampled_from(["é" * 3000, "", "a:b", "\n", "\ud800"]) | JSON
    given = data.draw(st.fixed_dictionaries(dict.fromkeys(auth.credential.model_fields, texts)))
    with suppress(Invalid, ValidationError):
        credential = auth.credential.model_validate(given)
        assert all(key and value for key, value in auth.entries(credential, Who("jack", "c1", "x")))
        assert auth.unique(credential)


def translate_any(plugin: Plugin, conf: dict[str, Any]) -> None:
    with suppress(Invalid, ValidationError):
        list(plugin.translate(plugin.conf.model_validate(conf), Scope(**SCOPE)))
