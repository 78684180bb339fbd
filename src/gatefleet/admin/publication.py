"""What a direct edit means for published services: the group runs no version any more, or may not be edited at all."""

from typing import Final

from fastapi import Request

from gatefleet.admin.access import caller_of
from gatefleet.admin.release import revision_of
from gatefleet.admin.web import control
from gatefleet.errors import Invalid
from gatefleet.resources import Document
from gatefleet.resources.diff import same
from gatefleet.resources.publishing import ALWAYS_EDITABLE, ROUTE_KINDS, still
from gatefleet.store import Documents
from gatefleet.store.releases import Deed, Releases

VERSIONED: Final = frozenset({"services", *ROUTE_KINDS})


async def guard(documents: Documents, document: Document, *, gone: bool = False) -> None:
    """Invalid for what only publishing may change in this group, and how it would be published.

    A service's runtime configuration, name, labels and description may always be edited.
    """
    if document.kind not in VERSIONED or not documents.restricted:
        return
    held = await documents.get(document.kind, document.key)
    if not gone and held and same(_versioned(held.document), _versioned(document)):
        return
    why = f" (approval rule [{documents.publishing_rule}])" if documents.publishing_rule else ""
    raise Invalid(
        f"gateway group [{documents.group_id}] takes services by publishing only{why}: change the template and "
        "POST /api/services/publish; hosts, path_prefix, upstream, status, name, labels and desc can be edited here"
    )


async def edited(documents: Documents, document: Document, request: Request) -> None:
    """After a direct write or delete: a service that no longer does what its version says has no version any more."""
    if document.kind not in VERSIONED:
        return
    service_id = document.id if document.kind == "services" else str(document.parent)
    releases = Releases(documents.connection, control(request).store.cipher)
    published = await releases.publication(documents.group_id, service_id)
    if published is None:
        return
    service = await documents.get("services", service_id)
    operator, revision = caller_of(request).name, revision_of(documents)
    if service is None:
        await releases.end_publication(documents.group_id, service_id, Deed("offline", operator, revision))
    elif published.version_id and not await _still(documents, releases, published.version_id, document):
        await releases.clear_version(documents.group_id, service_id, Deed("edit", operator, revision))


async def _still(documents: Documents, releases: Releases, version_id: str, document: Document) -> bool:
    """Whether the service still runs the version it ran before this document was written or deleted."""
    found = await documents.get(document.kind, document.key)
    held = found.document if found and found.document.parent == document.parent else None
    part = await releases.part(version_id, document.kind, document.id)
    return still(held, part) if held and part is not None else held is None and part is None


def _versioned(document: Document) -> Document:
    """The part of a service that only a version may change; all of a route."""
    if document.kind != "services":
        return document
    body = {key: part for key, part in document.body.items() if key not in ALWAYS_EDITABLE}
    return Document(document.kind, document.id, document.parent, body)
