"""Laws of releases, told by what nodes would get: going back restores the very bytes; what is off is gone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatefleet import snapshot
from gatefleet.compile.compiler import Compiler
from gatefleet.compile.resolve import upstream_name
from gatefleet.resources import Document
from gatefleet.resources.publishing import content_of, publish
from gatefleet.store.releases import content_hash
from tests.compile import groups, matching

services = st.lists(groups.documents(), max_size=8).map(groups.unique)
runtimes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "hosts": st.lists(st.sampled_from(groups.HOSTS), min_size=1, max_size=2, unique=True),
        "path_prefix": st.sampled_from(["/", "/a"]),
    },
)


def below(service_id: str, documents: Sequence[Document]) -> list[Document]:
    """The routes among these, as routes of this service, under ids that no other service has."""
    kept = (document for document in documents if document.kind == "routes")
    return [replace(d, id=f"{service_id}-{d.id}", parent=service_id) for d in kept]


def apart(documents: Sequence[Document]) -> list[Document]:
    """A group whose services each have routes of their own, and are all there."""
    held = {document.id for document in documents if document.kind == "services"}
    others = [document for document in documents if document.kind != "routes"]
    return others + [d for id_ in held for d in below(id_, [r for r in documents if r.parent == id_])]


def compiled(documents: Sequence[Document]) -> bytes:
    made = Compiler().update(documents)
    assert not made.problems
    return snapshot.to_bytes(made.snapshot)


def family(service_id: str, documents: Sequence[Document]) -> list[Document]:
    return [d for d in documents if (d.kind, d.id) == ("services", service_id) or d.parent == service_id]


def released(group: list[Document], service_id: str, content: Any, runtime: dict[str, Any]) -> list[Document]:
    """The group after a publication of this service."""
    present = family(service_id, group)
    outcome = publish(service_id, content, present, runtime, {}).against(present)
    return [d for d in group if d not in present] + list(outcome.after(present))


@given(groups.groups().map(apart), groups.services(), services, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_publishing_and_rolling_back_restores_the_very_bytes(
    group: list[Document], template: Document, routes: list[Document], random: Any
) -> None:
    held = [document for document in group if document.kind == "services"]
    assume(held)
    service = random.choice(held)
    old = content_of(service.body, family(service.id, group))
    new = content_of(template.body, below(service.id, routes))
    there = released(group, service.id, new, {})
    back = released(there, service.id, old, {})
    random.shuffle(back)
    assert compiled(back) == compiled(group)


@given(groups.services(), services, groups.groups().map(apart), runtimes)
@settings(max_examples=80, deadline=None)
def test_what_was_synced_is_the_same_version(
    template: Document, routes: list[Document], group: list[Document], runtime: dict[str, Any]
) -> None:
    content = content_of(template.body, below(template.id, routes))
    there = family(template.id, released(group, template.id, content, runtime))
    service = next(document for document in there if document.kind == "services")
    assert content_hash(content_of(service.body, there)) == content_hash(content)


@given(groups.groups())
@settings(max_examples=60, deadline=None)
def test_a_service_switched_off_answers_nothing(documents: list[Document]) -> None:
    off = [replace(d, body={**d.body, "status": 0}) if d.kind == "services" else d for d in documents]
    held = Compiler().update(off).snapshot
    for host in groups.REQUEST_HOSTS:
        for path in groups.REQUEST_PATHS:
            found = matching.route_for(held, host, "GET", path)
            assert not any(found.route.cluster == upstream_name(d.id) for d in off)
