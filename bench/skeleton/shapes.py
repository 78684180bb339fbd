"""The skeleton as static Envoy configuration: listener, scopes, matcher trees and filter chains, as plain JSON."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
ENVOY = "type.googleapis.com/envoy."
HTTP_FILTER = ENVOY + "extensions.filters.http."
CHAIN = HTTP_FILTER + "filter_chain.v3.FilterChainConfig"
NOT_FOUND = '{"error_msg":"404 Route Not Found"}\n'


def module_filter(name: str, config: bytes = b"") -> Json:
    """One of the module's HTTP filters."""
    return {
        "name": name,
        "typed_config": {
            "@type": HTTP_FILTER + "dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {"name": "gatefleet", "do_not_close": True},
            "filter_name": name,
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.BytesValue",
                "value": b64encode(config).decode(),
            },
        },
    }


def response_header(key: str, value: str) -> Json:
    """A filter that adds one response header: shows that it ran."""
    append = {"append": {"header": {"key": key, "value": value}}}
    config = {
        "@type": HTTP_FILTER + "header_mutation.v3.HeaderMutation",
        "mutations": {"response_mutations": [append]},
    }
    return {"name": "header", "typed_config": config}


def chain(filters: Sequence[Json]) -> Json:
    """Filters of a virtual host or a route."""
    return {"@type": CHAIN + "PerRoute", "filter_chain": {"filters": list(filters)}}


def header_input(name: str) -> Json:
    """Matcher input: one request header."""
    return {
        "name": "header",
        "typed_config": {"@type": ENVOY + "type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": name},
    }


def consumers(chains: Mapping[str, Sequence[Json]], nobody: Sequence[Json] = ()) -> Json:
    """The consumers' own filters, chosen by the name that authentication found."""

    def run(filters: Sequence[Json]) -> Json:
        config = {
            "@type": HTTP_FILTER + "composite.v3.ExecuteFilterAction",
            "filter_chain": {"typed_config": list(filters)},
        }
        return {"action": {"name": "chain", "typed_config": config}}

    tree: Json = {
        "input": header_input("x-consumer-username"),
        "exact_match_map": {"map": {name: run(filters) for name, filters in chains.items()}},
    }
    matcher: Json = {"matcher_tree": tree}
    if nobody:
        matcher["on_no_match"] = run(nobody)
    return {"@type": HTTP_FILTER + "composite.v3.CompositePerRoute", "matcher": matcher}


def route(action: Json, *, filters: Sequence[Json] = (), by_consumer: Json | None = None) -> Json:
    """A leaf of the path tree."""
    per_route: Json = {}
    if filters:
        per_route["gf.route"] = chain(filters)
    if by_consumer:
        per_route["gf.consumer"] = by_consumer
    config = {
        "@type": ENVOY + "config.route.v3.Route",
        "match": {"prefix": "/"},
        **action,
        "typed_per_filter_config": per_route,
    }
    return {"action": {"name": "route", "typed_config": config}}


def answer(body: str, status: int = 200) -> Json:
    """Route action: a fixed answer."""
    return {"direct_response": {"status": status, "body": {"inline_string": body}}}


def proxy(cluster: str) -> Json:
    """Route action: to the upstream."""
    return {"route": {"cluster": cluster}}


def tree(kind: str, leaves: Mapping[str, Json], otherwise: Json | None = None) -> Json:
    """One level of the path tree; `kind` is exact or prefix."""
    node: Json = {"matcher_tree": {"input": header_input("x-gf-path"), f"{kind}_match_map": {"map": dict(leaves)}}}
    if otherwise:
        node["on_no_match"] = otherwise
    return node


def with_method(method: str, then: Json) -> Json:
    """A node that only one method passes."""
    single = {"input": header_input(":method"), "value_match": {"exact": method}}
    matcher = {"predicate": {"single_predicate": single}, "on_match": then}
    return {"matcher": {"matcher_list": {"matchers": [matcher]}}}


def not_found() -> Json:
    """Where nothing matches: APISIX's 404, under the virtual host's global filters."""
    return route(answer(NOT_FOUND, 404))


def scope(key: str, matcher: Json, global_filters: Sequence[Json] = ()) -> Json:
    """One scoped route configuration, inline."""
    host: Json = {"name": "all", "domains": ["*"], "matcher": matcher}
    if global_filters:
        host["typed_per_filter_config"] = {"gf.global": chain(global_filters)}
    return {
        "name": key,
        "key": {"fragments": [{"string_key": key}]},
        "route_configuration": {
            "name": key,
            "request_headers_to_remove": ["x-gf-scope", "x-gf-path", "x-envoy-external-address"],
            "virtual_hosts": [host],
        },
    }


def scoped(scopes: Sequence[Json]) -> Json:
    """The connection manager's routing by the scope header."""
    fragment = {"header_value_extractor": {"name": "x-gf-scope", "element_separator": "\u0001", "index": 0}}
    return {
        "scoped_routes": {
            "name": "gatefleet",
            "scope_key_builder": {"fragments": [fragment]},
            "scoped_route_configurations_list": {"scoped_route_configurations": list(scopes)},
        }
    }


def early_module() -> Json:
    """The module before routing."""
    return {
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.dynamic_modules",
                "typed_config": {
                    "@type": ENVOY
                    + "extensions.http.early_header_mutation.dynamic_modules.v3.DynamicModuleEarlyHeaderMutation",
                    "dynamic_module_config": {"name": "gatefleet", "do_not_close": True},
                    "early_header_mutation_name": "scope",
                },
            }
        ]
    }


def slots() -> list[Json]:
    """The constant filters before the router; Envoy enables one for a route or virtual host that configures it."""
    chains = [{"name": name, "typed_config": {"@type": CHAIN}, "disabled": True} for name in ("gf.global", "gf.route")]
    composite = {"@type": HTTP_FILTER + "composite.v3.Composite"}
    return [*chains, {"name": "gf.consumer", "typed_config": composite, "disabled": True}]


def manager(routing: Json, *, early: bool = True, filters: Sequence[Json] | None = None) -> Json:
    """The HTTP connection manager."""
    router = {"@type": HTTP_FILTER + "router.v3.Router", "suppress_envoy_headers": True, "dynamic_stats": False}
    return {
        "@type": ENVOY + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "use_remote_address": True,
        "skip_xff_append": True,
        "generate_request_id": False,
        "normalize_path": True,
        "merge_slashes": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "_"},
        **(early_module() if early else {}),
        **routing,
        "http_filters": [*(slots() if filters is None else filters), {"name": "router", "typed_config": router}],
    }


def traffic_log() -> Json:
    """The native module's access logger that counts requests."""
    kind = ENVOY + "extensions.access_loggers.dynamic_modules.v3.DynamicModuleAccessLog"
    module = {"name": "gatefleet", "do_not_close": True}
    return {
        "name": "traffic",
        "typed_config": {"@type": kind, "dynamic_module_config": module, "logger_name": "traffic"},
    }


def cluster(name: str, port: int) -> Json:
    """An upstream on this machine."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def bootstrap(hcm: Json, port: int, clusters: Sequence[Json] = ()) -> Json:
    """A whole configuration with one listener."""
    listener = {
        "name": "http",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": hcm}]}],
    }
    return {
        "stats_config": {"stats_matcher": {"reject_all": True}},
        "static_resources": {"listeners": [listener], "clusters": list(clusters)},
    }
