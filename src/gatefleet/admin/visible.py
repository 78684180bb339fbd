"""Lists that hold only what their caller may read: every item is asked of the caller's policies by itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from fastapi import Request

from gatefleet.admin.certificates import narrowed
from gatefleet.admin.grants import Grants, Labels, Subject, group_labels, labels_of, service_labels
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.query import page_of
from gatefleet.store import Documents, Query, Stored

T = TypeVar("T")


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


async def readable_page(
    documents: Documents, kind: str, request: Request, query: Query
) -> tuple[Sequence[Stored], int]:
    """A page of what the caller may read of a group's documents of this kind, and how many there are in all."""
    if not limited(request):
        return await narrowed(documents, kind, request, query)
    found, _ = await narrowed(documents, kind, request, whole(query))
    labels = {"gateway_group_label": (await group_labels(documents.connection)).get(documents.group_id, {})}
    services = await service_labels(documents.connection, documents.group_id)
    readable = permitted(request, found, lambda stored: [_subject(stored, documents.group_id, labels, services)])
    return page_of(readable, query), len(readable)


def whole(query: Query) -> Query:
    """The same, on one page."""
    return replace(query, page=1, page_size=None)


def _held(request: Request) -> Grants | None:
    return getattr(request.state, "held", None)


def _subject(stored: Stored, group: str, labels: Mapping[str, Labels], services: Mapping[str, Labels]) -> Subject:
    document = stored.document
    if document.kind == "consumers":
        return Subject(group, id=document.id, labels={**labels, "consumer_label": labels_of(document.body)})
    service = document.id if document.kind == "services" else str(document.parent)
    return Subject(group, service, id=document.id, labels={**labels, "service_label": services.get(service, {})})
