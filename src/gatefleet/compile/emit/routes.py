"""One IR route as the bytes that stand in the matcher trees of its hosts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gatefleet import plugins
from gatefleet.compile import ir, paths, tree
from gatefleet.compile import vars as conditions
from gatefleet.compile.emit import chains
from gatefleet.compile.emit.upstreams import seconds
from gatefleet.compile.resolve import DEFAULT_TIMEOUT
from gatefleet.compile.wire import dump
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds

RETRY_ON: Final = "connect-failure,refused-stream,reset-before-request"
NOT_FOUND_BODY: Final = '{"error_msg":"404 Route Not Found"}\n'
PROBE_PATH: Final = "gf:probe"
TEXT: Final = "text/plain; charset=utf-8"
_OFF: Final = pack(route.FilterConfig(disabled=True))


@dataclass(frozen=True, slots=True)
class RouteCode:
    """A compiled route: which hosts it answers for, its places in a tree, and the Lua files its filters need."""

    hosts: tuple[str, ...]
    candidates: tuple[tree.Candidate, ...]
    scripts: tuple[tuple[str, str], ...]


def compile_route(
    ir_route: ir.Route, consumers: Sequence[ir.Consumer], metadata: chains.Metadata, *, authenticated: bool
) -> RouteCode:
    """Compile one route.

    `consumers` are those with plugins of their own; `authenticated` says that a global rule names the consumer.
    Raises errors.Invalid for what cannot be carried.
    """
    message, scripts = _message(ir_route, consumers, metadata, authenticated=authenticated)
    action = tree.on_match(dump(xds.TypedExtensionConfig(name="route", typed_config=pack(message))))
    checks = conditions.read(ir_route.vars) + _methods(ir_route) + _clients(ir_route)
    return RouteCode(
        hosts=ir_route.hosts,
        candidates=tuple(
            _candidate(ir_route, paths.parse(path), checks, action) for path in dict.fromkeys(ir_route.paths)
        ),
        scripts=tuple(sorted(scripts.items())),
    )


def not_found() -> bytes:
    """`OnMatch` bytes for what no route matches: APISIX's 404, behind the global rules."""
    return _direct("not-found", 404, NOT_FOUND_BODY)


def probe(version: str) -> tree.Candidate:
    """The reserved place that answers with the version of the RouteConfiguration it stands in, past global rules."""
    pattern = paths.Pattern(exact=True, key=PROBE_PATH)
    answer = _direct("probe", 200, version, {chains.GLOBAL: _OFF})
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
    return conditions.Conditions((conditions.any_of(methods),)) if methods else conditions.Conditions()


def _clients(r: ir.Route) -> conditions.Conditions:
    if not r.remote_addrs:
        return conditions.Conditions()
    return conditions.Conditions((conditions.in_networks(conditions.CLIENT_HEADER, r.remote_addrs),))


def _candidate(r: ir.Route, pattern: paths.Pattern, checks: conditions.Conditions, action: bytes) -> tree.Candidate:
    own = [conditions.full_match(conditions.PATH_HEADER, pattern.regex)] if pattern.regex else []
    order = (-r.priority, pattern.rank, 0 if checks.predicates else 1, r.id)
    return tree.Candidate(pattern, order, tree.condition([*own, *checks.predicates]), action, checks.questions)


def _message(
    r: ir.Route, consumers: Sequence[ir.Consumer], metadata: chains.Metadata, *, authenticated: bool
) -> tuple[route.Route, dict[str, str]]:
    split = _consumer_known(r.plugins, authenticated=authenticated) if consumers else len(r.plugins)
    found = chains.effects(r.plugins[:split], metadata, r)
    message = route.Route(name=r.id, match={"prefix": r.strip + "/"}, route=_action(r))
    if found.filters:
        message.typed_per_filter_config[chains.ROUTE].CopyFrom(chains.chain(found.filters))
    patches = [patch for _, patch in found.patches]
    if split < len(r.plugins) or (consumers and _names_consumer(r.plugins, authenticated=authenticated)):
        per_route, rest = chains.behind_consumers(r.plugins[split:], consumers, metadata, r)
        message.typed_per_filter_config[chains.CONSUMER].CopyFrom(per_route)
        patches += [patch for _, patch in rest.patches]
        found.scripts.update(rest.scripts)
    for patch in patches:
        _merge(message, patch)
    return message, found.scripts


def _names_consumer(uses: Sequence[ir.PluginUse], *, authenticated: bool) -> bool:
    return authenticated or any(plugins.registry()[use.name].auth for use in uses)


def _consumer_known(uses: Sequence[ir.PluginUse], *, authenticated: bool) -> int:
    """How many plugins run before the consumer is known; all of them when no plugin ever says who it is."""
    if not _names_consumer(uses, authenticated=authenticated):
        return len(uses)
    return max((n + 1 for n, use in enumerate(uses) if plugins.registry()[use.name].auth), default=0)


def _action(r: ir.Route) -> route.RouteAction:
    return route.RouteAction(
        cluster=r.upstream,
        timeout=wkt.Duration(),
        idle_timeout=None if r.read_timeout == DEFAULT_TIMEOUT else seconds(r.read_timeout),
        prefix_rewrite="/" if r.strip else None,
        host_rewrite_literal=r.host_to_upstream if r.host_to_upstream not in ("", "*node") else None,
        auto_host_rewrite=wkt.BoolValue(value=True) if r.host_to_upstream == "*node" else None,
        hash_policy=[_hash_policy(*r.hash_on)] if r.hash_on else None,
        upgrade_configs=[{"upgrade_type": "websocket"}] if r.websocket else None,
        retry_policy=_retries(r.retries) if r.retries else None,
    )


def _retries(retries: int) -> route.RetryPolicy:
    return route.RetryPolicy(
        retry_on=RETRY_ON,
        num_retries=wkt.UInt32Value(value=retries),
        retry_host_predicate=[_PREVIOUS_HOSTS],
        host_selection_retry_max_attempts=3,
    )


_PREVIOUS_HOSTS: Final = {
    "name": "previous_hosts",
    "typed_config": {
        "type_url": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}


def _hash_policy(on: str, key: str) -> route.RouteAction.HashPolicy:
    policy = route.RouteAction.HashPolicy
    if on == "header" or key.startswith("http_"):
        name = key if on == "header" else key[5:].replace("_", "-")
        return policy(header={"header_name": name})
    if on == "cookie" or key.startswith("cookie_"):
        return policy(cookie={"name": key.removeprefix("cookie_") if on == "vars" else key})
    if key.startswith("arg_"):
        return policy(query_parameter={"name": key[4:]})
    return policy(connection_properties={"source_ip": True})


def _merge(message: route.Route, patch: route.Route) -> None:
    """A plugin's word on paths and hosts replaces what the service says."""
    if patch.HasField("route"):
        rewrites = ("path_rewrite", "regex_rewrite", "prefix_rewrite", "path_rewrite_policy")
        given = [name for name, _ in patch.route.ListFields()]  # pyright: ignore[reportUnknownVariableType]
        if any(field.name in rewrites for field in given):
            for name in rewrites:
                message.route.ClearField(name)
    message.MergeFrom(patch)
