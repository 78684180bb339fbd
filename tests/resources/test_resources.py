"""Laws of the shapes: defaults are filled once and only once, changes add up, secrets are found wherever they stand."""

from typing import Any

import pytest
from conftest import certificate
from hypothesis import given
from hypothesis import strategies as st

from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, Document, Published, Route, Service, Upstream
from gatefleet.resources.accept import accept
from gatefleet.resources.schema import core_schemas, with_defaults
from gatefleet.resources.secrets import masked, secret_paths

ids = st.sampled_from(["a", "b", "c"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3))
bodies = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["upstream", "nodes", "timeout", "name", "priority", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
documents = st.builds(
    Document, st.just("services"), ids, st.none(), st.fixed_dictionaries({"name": st.text(max_size=3)})
)
PAIR = certificate("a.test")


@given(st.sampled_from([Service, Route, Upstream]), st.dictionaries(st.text(max_size=9), bodies))
def test_filling_defaults_twice_changes_nothing(model: type[Any], body: dict[str, Any]) -> None:
    once = with_defaults(model, body)
    assert with_defaults(model, once) == once


@given(st.dictionaries(st.sampled_from(["upstream", "name", "hosts"]), bodies))
def test_defaults_make_no_object_and_no_list(body: dict[str, Any]) -> None:
    added = with_defaults(Service, body).keys() - body.keys()
    assert added <= {"type", "status", "strip_path_prefix"}


@given(st.lists(st.one_of(documents, st.tuples(st.just("services"), ids)), max_size=12))
def test_changes_one_by_one_are_the_same_as_what_is_left(changes: list[Any]) -> None:
    group, kept = Published(), dict[str, Document]()
    for change in changes:
        before, seen = group, dict(group.all("services"))
        if isinstance(change, Document):
            group, kept[change.key] = group.changed([change]), change
        else:
            group = group.changed([], [change])
            kept.pop(change[1], None)
        assert dict(before.all("services")) == seen
    assert group.all("services") == Published.of(kept.values()).all("services") == kept


def test_every_kind_has_a_core_schema() -> None:
    schemas = core_schemas()
    assert {kind.singular for kind in KINDS.values()} | {"stream_service", "stream_route"} == set(schemas)
    assert "x-" not in str(schemas).replace("x-gf", "")


SHARED = {"count": 1, "time_window": 1, "policy": "redis", "redis_host": "redis.test", "redis_password": "p"}


@pytest.mark.parametrize(
    ("kind", "id_", "body", "paths"),
    [
        ("ssls", "s", {"snis": ["a.test"], "cert": PAIR.certificate, "key": PAIR.key}, {("key",)}),
        ("credentials", "c", {"plugins": {"key-auth": {"key": "k"}}}, {("plugins", "key-auth", "key")}),
        (
            "consumers",
            "jack",
            {
                "plugins": {
                    "basic-auth": {"username": "u", "password": "p"},
                    "limit-count": {"count": 1, "time_window": 1},
                }
            },
            {("plugins", "basic-auth", "password")},
        ),
        (
            "routes",
            "r",
            {
                "name": "r",
                "service_id": "s",
                "paths": ["/*"],
                "plugins": {"limit-count": SHARED, "workflow": {"rules": [{"actions": [["limit-count", SHARED]]}]}},
            },
            {
                ("plugins", "limit-count", "redis_password"),
                ("plugins", "workflow", "rules", 0, "actions", 0, 1, "redis_password"),
            },
        ),
        (
            "services",
            "s",
            {"name": "s", "upstream": {"tls": {"client_cert": PAIR.certificate, "client_key": PAIR.key}}},
            {("upstream", "tls", "client_key")},
        ),
    ],
)
def test_secrets_are_found(kind: str, id_: str, body: dict[str, Any], paths: set[Any]) -> None:
    accepted = accept(kind, id_, body)
    assert set(secret_paths(kind, id_, accepted)) == paths
    text = str(masked(kind, id_, accepted))
    assert "PRIVATE" not in text
    assert "***" in text
    assert "***" not in str(accepted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": certificate("b.test").key}, "does not belong"),
        ({"key": "x" * 200}, "not a valid unencrypted PEM"),
        ({"cert": "x" * 200}, "not valid PEM"),
        ({"snis": []}, "snis"),
        ({"key": None}, "every certificate needs its key"),
    ],
)
def test_a_certificate_envoy_would_stumble_over_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        accept("ssls", "s", {"snis": ["a.test"], "cert": PAIR.certificate, "key": PAIR.key, **change})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        accept("routes", "r", {"paths": [1], "plugins": {"nope": {}}, "priority": "x"})
    assert str(caught.value).count("Error at") == 5
