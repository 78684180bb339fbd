"""Random gateway groups: few names, so that hosts, paths and references collide as they do in real life."""

from typing import Any

from hypothesis import strategies as st

from gatefleet.resources import Document

HOSTS = ("a.test", "b.test", "x.wild.test", "*.wild.test", "*.test")
PATHS = ("/", "/a", "/a/b", "/a/*", "/a*", "/*", "/u/:id", "/u/:id/posts", "/u/*", "/a/b/c/d/e")
REQUEST_PATHS = ("/", "/a", "/ab", "/a/b", "/a/b/c/d/e", "/u/7", "/u/7/posts", "/u/7/x", "/zzz")
REQUEST_HOSTS = ("a.test", "b.test", "x.wild.test", "y.wild.test", "z.y.wild.test", "c.test", "unknown.example")
METHODS = ("GET", "POST", "DELETE")
PLUGINS: tuple[dict[str, Any], ...] = (
    {},
    {"key-auth": {}},
    {"limit-count": {"count": 2, "time_window": 60}},
    {"key-auth": {}, "proxy-rewrite": {"uri": "/new"}},
    {"ip-restriction": {"blacklist": ["10.0.0.0/8"]}},
    {"cors": {}},
    {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream": {"nodes": {"127.0.0.1:7": 1}}}, {}]}]}},
)

names = st.sampled_from([f"n{n}" for n in range(4)])
plugins = st.sampled_from(PLUGINS)
nodes = st.lists(
    st.fixed_dictionaries({"host": st.just("127.0.0.1"), "port": st.integers(1, 9), "weight": st.integers(0, 3)}),
    max_size=3,
)


def services() -> st.SearchStrategy[Document]:
    body = st.fixed_dictionaries(
        {"name": names, "upstream": st.fixed_dictionaries({"nodes": nodes}), "plugins": plugins},
        optional={
            "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
            "path_prefix": st.sampled_from(["/", "/a"]),
            "status": st.sampled_from([1, 1, 1, 0]),
        },
    )
    return st.builds(lambda n, b: Document("services", n, None, b), names, body)


def routes() -> st.SearchStrategy[Document]:
    body = st.fixed_dictionaries(
        {
            "name": names,
            "paths": st.lists(st.sampled_from(PATHS), min_size=1, max_size=2, unique=True),
            "plugins": plugins,
        },
        optional={
            "methods": st.lists(st.sampled_from(METHODS), min_size=1, max_size=2, unique=True),
            "priority": st.integers(-1, 1),
            "upstream": st.fixed_dictionaries({"nodes": nodes}),
            "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
        },
    )
    ids = st.sampled_from([f"r{n}" for n in range(8)])
    return st.builds(lambda i, s, b: Document("routes", i, s, b), ids, names, body)


def consumers() -> st.SearchStrategy[Document]:
    body = st.builds(lambda p: {"plugins": p}, st.sampled_from([{}, {"limit-count": {"count": 9, "time_window": 9}}]))
    return st.builds(lambda n, b: Document("consumers", n, None, b), names, body)


def credentials() -> st.SearchStrategy[Document]:
    return st.builds(
        lambda n, key: Document("credentials", f"c-{n}", n, {"plugins": {"key-auth": {"key": f"key-{n}-{key}"}}}),
        names,
        st.integers(0, 2),
    )


def global_rules() -> st.SearchStrategy[Document]:
    rules = {"prometheus": {}, "key-auth": {}, "ip-restriction": {"blacklist": ["10.0.0.0/8"]}}
    return st.sampled_from([Document("global_rules", n, None, {"plugins": {n: conf}}) for n, conf in rules.items()])


def documents() -> st.SearchStrategy[Document]:
    """Any document of a group."""
    return st.one_of(services(), routes(), routes(), routes(), consumers(), credentials(), global_rules())


def unique(found: list[Document]) -> list[Document]:
    """One document per key; the last one wins."""
    return list({(d.kind, d.key): d for d in found}.values())


def groups() -> st.SearchStrategy[list[Document]]:
    """A group's documents, each key once."""
    return st.lists(documents(), max_size=14).map(unique)
