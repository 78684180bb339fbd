"""One IR route as the bytes that stand in the matcher trees of its hosts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gatefleet import filters, plugins, templates
from gatefleet.compile import ir, paths, resolve, tree
from gatefleet.compile import vars as conditions
from gatefleet.compile.emit import asking, chains, upstreams
from gatefleet.compile.emit.upstreams import hash_state, seconds
from gatefleet.compile.resolve import DEFAULT_TIMEOUT
from gatefleet.compile.wire import dump
from gatefleet.errors import Invalid
from gatefleet.plugin import Filter, Scope, Script
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.common.set_filter_state import v3 as common
from gatefleet.protos.envoy.extensions.filters.http.set_filter_state import v3 as set_filter_state
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds

NOT_FOUND_BODY: Final = '{"error_msg":"404 Route Not Found"}\n'
CERTIFICATE_WANTED_BODY: Final = '{"error_msg":"400 Bad Request: this host wants a certificate from its clients"}\n'
PROBE_PATH: Final = "gf:probe"
TEXT: Final = "text/plain; charset=utf-8"
_OFF: Final = pack(route.FilterConfig(disabled=True))


@dataclass(frozen=True, slots=True)
class RouteCode:
    """A compiled route: which hosts it answers for, its places in a tree, and the Lua files its filters need."""

    hosts: tuple[str, ...]
    candidates: tuple[tree.Candidate, ...]
    scripts: tuple[tuple[str, str], ...]
    clusters: tuple[tuple[str, bytes, bytes | None], ...] = ()
    """Of upstreams that only this route or its plugins have: name, serialized Cluster, serialized endpoints."""


def compile_route(
    ir_route: ir.Route, consumers: Sequence[ir.Consumer], shared: chains.Shared, *, authenticated: bool
) -> RouteCode:
    """Compile one route.

    `consumers` are those with plugins of their own; `authenticated` says that a global rule names the consumer.
    Raises errors.Invalid for what cannot be carried.
    """
    message, found = _message(ir_route, consumers, shared, authenticated=authenticated)
    action = tree.on_match(dump(xds.TypedExtensionConfig(name="route", typed_config=pack(message))))
    plugins_ask = conditions.Conditions(questions=tuple(found.questions))
    checks = conditions.read(ir_route.vars) + _methods(ir_route) + _clients(ir_route) + plugins_ask
    return RouteCode(
        hosts=ir_route.hosts,
        candidates=tuple(
            _candidate(ir_route, paths.parse(path), checks, action) for path in dict.fromkeys(ir_route.paths)
        ),
        scripts=tuple(sorted({**found.scripts, **asking.scripts(checks.bodies)}.items())),
        clusters=tuple(_clusters(ir_route, found)),
    )


def _clusters(r: ir.Route, found: chains.Effects) -> Iterator[tuple[str, bytes, bytes | None]]:
    if found.upstreams and r.host_to_upstream:
        raise Invalid("an upstream of a plugin's own cannot stand beside a default one whose pass_host is not [pass]")
    own = {r.upstream: r.own_upstream} if r.own_upstream else {}
    for name, upstream in sorted({**found.upstreams, **own}.items()):
        yield name, upstreams.compile_cluster(upstream), upstreams.compile_endpoints(upstream)


def not_found() -> bytes:
    """`OnMatch` bytes for what no route matches: APISIX's 404, behind the global rules."""
    return _direct("not-found", 404, NOT_FOUND_BODY)


def certificate_wanted() -> bytes:
    """`OnMatch` bytes for requests that come without the certificate their host wants: 400 as APISIX says it."""
    return _direct("certificate-wanted", 400, CERTIFICATE_WANTED_BODY)


def probe(version: str) -> tree.Candidate:
    """The reserved place that answers with the version of the RouteConfiguration it stands in, past global rules."""
    pattern = paths.Pattern(exact=True, key=PROBE_PATH)
    answer = _direct("probe", 200, version, {chains.GLOBAL: _OFF, chains.GLOBAL_WHERE: _OFF})
    return tree.Candidate(pattern, (0, pattern.rank, 1, ""), b"", answer)


def _direct(name: str, status: int, body: str, filters: Mapping[str, wkt.Any] = MappingProxyType({})) -> bytes:
    message = route.Route(
        name=name,
        match={"prefix": "/"},
        direct_response={"status": status, "body": {"inline_string": body}},
        typed_per_filter_config=filters,
        response_headers_to_add=[
            core.HeaderValueOption(
                header={"key": "content-type", "value": TEXT}, append_action="OVERWRITE_IF_EXISTS_OR_ADD"
            )
        ],
    )
    return tree.on_match(dump(xds.TypedExtensionConfig(name="route", typed_config=pack(message))))


def _methods(r: ir.Route) -> conditions.Conditions:
    methods = [conditions.equals(":method", method) for method in r.methods]
    return _always((conditions.any_of(methods),)) if methods else conditions.Conditions()


def _clients(r: ir.Route) -> conditions.Conditions:
    if not r.remote_addrs:
        return conditions.Conditions()
    return _always((conditions.in_networks(conditions.CLIENT_HEADER, r.remote_addrs),))


def _always(predicates: tuple[conditions.Predicate, ...]) -> conditions.Conditions:
    """What is known without a body."""
    return conditions.Conditions(predicates, before=predicates)


def _candidate(r: ir.Route, pattern: paths.Pattern, checks: conditions.Conditions, action: bytes) -> tree.Candidate:
    own = [conditions.full_match(conditions.PATH_HEADER, pattern.regex)] if pattern.regex else []
    order = (-r.priority, pattern.rank, 0 if checks.predicates else 1, r.id)
    condition = tree.condition([*own, *checks.predicates])
    if not checks.bodies:
        return tree.Candidate(pattern, order, condition, action, checks.questions)
    reachable = tree.condition([*own, *checks.before, asking.could_be_answered(checks.bodies)])
    return tree.Candidate(pattern, order, condition, action, checks.questions, checks.bodies, reachable)


def _message(
    r: ir.Route, consumers: Sequence[ir.Consumer], shared: chains.Shared, *, authenticated: bool
) -> tuple[route.Route, chains.Effects]:
    named = authenticated or any(plugins.registry()[use.name].names_consumer for use in r.plugins)
    before, behind = parted(r.plugins, consumers) if named else (r.plugins, ())
    found = chains.effects(before, shared, r)
    hashing, scripts = _hash_filters(r)
    found.filters += hashing
    found.scripts.update(scripts)
    message = route.Route(name=f"{r.service_id}/{r.id}", match={"prefix": r.strip + "/"}, route=_action(r))
    for slot, config in chains.placed(found.filters, chains.ROUTE, chains.ROUTE_WHERE).items():
        message.typed_per_filter_config[slot].CopyFrom(config)
    patches = [patch for _, patch in found.patches]
    if behind or (consumers and named):
        per_route, rest = chains.behind_consumers(behind, consumers, shared, r)
        message.typed_per_filter_config[chains.CONSUMER].CopyFrom(per_route)
        patches += [patch for _, patch in rest.patches]
        found.scripts.update(rest.scripts)
        found.questions |= rest.questions
        found.upstreams.update(rest.upstreams)
    for patch in patches:
        _merge(message, patch)
    return message, found


def parted(
    uses: Sequence[ir.PluginUse], consumers: Sequence[ir.Consumer]
) -> tuple[tuple[ir.PluginUse, ...], tuple[ir.PluginUse, ...]]:
    """What runs before the consumer is known, and what runs once it is: all behind that, and what consumers replace.

    Of `consumers`, those with plugins of their own, only the plugins' names count.
    """
    if not consumers and not any(resolve.condition(use).predicates for use in uses):
        return tuple(uses), ()
    known = max((n + 1 for n, use in enumerate(uses) if plugins.registry()[use.name].names_consumer), default=0)
    replaced = {use.name for consumer in consumers for use in consumer.plugins}
    before = tuple(use for use in uses[:known] if use.name not in replaced)
    return before, tuple(use for use in uses if use not in before)


def _action(r: ir.Route) -> route.RouteAction:
    return route.RouteAction(
        cluster=r.upstream,
        timeout=wkt.Duration(),
        idle_timeout=None if r.read_timeout == DEFAULT_TIMEOUT else seconds(r.read_timeout),
        prefix_rewrite="/" if r.strip else None,
        host_rewrite_literal=r.host_to_upstream if r.host_to_upstream not in ("", "*node") else None,
        auto_host_rewrite=wkt.BoolValue(value=True) if r.host_to_upstream == "*node" else None,
        upgrade_configs=[{"upgrade_type": "websocket"}] if r.websocket else None,
    )


def _hash_filters(r: ir.Route) -> tuple[list[tuple[ir.PluginUse, wkt.Any]], dict[str, str]]:
    """What keeps the texts that upstreams hash on, behind all plugins; and the scripts it needs."""
    if not r.hash_texts:
        return [], {}
    use = ir.PluginUse("gf.hash", f"route:{r.id}", {}, (0, 0, ""))
    scope = Scope(f"route:{r.id}", r.id, r.service_id, r.service_name, r.name)
    texts = {t: templates.format_of(templates.parse(t, "/upstream/key", scope)) for t in r.hash_texts}
    states = [
        common.FilterStateValue(
            object_key=hash_state(template),
            factory_key="envoy.hashable_string",
            format_string={"text_format_source": {"inline_string": text.text}, "omit_empty_values": True},
            skip_if_empty=True,
        )
        for template, text in texts.items()
    ]
    made = [*filters.captures(use.name, texts.values()), Filter(set_filter_state.Config(on_request_headers=states))]
    scripts = {effect.name: effect.source for effect in made if isinstance(effect, Script)}
    return [(use, pack(effect.config)) for effect in made if isinstance(effect, Filter)], scripts


def _merge(message: route.Route, patch: route.Route) -> None:
    """A plugin's word on paths and hosts replaces what the service says."""
    if patch.HasField("route"):
        rewrites = ("path_rewrite", "regex_rewrite", "prefix_rewrite", "path_rewrite_policy")
        given = [name for name, _ in patch.route.ListFields()]  # pyright: ignore[reportUnknownVariableType]
        if any(field.name in rewrites for field in given):
            for name in rewrites:
                message.route.ClearField(name)
    message.MergeFrom(patch)
