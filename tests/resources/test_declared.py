"""A group's configuration as one document: what it says, what is wrong with it, and back again unchanged."""

from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import Any

import pytest
from conftest import certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet.admin.whole import plan
from gatefleet.resources import KINDS, Document, Published
from gatefleet.resources.declared import declare, misfits, read, with_stars
from gatefleet.resources.kept import readable

PAIR = certificate("a.test")
NODES = [{"host": "a.test", "port": 80, "weight": 1}]
WHOLE: dict[str, Any] = {
    "services": [
        {
            "name": "orders",
            "hosts": ["a.test"],
            "upstream": {"nodes": NODES},
            "routes": [{"name": "all", "paths": ["/*"], "plugins": {"key-auth": {}}}],
            "upstreams": [{"name": "canary", "nodes": NODES}],
        },
        {
            "id": "shop",
            "name": "Shop",
            "type": "stream",
            "upstream": {"scheme": "tcp", "nodes": NODES},
            "stream_routes": [{"name": "any", "server_port": 9000}],
        },
    ],
    "consumers": [
        {"username": "jack", "credentials": [{"name": "c", "plugins": {"key-auth": {"key": "hush"}}}]},
    ],
    "ssls": [{"snis": ["a.test", "b.test"], "cert": PAIR.certificate, "key": PAIR.key}],
    "global_rules": {"prometheus": {}},
    "plugin_metadata": {},
    "certificates": [{"id": "c", "name": "c", "cert": PAIR.certificate, "key": PAIR.key}],
    "ca_certificates": [{"name": "ca", "cert": PAIR.certificate}],
    "snis": [{"name": "www", "domain": "www.test", "certificates": ["c"]}],
    "protos": [{"id": "hello", "content": 'syntax = "proto3"; message Hello { string name = 1; }'}],
    "secret_providers": [{"id": "vault/main", "uri": "http://vault:8200", "prefix": "kv", "token": "hush-too"}],
}


def hashed(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def group(body: dict[str, Any]) -> Published:
    declared = read(body, Published())
    assert not declared.problems
    return Published.of(declared.documents.values())


def all_of(held: Published) -> list[Document]:
    return [document for kind in held.documents.values() for document in kind.values()]


def test_ids_that_are_not_given_are_those_that_api7s_declarative_client_makes() -> None:
    names = set(read(WHOLE, Published()).documents)
    assert names == {
        ("services", hashed("orders")),
        ("services", "shop"),
        ("routes", hashed("orders.all")),
        ("stream_routes", hashed("Shop.any")),
        ("upstreams", f"{hashed('orders')}/{hashed('orders.canary')}"),
        ("consumers", "jack"),
        ("credentials", f"jack/{hashed('jack.c')}"),
        ("ssls", hashed("a.test,b.test")),
        ("global_rules", "prometheus"),
        ("certificates", "c"),
        ("ca_certificates", hashed("ca")),
        ("snis", hashed("www")),
        ("protos", "hello"),
        ("secret_providers", "vault/main"),
    }


@pytest.mark.parametrize(
    ("body_of", "secrets", "keys"),
    [(with_stars, False, False), (readable, True, False), (lambda document: document.body, True, True)],
)
def test_what_a_group_holds_reads_back_unchanged_whatever_of_its_secrets_is_stars(
    body_of: Callable[[Document], Mapping[str, Any]], *, secrets: bool, keys: bool
) -> None:
    held = group(WHOLE)
    said = declare(all_of(held), body_of)
    assert set(said) == {kind.path for kind in KINDS.values() if kind.owner is None}
    assert ("hush" in str(said)) is ("hush-too" in str(said)) is secrets
    assert (PAIR.key.splitlines()[1] in str(said)) is keys
    again = read(said, held)
    assert not again.problems
    assert Published.of(again.documents.values()) == held
    assert declare(again.documents.values(), body_of) == said


def test_stars_stand_only_for_what_is_stored_in_that_place() -> None:
    said = declare(all_of(group(WHOLE)))
    problems = [str(problem) for problem in read(said, Published()).problems]
    assert any("/consumers/0/credentials/0/plugins/key-auth/key" in text and "none is" in text for text in problems)
    said["consumers"][0]["credentials"][0]["plugins"]["key-auth"]["key"] = "new"
    changed = read(said, group(WHOLE)).documents["credentials", f"jack/{hashed('jack.c')}"]
    assert changed.body["plugins"] == {"key-auth": {"key": "new"}}


def test_every_problem_is_told_at_once_and_where_it_is() -> None:
    body: dict[str, Any] = {
        "services": [
            {
                "name": "s",
                "path_prefix": 1,
                "routes": [
                    {"name": "r", "paths": ["x"], "plugins": {"limit-count": {}}},
                    {"paths": ["/"]},
                    {"id": "r r", "name": "r", "paths": ["/"]},
                    {"name": "other", "paths": ["/"], "service_id": "x"},
                    7,
                ],
                "upstreams": [{"id": hashed("s"), "name": "own"}],
            },
            {"name": "s"},
        ],
        "consumers": {},
        "global_rules": {"prometheus": 1, "limit-count": {}, "nope": {}},
        "planets": [],
    }
    pointers = {problem.pointer for problem in read(body, Published()).problems}
    assert pointers >= {
        "/services/0/path_prefix",
        "/services/0/routes/0/paths/0",
        "/services/0/routes/0/plugins/limit-count/count",
        "/services/0/routes/1/id",
        "/services/0/routes/2/id",
        "/services/0/routes/3/service_id",
        "/services/0/routes/4",
        "/services/0/upstreams/0/id",
        "/services/1",
        "/consumers",
        "/global_rules/prometheus",
        "/global_rules/limit-count/count",
        "/global_rules/nope",
        "/planets",
    }


def test_only_what_is_of_a_kind_that_is_named_can_be_gone() -> None:
    held = group(WHOLE)
    gone = read({"services": [WHOLE["services"][0] | {"routes": []}]}, held).gone(held)
    assert {(document.kind, document.id) for document in gone} == {
        ("services", "shop"),
        ("stream_routes", hashed("Shop.any")),
        ("routes", hashed("orders.all")),
    }
    assert read({}, held).gone(held) == []
    assert [document.id for document in read({"global_rules": {}}, held).gone(held)] == ["prometheus"]


def test_what_does_not_fit_together_is_told() -> None:
    body = {
        "services": [
            {
                "name": "s",
                "type": "stream",
                "routes": [{"name": "r", "paths": ["/"]}],
            },
            {"name": "t", "upstream": {"scheme": "https", "nodes": NODES, "client_certificate": "c"}},
        ]
    }
    declared = read(body, Published())
    after = Published.of(declared.documents.values())
    assert [problem.pointer for problem in misfits(declared, [], after)] == [
        "/services/0/routes/0/service_id",
        "/services/1/upstream/client_certificate",
    ]
    held = group({"services": [{"id": "s", "name": "s", "routes": [{"name": "r", "paths": ["/"]}]}]})
    declared = read({"services": [{"id": "s", "name": "s", "type": "stream"}]}, held)
    after = held.changed(declared.documents.values())
    assert [problem.pointer for problem in misfits(declared, [], after)] == ["/services/0/type"]
    user = Document("services", "u", None, {"name": "u", "upstream": {"client_certificate": "c", "nodes": NODES}})
    declared = read({"certificates": []}, Published())
    gone = [Document("certificates", "c", None, {})]
    assert "service [u] is still using it" in str(misfits(declared, gone, Published.of([user]))[0])


words = st.sampled_from(
    ["***", "a", "", "x/y", "~", "0", "a.test", "/*", "service_id", "key-auth", "limit-count", "prometheus", "\u00fc"]
)
FIELDS = (
    "id name username plugins routes upstreams credentials upstream nodes snis key hosts paths service_id type tls "
    "client_key certs keys labels client_certificate"
)
fields = st.sampled_from(FIELDS.split())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields | words, inner, max_size=4),
    max_leaves=25,
)
documents = st.dictionaries(st.sampled_from([*KINDS, "planets"]), anything | st.lists(anything, max_size=3), max_size=3)


@settings(max_examples=150, deadline=None)
@given(documents)
def test_whatever_is_sent_is_read_or_refused(body: dict[str, Any]) -> None:
    held = group(WHOLE)
    declared = read(body, held)
    gone = declared.gone(held)
    after = held.changed(declared.documents.values(), [(document.kind, document.key) for document in gone])
    for problem in [*declared.problems, *misfits(declared, gone, after)]:
        assert str(problem)
    if not declared.problems:
        plan(all_of(held), all_of(after)).plain()
