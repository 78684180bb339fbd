"""What a direct edit means for published services: the group runs no version any more, or may not be edited at all."""

from fastapi import Request

from gatefleet.admin.access import caller_of
from gatefleet.admin.web import control
from gatefleet.errors import Forbidden
from gatefleet.resources import Document, Kind
from gatefleet.resources.publishing import runs
from gatefleet.store import Documents, Query
from gatefleet.store.releases import Releases

VERSIONED = frozenset({"services", "routes"})


def guard(documents: Documents, kind: Kind) -> None:
    """Forbidden for services and routes of a group that takes them by publishing only."""
    if kind.path in VERSIONED and documents.publishing_only:
        raise Forbidden(
            f"gateway group [{documents.group_id}] takes services by publishing only: POST /api/services/publish"
        )


async def edited(documents: Documents, document: Document, request: Request) -> None:
    """After a direct write or delete: a service that no longer does what its version says has no version any more."""
    if document.kind not in VERSIONED:
        return
    service_id = document.id if document.kind == "services" else str(document.parent)
    releases = Releases(documents.connection, control(request).store.cipher)
    operator = caller_of(request).name
    published = await releases.publication(documents.group_id, service_id)
    if published is None:
        return
    service = await documents.get("services", service_id)
    if service is None:
        await releases.end_publication(documents.group_id, service_id, operator)
        return
    version = await releases.version(published.version_id) if published.version_id else None
    if version is None:
        return
    routes, _ = await documents.list("routes", Query(parent=service_id))
    bodies = {stored.document.id: stored.document.body for stored in routes}
    if not runs(version.content, service.document.body, bodies):
        await releases.clear_version(documents.group_id, service_id, operator)
