"""Lists that hold only what their caller may read: every item is asked of the caller's policies by itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from fastapi import Request

from gatefleet.admin.certificates import narrowed
from gatefleet.admin.grants import Grants, Labels, Subject, group_labels, labels_of, service_labels
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.query import page_of
from gatefleet.resources import KINDS, Document
from gatefleet.store import Documents, Query, Stored

T = TypeVar("T")
FILTERED: Final = frozenset({"services", "routes", "stream_routes", "consumers"})
"""Kinds of whose lists callers see what they may read; of others it is all or nothing."""
REVEAL: Final = PERMISSIONS["RevealSecrets"].action
"""What lets somebody read secrets in clear where he may read what they belong to."""


def limited(request: Request) -> bool:
    """Whether the caller's policies have to be asked: administrators and the key of a group see everything."""
    return _held(request) is not None


def permitted(request: Request, items: Sequence[T], subjects: Callable[[T], Iterable[Subject]]) -> Sequence[T]:
    """The items of which the caller may read every subject.

    Forbidden if there is none and the caller may not read the list as such: so nobody takes "not yours" for "empty".
    """
    if (held := _held(request)) is None:
        return items
    needed = PERMISSIONS[request.state.action]
    kept = [item for item in items if all(held.decide(one.asked(needed)).allowed for one in subjects(item))]
    if kept:
        request.state.refusal = None
    return kept


def reveals(request: Request, subjects: Iterable[Subject] | None = None) -> bool:
    """Whether the caller may read the secrets of all of these; by default, of what the request is about."""
    if (held := _held(request)) is None:
        return True
    needed = replace(PERMISSIONS[request.state.action], action=REVEAL)
    about = request.state.subjects if subjects is None else subjects
    return all(held.decide(one.asked(needed)).allowed for one in about)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list, how many there are on all pages, and the items whose secrets the caller may read."""

    items: Sequence[T]
    total: int
    clear: Sequence[bool] = field(default_factory=list[bool])


async def readable_page(documents: Documents, kind: str, request: Request, query: Query) -> Page[Stored]:
    """A page of what the caller may read of a group's documents of this kind."""
    if not limited(request):
        found, total = await narrowed(documents, kind, request, query)
        return Page(found, total, [True] * len(found))
    found, _ = await narrowed(documents, kind, request, whole(query))
    labels = {"gateway_group_label": (await group_labels(documents.connection)).get(documents.group_id, {})}
    services = await service_labels(documents.connection, documents.group_id)

    def subjects(stored: Stored) -> Iterable[Subject]:
        yield subject_of(stored.document, documents.group_id, labels, services)

    readable = permitted(request, found, subjects) if kind in FILTERED else found
    items = page_of(readable, query)
    return Page(items, len(readable), [reveals(request, subjects(stored)) for stored in items])


def whole(query: Query) -> Query:
    """The same, on one page."""
    return replace(query, page=1, page_size=None)


def subject_of(document: Document, group: str, labels: Mapping[str, Labels], services: Mapping[str, Labels]) -> Subject:
    """What a document of a group is to policies; of its body only the labels count.

    `labels`: those of the group by the condition's name; `services`: those of the group's services by id.
    """
    owner = KINDS[document.kind].owner
    if document.kind == "consumers":
        return Subject(group, id=document.id, labels={**labels, "consumer_label": labels_of(document.body)})
    if document.kind != "services" and (owner is None or owner.kind != "services"):
        return Subject(group, id=document.parent or document.id, labels=labels)
    service = document.id if document.kind == "services" else str(document.parent)
    return Subject(group, service, id=document.id, labels={**labels, "service_label": services.get(service, {})})


def _held(request: Request) -> Grants | None:
    return getattr(request.state, "held", None)
