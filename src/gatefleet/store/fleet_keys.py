"""The keys that a gateway group's snapshots are signed and encrypted with: made, exchanged with overlap, ended.

A new key is told to nodes at once, signs a little later, and the old ones are accepted for some time after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import sealed
from gatefleet.errors import Conflict, NotFound
from gatefleet.sealed import SnapshotKeys
from gatefleet.store.crypto import Cipher
from gatefleet.store.fleet_tables import snapshot_key
from gatefleet.store.listen import CHANNEL
from gatefleet.store.tables import gateway_group

ANNOUNCED: Final = timedelta(seconds=60)
"""How long a new key is known to nodes before anything is signed with it."""
OVERLAP: Final = timedelta(days=30)
"""How long the key before is accepted afterwards: as long as the copies in a bucket may be of use."""
_LOCK: Final = 7_462_014
"""The advisory lock under which keys are made; the number is only ours."""
C: Final = snapshot_key.c
_VALID: Final = or_(C.ends_at.is_(None), C.ends_at > func.now())
_SIGNS: Final = C.signs_at <= func.now()
_ORDER: Final[tuple[ColumnElement[Any], ...]] = (_SIGNS.desc(), C.signs_at.desc(), C.key_id)
"""The one that signs first."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key without its secrets."""

    key_id: str
    created_at: datetime
    signs_at: datetime
    ends_at: datetime | None
    signing: bool


async def snapshot_keys(connection: AsyncConnection, cipher: Cipher, group_id: str) -> tuple[SnapshotKeys, ...]:
    """The group's valid keys, the one that signs and encrypts first; made on first use. NotFound without the group."""
    if found := await _read(connection, cipher, group_id):
        return found
    await _lock_group(connection, group_id)
    if found := await _read(connection, cipher, group_id):
        return found
    return (await _make(connection, cipher, group_id, timedelta()),)


async def rotate(
    connection: AsyncConnection, cipher: Cipher, group_id: str, announced: timedelta, overlap: timedelta
) -> str:
    """Have another key sign from `announced` from now on, and the present ones end `overlap` after that; its id.

    Nothing of either is how a key that leaked is replaced. Conflict while a key is announced that does not sign yet,
    NotFound without the group.
    """
    await _lock_group(connection, group_id)
    mine = C.group_id == group_id
    waiting = (await connection.execute(select(C.key_id, C.signs_at).where(mine, C.signs_at > func.now()))).first()
    if waiting and announced:
        raise Conflict(
            f"key [{waiting.key_id}] is announced already and signs from {waiting.signs_at:%Y-%m-%d %H:%M:%SZ} on: "
            "wait for that, or exchange the keys at once"
        )
    ends = func.now() + announced + overlap
    still = or_(C.ends_at.is_(None), C.ends_at > ends)
    await connection.execute(update(snapshot_key).where(mine, still).values(ends_at=ends))
    made = await _make(connection, cipher, group_id, announced)
    await connection.execute(select(func.pg_notify(CHANNEL, group_id)))
    return made.key_id


async def states(connection: AsyncConnection, group_id: str) -> tuple[KeyState, ...]:
    """The group's valid keys, the one that signs first."""
    query = select(snapshot_key, _SIGNS.label("may_sign")).where(C.group_id == group_id, _VALID).order_by(*_ORDER)
    rows = (await connection.execute(query)).all()
    return tuple(
        KeyState(row.key_id, row.created_at, row.signs_at, row.ends_at, signing=row.may_sign and place == 0)
        for place, row in enumerate(rows)
    )


async def valid_ids(connection: AsyncConnection) -> Mapping[str, tuple[str, ...]]:
    """Group to the ids of its valid keys, the one that signs first: what tells whether anything has to be read."""
    rows = await connection.execute(select(C.group_id, C.key_id).where(_VALID).order_by(C.group_id, *_ORDER))
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row.group_id] = (*found.get(row.group_id, ()), row.key_id)
    return found


async def forget(connection: AsyncConnection) -> int:
    """Remove keys that have ended; how many there were."""
    gone = await connection.execute(delete(snapshot_key).where(C.ends_at <= func.now()).returning(C.key_id))
    return len(gone.all())


async def _make(connection: AsyncConnection, cipher: Cipher, group_id: str, announced: timedelta) -> SnapshotKeys:
    made = sealed.new_snapshot_keys()
    place = _place(group_id, made.key_id)
    await connection.execute(
        insert(snapshot_key).values(
            group_id=group_id,
            key_id=made.key_id,
            sealed_seal=cipher.seal(made.seal.hex(), place + "/seal"),
            sealed_copy=cipher.seal(made.copy.hex(), place + "/copy"),
            signs_at=func.now() + announced,
        )
    )
    return made


async def _read(connection: AsyncConnection, cipher: Cipher, group_id: str) -> tuple[SnapshotKeys, ...]:
    query = select(snapshot_key).where(and_(C.group_id == group_id, _VALID)).order_by(*_ORDER)
    return tuple(_opened(cipher, row) for row in (await connection.execute(query)).all())


def _opened(cipher: Cipher, row: Row[Any]) -> SnapshotKeys:
    place = _place(row.group_id, row.key_id)
    seal, copy = (cipher.open(row.sealed_seal, place + "/seal"), cipher.open(row.sealed_copy, place + "/copy"))
    return SnapshotKeys(row.key_id, bytes.fromhex(seal), bytes.fromhex(copy))


def _place(group_id: str, key_id: str) -> str:
    return f"fleet/snapshot_key/{group_id}/{key_id}"


async def _lock_group(connection: AsyncConnection, group_id: str) -> None:
    """Make keys alone. NotFound without the group."""
    found = await connection.execute(select(gateway_group.c.id).where(gateway_group.c.id == group_id))
    if found.one_or_none() is None:
        raise NotFound(f"gateway group [{group_id}] not found")
    await connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
