"""Who was let into a gateway group and with what, and shutting out: join tokens, certificates, nodes.

Every function works within the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import pki
from gatefleet.errors import NotFound
from gatefleet.store.fleet_tables import client_certificate, instance, join_token

T: Final = join_token.c
C: Final = client_certificate.c
I: Final = instance.c  # noqa: E741 - as R, H and K elsewhere: the table's columns


@dataclass(frozen=True, slots=True)
class Token:
    """A join token without its secret."""

    id: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate that has not expired."""

    serial: str
    instance_id: str
    """Empty for one handed out as a file, which many nodes may use."""
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    origin: str
    """What its node joined with: `token/<id>` or `certificate/<serial>`; empty when that is not known."""


@dataclass(frozen=True, slots=True)
class ShutOut:
    """What shutting out a node came to."""

    revoked: Sequence[str]
    """Serial numbers of its certificates, which are of no use any more."""
    open: Sequence[str]
    """What would still let it in again, as `Certificate.origin`."""


async def tokens(connection: AsyncConnection, group_id: str) -> Sequence[Token]:
    """The group's join tokens, newest first."""
    query = select(join_token).where(T.group_id == group_id).order_by(T.created_at.desc(), T.id)
    return [Token(row.id, row.created_at, row.last_used_at) for row in await connection.execute(query)]


async def withdraw(connection: AsyncConnection, group_id: str, token_id: str) -> None:
    """Admit nobody with this token any more. NotFound if the group has no such token."""
    gone = delete(join_token).where(T.group_id == group_id, T.id == token_id).returning(T.id)
    if (await connection.execute(gone)).one_or_none() is None:
        raise NotFound(f"join token [{token_id}] not found")


async def certificates(connection: AsyncConnection, group_id: str) -> Sequence[Certificate]:
    """The group's certificates that have not expired, newest first."""
    query = select(client_certificate).where(C.group_id == group_id, C.expires_at > func.now())
    rows = await connection.execute(query.order_by(C.created_at.desc(), C.serial))
    return [
        Certificate(
            serial=row.serial,
            instance_id="" if row.instance_id.startswith(pki.SHARED) else row.instance_id,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            origin=row.origin,
        )
        for row in rows
    ]


async def revoke(connection: AsyncConnection, group_id: str, serial: str) -> None:
    """Put one certificate on the revocation list. NotFound if it was not issued for this group."""
    found = await connection.execute(
        update(client_certificate)
        .where(C.group_id == group_id, C.serial == serial)
        .values(revoked_at=func.coalesce(C.revoked_at, func.now()))
        .returning(C.serial)
    )
    if found.one_or_none() is None:
        raise NotFound(f"client certificate [{serial}] not found")


async def shut_out(connection: AsyncConnection, group_id: str, instance_id: str) -> ShutOut:
    """Revoke all certificates of a node. NotFound if the group knows no such node and issued none for it."""
    mine = (C.group_id == group_id) & (C.instance_id == instance_id) & (C.expires_at > func.now())
    rows = (
        await connection.execute(
            update(client_certificate)
            .where(mine)
            .values(revoked_at=func.coalesce(C.revoked_at, func.now()))
            .returning(C.serial, C.origin)
        )
    ).all()
    known = select(I.id).where(I.group_id == group_id, I.id == instance_id)
    if not rows and (await connection.execute(known)).one_or_none() is None:
        raise NotFound(f"instance [{instance_id}] not found")
    origins = {row.origin for row in rows if row.origin}
    ways = {f"token/{token.id}" for token in await tokens(connection, group_id)}
    ways |= {f"certificate/{one.serial}" for one in await certificates(connection, group_id) if not one.revoked_at}
    return ShutOut(sorted(row.serial for row in rows), sorted(origins & ways))


async def remove(connection: AsyncConnection, group_id: str, instance_id: str) -> ShutOut:
    """Take a node off the list and shut it out. NotFound as `shut_out`."""
    done = await shut_out(connection, group_id, instance_id)
    await connection.execute(delete(instance).where(I.group_id == group_id, I.id == instance_id))
    return done
