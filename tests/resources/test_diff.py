"""Laws of the difference between two states of a group."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from gatefleet.resources import Document
from gatefleet.resources.diff import ABSENT, Change, FieldChange, diff, sentences
from tests.compile.groups import groups

OWN = {"routes": "service_id", "consumers": "username"}


def whole(group: list[Document]) -> list[Document]:
    """The documents with what only the Admin API needs in them."""
    named = {"routes": "parent", "consumers": "id"}
    return [replace(d, body={**d.body, OWN[d.kind]: getattr(d, named[d.kind])}) if d.kind in OWN else d for d in group]


states = groups().map(whole)


@given(states)
def test_nothing_changed_is_no_difference(group: list[Document]) -> None:
    assert diff(group, group) == ()


@given(states, states, st.randoms(use_true_random=False))
def test_the_order_of_the_documents_is_no_difference(one: list[Document], other: list[Document], random: Any) -> None:
    expected = diff(one, other)
    for group in (one, other):
        random.shuffle(group)
    assert diff(one, other) == expected
    assert sentences(diff(one, other)) == sentences(expected)


@given(states, states)
def test_a_difference_applied_to_the_one_gives_the_other(one: list[Document], other: list[Document]) -> None:
    """Credentials are left out: a difference tells no secrets."""
    before, after = ([document for document in group if document.kind != "credentials"] for group in (one, other))
    assert applied(before, diff(before, after)) == {(d.kind, d.key): sorted_nodes(d.body) for d in after}


@given(states, states)
def test_no_difference_tells_a_secret(one: list[Document], other: list[Document]) -> None:
    changes = diff(one, other)
    assert "key-n" not in str([change.plain() for change in changes]) + str(sentences(changes)) + repr(changes)


def applied(before: list[Document], changes: Sequence[Change]) -> dict[tuple[str, str], Any]:
    bodies = {(document.kind, document.key): dict(document.body) for document in before}
    for change in changes:
        key = (change.kind, Document(change.kind, change.id, change.parent, {}).key)
        if change.action == "removed":
            del bodies[key]
            continue
        body = bodies.setdefault(key, {})
        for field in change.fields:
            body = with_field(body, field.path.replace("~1", "\0").split("/")[1:], field)
        bodies[key] = body
    return {key: sorted_nodes(body) for key, body in bodies.items()}


def with_field(node: Any, path: list[str], field: FieldChange) -> Any:
    if not path:
        return node if is_order(field.after) else field.after
    name = path[0].replace("\0", "/").replace("~0", "~")
    if isinstance(node, list):
        named = {f"{item['host']}:{item['port']}": item for item in cast("list[Any]", node)}
        return list(with_field(named, path, field).values())
    out = {key: part for key, part in node.items() if key != name}
    made = with_field(node.get(name), path[1:], field)
    return out if made is ABSENT else {**out, name: made}


def is_order(value: Any) -> bool:
    return isinstance(value, list) and any(str(item).startswith("127.0.0.1:") for item in cast("list[Any]", value))


def sorted_nodes(body: Any) -> Any:
    """The order of nodes is told apart from what they are."""
    upstream = body.get("upstream")
    if not upstream or "nodes" not in upstream:
        return body
    nodes = sorted(upstream["nodes"], key=lambda node: (node["port"], node["weight"]))
    return {**body, "upstream": {**upstream, "nodes": nodes}}
