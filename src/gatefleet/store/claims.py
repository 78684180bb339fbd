"""What only one document of a group may hold: taken when documents are written, or refused with the holder's name."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict
from gatefleet.resources import KINDS, Document
from gatefleet.resources.secrets import CLAIMING, Claim, claims
from gatefleet.store.crypto import Cipher
from gatefleet.store.tables import claim

BATCH = 1000
Spot = tuple[str, str]


async def take(connection: AsyncConnection, cipher: Cipher, group_id: str, documents: Sequence[Document]) -> None:
    """Have these documents hold what they now name, and no more.

    What one of them held another of them may take. Conflict if it is held by a document that is not among them, or if
    two of them want it.
    """
    claiming = [document for document in documents if document.kind in CLAIMING]
    if not claiming:
        return
    for start in range(0, len(claiming), BATCH):
        batch = [(document.kind, document.key) for document in claiming[start : start + BATCH]]
        owners = tuple_(claim.c.kind, claim.c.key).in_(batch)
        await connection.execute(delete(claim).where(and_(claim.c.group_id == group_id, owners)))
    wanted = _wanted(cipher, claiming)
    spots = list(wanted)
    for start in range(0, len(spots), BATCH):
        await _insert(connection, group_id, {spot: wanted[spot] for spot in spots[start : start + BATCH]})


def _wanted(cipher: Cipher, documents: Sequence[Document]) -> dict[Spot, tuple[Claim, Document]]:
    wanted: dict[Spot, tuple[Claim, Document]] = {}
    for document in documents:
        for each in claims(document.kind, document.body):
            _, first = wanted.setdefault((each.space, cipher.token(each.space, each.text)), (each, document))
            if first is not document:
                raise _taken(each, first.kind, first.key)
    return wanted


async def _insert(connection: AsyncConnection, group_id: str, wanted: dict[Spot, tuple[Claim, Document]]) -> None:
    rows = [
        {"group_id": group_id, "space": space, "token": token, "kind": document.kind, "key": document.key}
        for (space, token), (_, document) in wanted.items()
    ]
    had = await connection.execute(
        upsert(claim).values(rows).on_conflict_do_nothing().returning(claim.c.space, claim.c.token)
    )
    missing = wanted.keys() - {(row.space, row.token) for row in had}
    if missing:
        space, token = min(missing)
        held = select(claim.c.kind, claim.c.key).where(
            claim.c.group_id == group_id, claim.c.space == space, claim.c.token == token
        )
        holder = (await connection.execute(held)).one()
        raise _taken(wanted[space, token][0], holder.kind, holder.key)


def _taken(wanted: Claim, kind: str, key: str) -> Conflict:
    return Conflict(f"{wanted.said} is already used by {KINDS[kind].singular} [{key}]")
