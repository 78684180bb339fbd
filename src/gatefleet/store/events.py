"""Audit rows of what Gatefleet does by itself, without anybody's request."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.store.tables import audit_log

if TYPE_CHECKING:
    from gatefleet.store.store import Author

SOURCE: Final = "system"


async def record_event(
    connection: AsyncConnection,
    author: "Author",
    event: str,
    group_id: str,
    kind: str,
    id: str,  # noqa: A002 - the contract's word
    request: Mapping[str, Any] | None = None,
) -> None:
    """Record an event within the transaction that makes it; `request` tells more of it and holds no secret."""
    await connection.execute(
        insert(audit_log).values(
            request_id=author.request_id,
            event_type=event,
            operator=author.operator,
            source=SOURCE,
            gateway_group_id=group_id,
            resource_kind=kind,
            resource_id=id,
            method="",
            path="",
            status=200,
            request=request,
        )
    )
