"""A small static Envoy configuration around plugins: one virtual host per site, the native module in front."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from gatefleet.filters import chain_position
from gatefleet.native.build import MODULE
from gatefleet.plugin import Effect, Filter, RoutePatch, Scope, Script
from gatefleet.plugins import registry
from gatefleet.protos import POOL, pack
from gatefleet.protos.envoy.config.bootstrap import v3 as bootstrap_v3
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route_v3
from gatefleet.protos.envoy.extensions.filters.http.filter_chain import v3 as filter_chain

FILTERS = "type.googleapis.com/envoy.extensions.filters.http."
CHAIN = FILTERS + "filter_chain.v3.FilterChainConfig"
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
SCOPE = (
    "type.googleapis.com/envoy.extensions.http.early_header_mutation.dynamic_modules.v3."
    "DynamicModuleEarlyHeaderMutation"
)
Plugins = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Site:
    """What runs at `<name>.test`: plugins of the route, of global rules, and metadata of plugins."""

    plugins: Plugins = field(default_factory=dict[str, Any])
    rules: Plugins = field(default_factory=dict[str, Any])
    metadata: Plugins = field(default_factory=dict[str, Any])
    missing: bool = False
    """There is no route: 404."""
    more: tuple[Effect, ...] = ()
    """Effects of no plugin, at the end of the route's chain."""


def effects(plugins: Plugins, scope: Scope, metadata: Plugins) -> list[tuple[str, Effect]]:
    """(plugin, effect) of all plugins, in the order of the chain."""
    known = registry()
    found: list[tuple[str, Effect]] = []
    for name in sorted(plugins, key=lambda name: chain_position(known[name])):
        plugin = known[name]
        placed = Scope(
            **{f: getattr(scope, f) for f in Scope.__dataclass_fields__ if f != "metadata"},
            metadata=metadata.get(name, {}),
        )
        found += [
            (name, effect) for effect in plugin.translate(plugin.conf.model_validate(dict(plugins[name])), placed)
        ]
    return found


def chain(found: Iterable[tuple[str, Effect]]) -> filter_chain.FilterChainConfigPerRoute | None:
    filters = [
        core.TypedExtensionConfig(name=name, typed_config=pack(effect.config))
        for name, effect in found
        if isinstance(effect, Filter)
    ]
    return filter_chain.FilterChainConfigPerRoute(filter_chain={"filters": filters}) if filters else None


def write_scripts(run_dir: Path, found: Iterable[tuple[str, Effect]]) -> None:
    (run_dir / "lua").mkdir(exist_ok=True)
    for _, effect in found:
        if isinstance(effect, Script):
            (run_dir / "lua" / effect.name).write_text(effect.source)


def virtual_host(name: str, site: Site, run_dir: Path) -> dict[str, Any]:
    on_route = effects(
        site.plugins,
        Scope("route:r1", route_id="r1", service_id="s1", route_name="Route", service_name="Service"),
        site.metadata,
    )
    on_route += [("more", effect) for effect in site.more]
    on_all = effects(site.rules, Scope("global"), site.metadata)
    write_scripts(run_dir, [*on_route, *on_all])
    route = route_v3.Route(match=route_v3.RouteMatch(prefix="/"))
    if site.missing:
        route.direct_response.status = 404
        route.direct_response.body.inline_string = '{"error_msg":"404 Route Not Found"}\n'
    else:
        route.route.cluster = "upstream"
    for _, effect in on_route:
        if isinstance(effect, RoutePatch):
            route.MergeFrom(effect.route)
    if per_route := chain(on_route):
        route.typed_per_filter_config["gf.route"].CopyFrom(pack(per_route))
    host = route_v3.VirtualHost(name=name, domains=[f"{name}.test", f"{name}.test:*"], routes=[route])
    if per_host := chain(on_all):
        host.typed_per_filter_config["gf.global"].CopyFrom(pack(per_host))
    return MessageToDict(host, preserving_proto_field_name=True, descriptor_pool=POOL)


def bootstrap(sites: Mapping[str, Site], run_dir: Path, *, port: int, upstream: int) -> bootstrap_v3.Bootstrap:
    """Serves `sites` on 127.0.0.1:`port`, in front of an upstream on 127.0.0.1:`upstream`."""
    manager = {
        "@type": HCM,
        "stat_prefix": "http",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "early_header_mutation_extensions": [
            {
                "name": "scope",
                "typed_config": {
                    "@type": SCOPE,
                    "dynamic_module_config": {"name": "gatefleet", "do_not_close": True},
                    "early_header_mutation_name": "scope",
                },
            }
        ],
        "http_filters": [
            {"name": "gf.global", "typed_config": {"@type": CHAIN}},
            {"name": "gf.route", "typed_config": {"@type": CHAIN}},
            {"name": "router", "typed_config": {"@type": FILTERS + "router.v3.Router", "suppress_envoy_headers": True}},
        ],
        "route_config": {
            "virtual_hosts": [virtual_host(name, site, run_dir) for name, site in sites.items()],
            "request_headers_to_remove": ["x-gf-scope", "x-gf-path", "x-envoy-external-address"],
            "validate_clusters": False,
        },
    }
    listener = {"address": _address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}
    cluster = {"name": "upstream", "load_assignment": {"cluster_name": "upstream", "endpoints": [endpoint]}}
    whole = {"node": {"id": "n", "cluster": "c"}, "static_resources": {"listeners": [listener], "clusters": [cluster]}}
    return ParseDict(whole, bootstrap_v3.Bootstrap(), descriptor_pool=POOL)


def environment(run_dir: Path) -> dict[str, str]:
    """What Envoy's process needs to know to find our module and its tables."""
    return {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(MODULE.parent), "GATEFLEET_RUN_DIR": str(run_dir)}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
