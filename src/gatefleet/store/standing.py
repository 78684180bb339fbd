"""What stands in a request's way as of a revision: the documents whose plugins it meets."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.compile.way import Standing
from gatefleet.resources import Document
from gatefleet.store import rings
from gatefleet.store.crypto import Cipher
from gatefleet.store.documents import opened
from gatefleet.store.tables import gateway_group, resource_history

H = resource_history.c
Key = tuple[str, str]


async def standing(
    connection: AsyncConnection, cipher: Cipher, instance: tuple[str, str], revision: int, place: tuple[str, str, str]
) -> Standing:
    """What a request met on an instance (group, id) that served this revision.

    `place`: the ids of its service, its route and its consumer, each empty if there is none. What a ring tries there
    counts; a document that is not kept is left out.
    """
    group_id, instance_id = instance
    service, route, consumer = (
        (kind, key) for kind, key in zip(("services", "routes", "consumers"), place, strict=True)
    )
    rows = await _rows(connection, group_id, revision, (service, route))
    found = {(row.kind, row.key): opened(cipher, row) for row in rows if row.kind != "consumers" or row.key == place[2]}
    found |= await _of_ring(connection, cipher, group_id, instance_id, (service, route))
    own: list[Mapping[str, Any]] = [row.body.get("plugins") or {} for row in rows if row.kind == "consumers"]
    return Standing(
        global_rules=tuple(document for (kind, _), document in sorted(found.items()) if kind == "global_rules"),
        service=found.get(service),
        route=found.get(route),
        consumer=found.get(consumer),
        replaced=frozenset(name for plugins in own for name in plugins),
    )


async def _rows(connection: AsyncConnection, group_id: str, revision: int, named: Sequence[Key]) -> Sequence[Any]:
    """The newest form up to the revision of all global rules and consumers, and of those that are named."""
    wanted = or_(H.kind.in_(("global_rules", "consumers")), *(and_(H.kind == k, H.key == key) for k, key in named))
    newest = (
        select(resource_history)
        .where(H.group_id == group_id, H.revision <= revision, wanted)
        .order_by(H.kind, H.key, H.revision.desc())
        .ext(distinct_on(H.kind, H.key))
        .subquery()
    )
    plain = or_(newest.c.kind != "consumers", newest.c.body.has_key("plugins"))
    return (await connection.execute(select(newest).where(newest.c.body.is_not(None), plain))).all()


async def _of_ring(
    connection: AsyncConnection, cipher: Cipher, group_id: str, instance_id: str, named: Sequence[Key]
) -> Mapping[Key, Document]:
    """The documents of a running ring among those that are named, if the instance is a member."""
    ring_id = await connection.scalar(select(gateway_group.c.ring_id).where(gateway_group.c.id == group_id))
    if ring_id is None or instance_id not in (await rings.find(connection, ring_id)).members:
        return {}
    overlay = await rings.overlay(connection, cipher, ring_id)
    return {(d.kind, d.key): overlay.counted(d) for d in overlay.upserts if (d.kind, d.key) in named}
