"""Laws of rings: main never serves anything of one, its members serve the group with the ring laid over it."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet.compile.compiler import Compiler
from gatefleet.compile.variants import Variants
from gatefleet.resources import Document
from gatefleet.resources.rings import Key, Overlay
from gatefleet.snapshot import Snapshot
from tests.compile import groups

Held = dict[Key, Document]


@dataclass(frozen=True)
class Step:
    """A change, the ring that runs with it, and what the group holds then."""

    upserts: list[Document]
    deletes: list[Key]
    overlay: Overlay | None
    held: Held


def key_of(document: Document) -> Key:
    return document.kind, document.key


def service_of(document: Document) -> str | None:
    return document.id if document.kind == "services" else document.parent if document.kind == "routes" else None


def full(documents: Held) -> Snapshot:
    return Compiler().update(documents.values()).snapshot


@st.composite
def overlays(draw: st.DrawFn, held: Held) -> Overlay:
    """Another form of some services with other routes, as a publication would bring it."""
    services = draw(st.lists(groups.services(), min_size=1, max_size=2, unique_by=lambda d: d.id))
    ids = {service.id for service in services}
    present = [document for document in held.values() if service_of(document) in ids]
    drawn = draw(st.lists(groups.routes(), max_size=4, unique_by=lambda d: d.id))
    taken = {d.key for d in held.values() if d.kind == "routes" and d not in present}
    routes = [route for route in drawn if route.parent in ids and route.key not in taken]
    gone = [key_of(d) for d in present if d.kind == "routes" and d.key not in {r.key for r in routes}]
    return Overlay(
        (*services, *routes), tuple(gone), tuple(present), draw(st.sampled_from([{}, {"prefer_name": True}]))
    )


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    """Changes of a group while rings come and go; a ring's services are left alone meanwhile."""
    held: Held = {}
    steps: list[Step] = []

    def step(upserts: list[Document], deletes: list[Key], overlay: Overlay | None) -> None:
        nonlocal held
        held = {k: d for k, d in held.items() if k not in deletes} | {key_of(d): d for d in upserts}
        steps.append(Step(upserts, deletes, overlay, held))

    step(groups.unique(draw(st.lists(groups.documents(), min_size=4, max_size=12))), [], None)
    for _ in range(draw(st.integers(1, 2))):
        overlay = draw(overlays(held))
        for _ in range(draw(st.integers(1, 3))):
            step(*draw(changes(held, {d.id for d in overlay.upserts if d.kind == "services"})), overlay)
        promoted = draw(st.booleans())
        step(list(overlay.upserts) if promoted else [], list(overlay.deletes) if promoted else [], None)
    return steps


@st.composite
def changes(draw: st.DrawFn, held: Held, ringed: set[str]) -> tuple[list[Document], list[Key]]:
    """A change of a group that leaves some services alone."""
    free = {key for key, document in held.items() if service_of(document) not in ringed}
    drawn = groups.unique(draw(st.lists(groups.documents(), max_size=4)))
    upserts = [d for d in drawn if service_of(d) not in ringed and (key_of(d) in free or key_of(d) not in held)]
    gone = sorted(free - {key_of(d) for d in upserts})
    return upserts, draw(st.lists(st.sampled_from(gone), max_size=2, unique=True)) if gone else []


@given(lives())
@settings(max_examples=60, deadline=None)
def test_main_is_the_group_and_the_ring_is_the_group_with_the_overlay(
    life: list[Step],
) -> None:
    variants = Variants()
    for step in life:
        overlay, held = step.overlay, step.held
        made = variants.update(step.upserts, step.deletes, overlay)
        assert not made.main.problems
        if overlay is None:
            assert made.ring is None
            assert made.main.snapshot == full(held)
            continue
        own = {d.id for d in overlay.present if d.kind == "services"}
        counted = {k: overlay.counted(d) if d.id in own else d for k, d in held.items()}
        assert made.main.snapshot == full(counted)
        laid = {key_of(d): overlay.counted(d) for d in overlay.upserts}
        rest = {k: d for k, d in held.items() if k not in overlay.touched}
        assert made.ring
        assert made.ring.snapshot == full(rest | laid)


@given(groups.groups().flatmap(lambda documents: overlays({key_of(d): d for d in documents})))
@settings(max_examples=50, deadline=None)
def test_an_overlay_is_stored_as_it_was(overlay: Overlay) -> None:
    assert Overlay.from_json(overlay.to_json()) == overlay
