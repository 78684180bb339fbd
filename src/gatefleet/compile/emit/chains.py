"""Plugins at work as filter chains: what their effects become on a route, a virtual host or behind a consumer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from pydantic import ValidationError

from gatefleet import plugins
from gatefleet.compile import ir, resolve
from gatefleet.compile import vars as conditions
from gatefleet.compile.wire import dump
from gatefleet.errors import Invalid
from gatefleet.filters import headers
from gatefleet.plugin import Effect, Filter, OwnUpstream, RoutePatch, Scope, Script
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.http.composite import v3 as composite
from gatefleet.protos.envoy.extensions.filters.http.filter_chain import v3 as filter_chain
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as matcher
from gatefleet.resources.messages import sentences
from gatefleet.resources.secrets import masked

GLOBAL: Final = "gf.global"
GLOBAL_WHERE: Final = "gf.global.where"
ROUTE: Final = "gf.route"
ROUTE_WHERE: Final = "gf.route.where"
CONSUMER: Final = "gf.consumer"
MOST_CONDITIONS: Final = 4
"""Different `_meta.filter` in one chain: each more doubles its arms."""
Filters = Sequence[tuple[ir.PluginUse, wkt.Any]]
CONSUMER_HEADER: Final = "x-consumer-username"


@dataclass(slots=True)
class Effects:
    """What a list of plugin uses does, in their order."""

    filters: list[tuple[ir.PluginUse, wkt.Any]] = field(default_factory=list[tuple[ir.PluginUse, wkt.Any]])
    patches: list[tuple[ir.PluginUse, route.Route]] = field(default_factory=list[tuple[ir.PluginUse, route.Route]])
    scripts: dict[str, str] = field(default_factory=dict[str, str])
    upstreams: dict[str, ir.Upstream] = field(default_factory=dict[str, ir.Upstream])
    """Upstreams of plugins' own, by the names of their clusters."""
    questions: set[bytes] = field(default_factory=set[bytes])
    """What the native module has to answer for the conditions of plugins."""


Metadata = Mapping[str, Mapping[str, Any]]
"""A group's plugin metadata: plugin name to its metadata."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What plugins anywhere in a group may need of it."""

    metadata: Metadata = field(default_factory=dict[str, Mapping[str, Any]])
    protos: Mapping[str, str] | None = None
    """Protobuf definitions by id; None where they are not known."""
    in_each_route: frozenset[str] = frozenset()
    """Plugins that name the route and stand in each, because a global rule has them."""


def effects(
    uses: Iterable[ir.PluginUse], shared: Shared, at: ir.Route | None = None, replaced: Collection[str] = ()
) -> Effects:
    """Translate each use; raises errors.Invalid for a configuration that cannot be carried.

    `replaced`: plugins that some consumer has a use of its own of; what they do must not stand in the route itself.
    """
    found = Effects()
    for use in uses:
        found.questions.update(resolve.condition(use).questions)
        for effect in _translated(use, _scope(use, shared, at, replaced)):
            match effect:
                case Filter(config):
                    found.filters.append((use, pack(config)))
                case RoutePatch(patch):
                    found.patches.append((use, patch))
                case Script(name, source):
                    found.scripts[name] = source
                case OwnUpstream(name, body):
                    found.upstreams[name] = resolve.own_upstream(name, body, ("plugins", use.name))
    return found


def _translated(use: ir.PluginUse, scope: Scope) -> Iterable[Effect]:
    plugin = plugins.registry()[use.name]
    try:
        return list(plugin.translate(plugin.read(use.conf), scope))
    except ValidationError as error:
        raise Invalid("; ".join(sentences(error, ("plugins", use.name)))) from None


def filters_only(uses: Iterable[ir.PluginUse], shared: Shared, at: ir.Route | None = None) -> Effects:
    """As `effects`, for places that have no route of their own to patch."""
    found = effects(uses, shared, at)
    for use, _ in found.patches:
        raise Invalid(f"plugin [{use.name}] with this configuration works on routes and services, not on {use.owner}")
    return found


def placed(filters: Filters, plain: str, where: str) -> dict[str, wkt.Any]:
    """Per-route configuration that makes these filters run in this order: by slot, `where` if some have conditions."""
    if not filters:
        return {}
    if _are_conditional(filters):
        return {where: pack(composite.CompositePerRoute(matcher=_decision(filters)))}
    return {plain: _chain(filters)}


def _are_conditional(filters: Filters) -> bool:
    return any(resolve.condition(use).predicates for use, _ in filters)


def _chain(filters: Filters) -> wkt.Any:
    return pack(
        filter_chain.FilterChainConfigPerRoute(filter_chain=filter_chain.FilterChain(filters=_configs(filters)))
    )


def _configs(filters: Filters) -> list[core.TypedExtensionConfig]:
    return [core.TypedExtensionConfig(name=use.name, typed_config=config) for use, config in filters]


def behind_consumers(
    uses: Sequence[ir.PluginUse], consumers: Sequence[ir.Consumer], shared: Shared, at: ir.Route
) -> tuple[wkt.Any, Effects]:
    """Configuration of `gf.consumer`: each consumer's plugins merged over `uses`; and what `uses` do alone."""
    replaced = {use.name for consumer in consumers for use in consumer.plugins}
    alone = effects(uses, shared, at, replaced)
    arms: dict[str, matcher.Matcher.OnMatch] = {}
    own = {use.name: use for use in uses}
    for consumer in consumers:
        mixed = resolve.merged(own, {use.name: use for use in consumer.plugins})
        found = effects(mixed, shared, at, replaced)
        alone.scripts.update(found.scripts)
        alone.upstreams.update(found.upstreams)
        alone.questions |= found.questions
        arms[consumer.username] = _run(found.filters)
    otherwise = _run(alone.filters) if alone.filters else None
    by_name = matcher.Matcher.MatcherTree(
        input=conditions.header(CONSUMER_HEADER), exact_match_map=matcher.Matcher.MatcherTree.MatchMap(map=arms)
    )
    decision = matcher.Matcher(matcher_tree=by_name, on_no_match=otherwise) if arms else _decision(alone.filters)
    return pack(composite.CompositePerRoute(matcher=decision)), alone


def _run(filters: Filters) -> matcher.Matcher.OnMatch:
    """Runs these filters, or those of them whose conditions hold."""
    return matcher.Matcher.OnMatch(matcher=_decision(filters)) if _are_conditional(filters) else _execute(filters)


def _decision(filters: Filters) -> matcher.Matcher:
    """One arm per set of conditions that may hold together, larger sets first: the first that holds is exact."""
    wanted = [resolve.condition(use).predicates for use, _ in filters]
    asked = {dump(conditions.all_of(predicates)): predicates for predicates in wanted if predicates}
    if len(asked) > MOST_CONDITIONS:
        raise Invalid(f"one chain of plugins can have {MOST_CONDITIONS} different filters in _meta, not {len(asked)}")
    keys = [dump(conditions.all_of(predicates)) if predicates else b"" for predicates in wanted]
    sets = [held for size in range(len(asked), -1, -1) for held in combinations(sorted(asked), size)]
    runs = {held: [pair for pair, key in zip(filters, keys, strict=True) if key in (b"", *held)] for held in sets}
    arms = [
        matcher.Matcher.MatcherList.FieldMatcher(
            predicate=conditions.all_of([predicate for key in held for predicate in asked[key]]),
            on_match=_execute(runs[held]),
        )
        for held in sets
        if held
    ]
    always = _execute(runs[()]) if runs[()] else None
    return matcher.Matcher(matcher_list=matcher.Matcher.MatcherList(matchers=arms), on_no_match=always)


_NOTHING: Final = core.TypedExtensionConfig(name="nothing", typed_config=pack(headers().config))
"""Envoy takes no empty chains, and an arm left out would run what stands there for everybody else."""


def _execute(filters: Filters) -> matcher.Matcher.OnMatch:
    chained = composite.FilterChainConfiguration(typed_config=_configs(filters) or [_NOTHING])
    execute = composite.ExecuteFilterAction(filter_chain=chained)
    return matcher.Matcher.OnMatch(action=xds.TypedExtensionConfig(name="plugins", typed_config=pack(execute)))


def _documents(at: ir.Route) -> Mapping[str, Mapping[str, Any]]:
    """What the route is made of, fit for others' eyes; a service that is not known yet has no name."""
    told = {"route": {**at.documents["route"], "service_id": at.service_id}, "service": at.documents["service"]}
    return {name: masked(f"{name}s", str(body["id"]), body) for name, body in told.items() if "name" in body}


def _scope(use: ir.PluginUse, shared: Shared, at: ir.Route | None, replaced: Collection[str]) -> Scope:
    return Scope(
        owner=use.owner,
        route_id=at.id if at else "",
        route_name=at.name if at else "",
        service_id=at.service_id if at else "",
        service_name=at.service_name if at else "",
        metadata=shared.metadata.get(use.name, {}),
        protos=shared.protos,
        paths=at.paths if at else (),
        upstream=at.upstream if at else "",
        documents=_documents(at) if at and plugins.registry()[use.name].tells_documents else {},
        below_global=use.name in shared.in_each_route,
        conditional=use.name in replaced or bool(resolve.condition(use).predicates),
    )
