"""Laws that hold for every group: incremental equals full, order does not matter, no route loses its plugins."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet import snapshot
from gatefleet.compile.compiler import Compiler
from gatefleet.compile.emit.upstreams import seconds
from gatefleet.compile.resolve import route as resolve_route
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.http.filter_chain import v3 as filter_chain
from gatefleet.protos.envoy.extensions.router.cluster_specifiers.matcher import v3 as by_header
from gatefleet.resources import Document
from gatefleet.snapshot import Snapshot
from tests.compile import groups, matching

Change = tuple[list[Document], list[tuple[str, str]]]


def full(documents: list[Document]) -> Snapshot:
    compiled = Compiler().update(documents)
    assert not compiled.problems
    return compiled.snapshot


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Change], list[Document]]:
    """Changes one after another, and the documents they leave."""
    held: dict[tuple[str, str], Document] = {}
    changes: list[Change] = []
    for _ in range(draw(st.integers(1, 5))):
        upserts = groups.unique(draw(st.lists(groups.documents(), max_size=5)))
        deletes = draw(st.lists(st.sampled_from(sorted(held)), max_size=3, unique=True)) if held else []
        deletes = [key for key in deletes if key not in {(d.kind, d.key) for d in upserts}]
        for key in deletes:
            del held[key]
        held.update({(d.kind, d.key): d for d in upserts})
        changes.append((upserts, deletes))
    return changes, list(held.values())


@given(histories())
@settings(max_examples=80, deadline=None)
def test_the_incremental_snapshot_has_the_very_bytes_of_a_full_compile(
    history: tuple[list[Change], list[Document]],
) -> None:
    changes, left = history
    compiler = Compiler()
    for upserts, deletes in changes:
        compiled = compiler.update(upserts, deletes)
    assert compiled.snapshot == full(left)


@given(groups.groups(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_documents_does_not_matter(documents: list[Document], random: st.DrawFn) -> None:
    shuffled = list(documents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert snapshot.to_bytes(full(documents)) == snapshot.to_bytes(full(shuffled))


@given(groups.groups())
@settings(max_examples=60, deadline=None)
def test_every_name_a_snapshot_refers_to_exists_in_it(documents: list[Document]) -> None:
    held = full(documents)
    clusters = held.of(snapshot.CLUSTER)
    for host in groups.REQUEST_HOSTS:
        for path in groups.REQUEST_PATHS:
            found = matching.route_for(held, host, "GET", path)
            assert _clusters(found) <= clusters.keys()
    for entry in held.of(snapshot.SCOPED_ROUTES).values():
        scope = route.ScopedRouteConfiguration.FromString(entry.body)
        assert scope.route_configuration_name in held.of(snapshot.ROUTES)
    for name, entry in clusters.items():
        by_endpoints = cluster.Cluster.FromString(entry.body).HasField("eds_cluster_config")
        assert by_endpoints == (name in held.of(snapshot.ENDPOINTS))


def _clusters(found: route.Route) -> set[str]:
    """Where requests of the route may go."""
    if not found.HasField("route"):
        return set()
    if not found.route.HasField("inline_cluster_specifier_plugin"):
        return {found.route.cluster}
    specifier = by_header.MatcherClusterSpecifier.FromString(
        found.route.inline_cluster_specifier_plugin.extension.typed_config.value
    )
    arms = specifier.cluster_matcher.matcher_tree.exact_match_map.map.values()
    return {by_header.ClusterAction.FromString(arm.action.typed_config.value).cluster for arm in arms}


@given(groups.groups())
@settings(max_examples=100, deadline=None)
def test_whatever_the_host_and_path_a_route_is_reached_with_all_its_plugins(documents: list[Document]) -> None:
    held = full(documents)
    by_id = {d.id: d for d in documents if d.kind == "routes"}
    services = {d.id: d for d in documents if d.kind == "services"}
    for host in groups.REQUEST_HOSTS:
        for path in groups.REQUEST_PATHS:
            found = matching.route_for(held, host, "GET", path)
            if found.HasField("direct_response"):
                continue
            document = by_id[_id(found)]
            service = services[document.parent or ""]
            wanted = resolve_route(document.id, document.body, service.id, service.body).plugins
            protecting = [use.name for use in wanted if use.name in ("key-auth", "ip-restriction", "limit-count")]
            assert [name for name in _filters(found) if name in protecting] == protecting


@given(groups.groups())
@settings(max_examples=60, deadline=None)
def test_global_rules_stand_on_every_scope(documents: list[Document]) -> None:
    held = full(documents)
    rules = {d.id for d in documents if d.kind == "global_rules"}
    for entry in held.of(snapshot.ROUTES).values():
        host = route.RouteConfiguration.FromString(entry.body).virtual_hosts[0]
        chain = host.typed_per_filter_config.get("gf.global")
        names = {f.name for f in _chain(chain.value)} if chain is not None else set[str]()
        assert names == rules


def large(count: int) -> list[Document]:
    """A service with `count` routes on one host, two catch-alls and a host-less one."""
    nodes = {"nodes": [{"host": "127.0.0.1", "port": 1, "weight": 1}]}
    service = Document("services", "big", None, {"name": "big", "hosts": ["big.test"], "upstream": nodes})
    anywhere = Document("services", "any", None, {"name": "any", "upstream": nodes})
    paths = {"half": "/v1/*", "rest": "/*", **{f"r{n}": f"/v{n % 3}/res{n}/*" for n in range(count)}}
    routes = [
        Document("routes", k, "big", {"name": k, "paths": [p], "plugins": {"key-auth": {}}}) for k, p in paths.items()
    ]
    return [service, anywhere, *routes, Document("routes", "any", "any", {"name": "any", "paths": ["/any/*"]})]


@given(st.lists(st.tuples(st.integers(60, 140), st.booleans()), min_size=1, max_size=4), st.integers(60, 140))
@settings(max_examples=25, deadline=None)
def test_a_host_that_grows_and_shrinks_over_its_shards_stays_what_a_full_compile_makes_of_it(
    steps: list[tuple[int, bool]], start: int
) -> None:
    compiler, held = Compiler(), large(start)
    compiled = compiler.update(held)
    for size, priority in steps:
        wanted = [
            Document(d.kind, d.id, d.parent, {**d.body, "methods": ["GET"]} if priority and d.id == "r7" else d.body)
            for d in large(size)
        ]
        gone = {(d.kind, d.key) for d in held} - {(d.kind, d.key) for d in wanted}
        compiled, held = compiler.update(wanted, sorted(gone)), wanted
    assert compiled.snapshot == full(held)


def test_every_route_of_a_sharded_host_is_found_and_the_catch_alls_behind_them() -> None:
    held = full(large(1000))
    assert len(held.of(snapshot.ROUTES)) > 20
    for n in range(0, 1000, 7):
        assert _id(matching.route_for(held, "big.test", "GET", f"/v{n % 3}/res{n}/x")) == f"r{n}"
    wanted = {"/v1/none/x": "half", "/v1/": "half", "/v2/none": "rest", "/": "rest", "/any/x": "rest"}
    for path, name in wanted.items():
        assert _id(matching.route_for(held, "big.test", "GET", path)) == name
    assert _id(matching.route_for(held, "other.test", "GET", "/any/x")) == "any"


def _id(found: route.Route) -> str:
    """The route's own id, which stands in its name behind its service's."""
    return found.name.partition("/")[2]


def _filters(found: route.Route) -> list[str]:
    names: list[str] = []
    if "gf.route" in found.typed_per_filter_config:
        names += [f.name for f in _chain(found.typed_per_filter_config["gf.route"].value)]
    if "gf.consumer" in found.typed_per_filter_config:
        names += _behind_an_unknown_consumer(found.typed_per_filter_config["gf.consumer"].value)
    return names


def _chain(value: bytes) -> list[filter_chain.FilterChain]:
    return list(filter_chain.FilterChainConfigPerRoute.FromString(value).filter_chain.filters)  # type: ignore[arg-type]


def _behind_an_unknown_consumer(value: bytes) -> list[str]:
    from gatefleet.protos.envoy.extensions.filters.http.composite import v3 as composite  # noqa: PLC0415

    tree = composite.CompositePerRoute.FromString(value).matcher
    if not tree.HasField("on_no_match"):
        return []
    action = composite.ExecuteFilterAction.FromString(tree.on_no_match.action.typed_config.value)
    return [config.name for config in action.filter_chain.typed_config]


@given(st.floats(0, 1e9))
def test_every_number_of_seconds_becomes_a_duration_that_protobuf_allows(value: float) -> None:
    made = seconds(value)
    assert 0 <= made.nanos < 10**9
    assert abs(made.seconds + made.nanos / 1e9 - value) <= 1e-6
