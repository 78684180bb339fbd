"""What Envoy's matcher trees decide, evaluated in Python: the independent reading that the laws are checked against.

Follows the unified matcher API's description: exact map, longest prefix first with fall-back, `on_no_match` last.
"""

import re
from collections.abc import Mapping

from gatefleet import snapshot
from gatefleet.compile.emit.scopes import lookup_order
from gatefleet.native import sharding
from gatefleet.protos import unpack
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.type.matcher import v3 as matching
from gatefleet.protos.xds.type.matcher import v3 as matcher
from gatefleet.snapshot import HostLayout, Snapshot

Headers = Mapping[str, str]


def route_for(held: Snapshot, host: str, method: str, path: str) -> route.Route:
    """The route that serves a request, found as the native module and Envoy find it."""
    scope = scope_of(held, host, path)
    table = route.RouteConfiguration.FromString(held.of(snapshot.ROUTES)[snapshot.ROUTES_OF + scope].body)
    headers = {":method": method, "x-gf-path": path, "x-forwarded-host": host}
    found = _matcher(table.virtual_hosts[0].matcher, headers)
    assert found is not None, "every scope ends with a catch-all"
    return found


def scope_of(held: Snapshot, host: str, path: str) -> str:
    """The scope key the native module sets."""
    import msgspec  # noqa: PLC0415

    known = held.of(snapshot.HOST)
    name = next(h for h in lookup_order(host, known) if h in known)
    cut = msgspec.msgpack.decode(known[name].body, type=HostLayout)
    return sharding.scope_key(name, cut.depth, cut.shards, path)


def _matcher(node: matcher.Matcher, headers: Headers) -> route.Route | None:
    found = _list(node.matcher_list, headers) if node.HasField("matcher_list") else _tree(node.matcher_tree, headers)
    if found is not None:
        return found
    return _on_match(node.on_no_match, headers) if node.HasField("on_no_match") else None


def _tree(tree: matcher.Matcher.MatcherTree, headers: Headers) -> route.Route | None:
    value = headers[unpack(tree.input.typed_config, matching.HttpRequestHeaderMatchInput).header_name]
    if tree.HasField("exact_match_map"):
        arm = tree.exact_match_map.map.get(value)
        return _on_match(arm, headers) if arm is not None else None
    for prefix in sorted(tree.prefix_match_map.map, key=len, reverse=True):
        if value.startswith(prefix):
            found = _on_match(tree.prefix_match_map.map[prefix], headers)
            if found is not None:
                return found
    return None


def _list(arms: matcher.Matcher.MatcherList, headers: Headers) -> route.Route | None:
    for arm in arms.matchers:
        if _holds(arm.predicate, headers):
            found = _on_match(arm.on_match, headers)
            if found is not None:
                return found
    return None


def _on_match(on: matcher.Matcher.OnMatch, headers: Headers) -> route.Route | None:
    if on.HasField("matcher"):
        return _matcher(on.matcher, headers)
    return route.Route.FromString(on.action.typed_config.value)


def _holds(predicate: matcher.Matcher.MatcherList.Predicate, headers: Headers) -> bool:
    match predicate.WhichOneof("match_type"):
        case "single_predicate":
            single = predicate.single_predicate
            name = unpack(single.input.typed_config, matching.HttpRequestHeaderMatchInput).header_name
            return name in headers and _value(single.value_match, headers[name])
        case "or_matcher":
            return any(_holds(p, headers) for p in predicate.or_matcher.predicate)
        case "and_matcher":
            return all(_holds(p, headers) for p in predicate.and_matcher.predicate)
        case _:
            return not _holds(predicate.not_matcher, headers)


def _value(test: matcher.StringMatcher, value: str) -> bool:
    if test.HasField("safe_regex"):
        return re.fullmatch(test.safe_regex.regex, value) is not None
    return value == test.exact
