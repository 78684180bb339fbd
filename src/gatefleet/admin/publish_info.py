"""Which version of a service a gateway group runs, beside the service itself (`with_publish_info=true`)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from gatefleet.admin.web import unix
from gatefleet.store import Documents
from gatefleet.store.tables import publication, service_version


async def publish_info(documents: Documents) -> Mapping[str, Mapping[str, Any]]:
    """By service: since when it is published, and its version, unless it has been edited since."""
    statement = (
        select(publication, service_version.c.version)
        .outerjoin(service_version, service_version.c.id == publication.c.version_id)
        .where(publication.c.group_id == documents.group_id)
    )
    return {
        row.service_id: {
            "published_at": unix(row.published_at),
            **({"version": row.version, "service_version_id": row.version_id} if row.version_id else {}),
        }
        for row in await documents.connection.execute(statement)
    }
