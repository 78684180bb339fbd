"""Data keys: read, exchanged while everything runs, and put under another master key.

Secrets are encrypted with data keys, and these with the master key, which the database never sees (envelope
encryption). A new data key is announced a while before it is used, so that every process knows it by then; old ones
stay, to read what is written with them. While one master key takes another's place, data keys are kept under both.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict
from gatefleet.store.crypto import Cipher, new_key, unwrap, wrap
from gatefleet.store.migrate import LOCK
from gatefleet.store.tables import data_key, data_key_copy

POLL_SECONDS: Final = 10.0
"""How often every process looks for new keys."""
ANNOUNCED: Final = timedelta(seconds=60)
"""How long every process has to learn of a key before it is used."""
PURPOSES: Final = ("seal", "index")


async def load(connection: AsyncConnection, master: bytes) -> Cipher:
    """The database's keys, made when there are none yet; WrongKey if the master key opens none of them."""
    await connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
    if not (await connection.execute(select(data_key.c.id).limit(1))).all():
        for purpose in PURPOSES:
            await connection.execute(insert(data_key).values(purpose=purpose, wrapped=wrap(master, new_key(), purpose)))
    return await read(connection, master)


async def read(connection: AsyncConnection, master: bytes) -> Cipher:
    """The database's keys as they are now."""
    active = (data_key.c.active_at <= func.now()).label("active")
    rows = (await connection.execute(select(data_key, active).order_by(data_key.c.active_at, data_key.c.id))).all()
    copies = await _copies(connection, master)
    keys = {row.id: _opened(master, row, copies) for row in rows}
    sealing = [row.id for row in rows if row.purpose == "seal" and row.active]
    index = next(row.id for row in rows if row.purpose == "index")
    return Cipher({row.id: keys[row.id] for row in rows if row.purpose == "seal"}, keys[index], sealing[-1])


async def announce(connection: AsyncConnection, master: bytes, until_active: timedelta = ANNOUNCED) -> int:
    """A new key that secrets will be encrypted with after a while; its number."""
    await read(connection, master)
    if (await connection.execute(select(data_key_copy.c.key_id).limit(1))).all():
        raise Conflict("another master key is taking this one's place: finish that first with `gatefleet keys retire`")
    values = {"purpose": "seal", "wrapped": wrap(master, new_key(), "seal"), "active_at": func.now() + until_active}
    return (await connection.execute(insert(data_key).values(values).returning(data_key.c.id))).scalar_one()


async def share(connection: AsyncConnection, master: bytes, other: bytes) -> int:
    """Keep every key under another master key as well; how many there are."""
    copies = await _copies(connection, master)
    rows = (await connection.execute(select(data_key).with_for_update())).all()
    for row in rows:
        key = _opened(master, row, copies)
        values = {"key_id": row.id, "master": fingerprint(other), "wrapped": wrap(other, key, row.purpose)}
        await connection.execute(upsert(data_key_copy).values(values).on_conflict_do_nothing())
    return len(rows)


async def retire(connection: AsyncConnection, master: bytes) -> int:
    """Keep every key under this master key only; how many there are."""
    copies = await _copies(connection, master)
    rows = (await connection.execute(select(data_key).with_for_update())).all()
    for row in rows:
        wrapped = wrap(master, _opened(master, row, copies), row.purpose)
        await connection.execute(update(data_key).where(data_key.c.id == row.id).values(wrapped=wrapped))
    await connection.execute(delete(data_key_copy))
    return len(rows)


def fingerprint(master: bytes) -> str:
    """What a master key is known by in the database; of 256 random bits it tells nothing."""
    return hashlib.sha256(b"gatefleet master key:" + master).hexdigest()[:32]


async def _copies(connection: AsyncConnection, master: bytes) -> Mapping[int, bytes]:
    mine = select(data_key_copy).where(data_key_copy.c.master == fingerprint(master))
    return {row.key_id: row.wrapped for row in await connection.execute(mine)}


def _opened(master: bytes, row: Row[Any], copies: Mapping[int, bytes]) -> bytes:
    """A key in clear, from its copy for this master key if there is one."""
    return unwrap(master, copies.get(row.id, row.wrapped), row.purpose)
