"""Plugins at work as filter chains: what their effects become on a route, a virtual host or behind a consumer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from gatefleet import plugins
from gatefleet.compile import ir
from gatefleet.compile import vars as conditions
from gatefleet.errors import Invalid
from gatefleet.plugin import Effect, Filter, RoutePatch, Scope, Script
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.http.composite import v3 as composite
from gatefleet.protos.envoy.extensions.filters.http.filter_chain import v3 as filter_chain
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as matcher
from gatefleet.resources.messages import sentences

GLOBAL: Final = "gf.global"
ROUTE: Final = "gf.route"
CONSUMER: Final = "gf.consumer"
CONSUMER_HEADER: Final = "x-consumer-username"


@dataclass(slots=True)
class Effects:
    """What a list of plugin uses does, in their order."""

    filters: list[tuple[ir.PluginUse, wkt.Any]] = field(default_factory=list[tuple[ir.PluginUse, wkt.Any]])
    patches: list[tuple[ir.PluginUse, route.Route]] = field(default_factory=list[tuple[ir.PluginUse, route.Route]])
    scripts: dict[str, str] = field(default_factory=dict[str, str])


Metadata = Mapping[str, Mapping[str, Any]]
"""A group's plugin metadata: plugin name to its metadata."""


def effects(uses: Iterable[ir.PluginUse], metadata: Metadata, at: ir.Route | None = None) -> Effects:
    """Translate each use; raises errors.Invalid for a configuration that cannot be carried."""
    found = Effects()
    for use in uses:
        for effect in _translated(use, _scope(use, metadata, at)):
            match effect:
                case Filter(config):
                    found.filters.append((use, pack(config)))
                case RoutePatch(patch):
                    found.patches.append((use, patch))
                case Script(name, source):
                    found.scripts[name] = source
    return found


def _translated(use: ir.PluginUse, scope: Scope) -> Iterable[Effect]:
    plugin = plugins.registry()[use.name]
    try:
        return list(plugin.translate(plugin.read(use.conf), scope))
    except ValidationError as error:
        raise Invalid("; ".join(sentences(error, ("plugins", use.name)))) from None


def filters_only(uses: Iterable[ir.PluginUse], metadata: Metadata, at: ir.Route | None = None) -> Effects:
    """As `effects`, for places that have no route of their own to patch."""
    found = effects(uses, metadata, at)
    for use, _ in found.patches:
        raise Invalid(f"plugin [{use.name}] with this configuration works on routes and services, not on {use.owner}")
    return found


def chain(filters: Sequence[tuple[ir.PluginUse, wkt.Any]]) -> wkt.Any:
    """Per-route configuration of a `filter_chain` filter: these filters, in this order."""
    return pack(
        filter_chain.FilterChainConfigPerRoute(
            filter_chain=filter_chain.FilterChain(
                filters=[core.TypedExtensionConfig(name=use.name, typed_config=config) for use, config in filters]
            )
        )
    )


def behind_consumers(
    uses: Sequence[ir.PluginUse], consumers: Iterable[ir.Consumer], metadata: Metadata, at: ir.Route
) -> tuple[wkt.Any, Effects]:
    """Configuration of `gf.consumer`: each consumer's plugins merged over `uses`; and what `uses` do alone."""
    alone = effects(uses, metadata, at)
    arms: dict[str, matcher.Matcher.OnMatch] = {}
    for consumer in consumers:
        mixed = {use.name: use for use in (*uses, *consumer.plugins)}
        found = effects(sorted(mixed.values(), key=lambda use: use.order), metadata, at)
        alone.scripts.update(found.scripts)
        arms[consumer.username] = _execute(found.filters)
    tree = matcher.Matcher.MatcherTree(
        input=conditions.header(CONSUMER_HEADER), exact_match_map=matcher.Matcher.MatcherTree.MatchMap(map=arms)
    )
    otherwise = _execute(alone.filters) if alone.filters else None
    per_route = composite.CompositePerRoute(matcher=matcher.Matcher(matcher_tree=tree, on_no_match=otherwise))
    return pack(per_route), alone


def _execute(filters: Sequence[tuple[ir.PluginUse, wkt.Any]]) -> matcher.Matcher.OnMatch:
    action = composite.ExecuteFilterAction(
        filter_chain=composite.FilterChainConfiguration(
            typed_config=[core.TypedExtensionConfig(name=use.name, typed_config=config) for use, config in filters]
        )
    )
    return matcher.Matcher.OnMatch(action=xds.TypedExtensionConfig(name="plugins", typed_config=pack(action)))


def _scope(use: ir.PluginUse, metadata: Metadata, at: ir.Route | None) -> Scope:
    return Scope(
        owner=use.owner,
        route_id=at.id if at else "",
        route_name=at.name if at else "",
        service_id=at.service_id if at else "",
        service_name=at.service_name if at else "",
        metadata=metadata.get(use.name, {}),
    )
