"""The certificate authorities: one of our own, or those the operator gives. The newest issues, all are trusted.

Nodes insist on the authorities they know, so DP Managers go on showing a certificate of the one before until every
node has renewed its own, and with it has heard of the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet import pki
from gatefleet.pki import Pair
from gatefleet.store.crypto import Cipher
from gatefleet.store.fleet_tables import certificate_authority

OVERLAP: Final = pki.CLIENT_LIFE
"""How long after its arrival an authority is not yet what nodes must know."""
_LOCK: Final = 7_462_014
"""The advisory lock under which keys are made; the number is only ours."""
_PLACE: Final = "fleet/ca"
C: Final = certificate_authority.c


@dataclass(frozen=True, slots=True)
class Authorities:
    """Those that are trusted, the newest first."""

    trusted: tuple[Pair, ...]
    serving: Pair
    """The one whose certificate DP Managers show and join tokens name."""

    @property
    def issuing(self) -> Pair:
        """The one that signs the nodes' certificates."""
        return self.trusted[0]

    @property
    def certificates(self) -> str:
        """All of them (PEM), the one that serves first."""
        others = [pair.certificate for pair in self.trusted if pair != self.serving]
        return "".join((self.serving.certificate, *others))


async def authorities(connection: AsyncConnection, cipher: Cipher) -> Authorities:
    """All that are trusted; one of our own is made if there is none. Several starters at once get the same one."""
    if found := await _rows(connection):
        return _opened(cipher, found)
    await _lock(connection)
    if not (found := await _rows(connection)):
        await _add(connection, cipher, pki.create_ca(datetime.now(UTC)))
        found = await _rows(connection)
    return _opened(cipher, found)


async def give(connection: AsyncConnection, cipher: Cipher, given: Pair) -> bool:
    """Have this authority issue from now on; whether that is news. Invalid unless it can.

    A certificate for the key of the present one takes its place.
    """
    pki.check_ca(given)
    await _lock(connection)
    rows = await _rows(connection)
    newest = rows[0] if rows else None
    if newest and newest.certificate == given.certificate:
        return False
    if newest and pki.fingerprint(newest.certificate) == pki.fingerprint(given.certificate):
        change = update(certificate_authority).where(C.id == newest.id).values(certificate=given.certificate)
        await connection.execute(change)
    else:
        await _add(connection, cipher, given)
    return True


async def _add(connection: AsyncConnection, cipher: Cipher, pair: Pair) -> None:
    values = {"certificate": pair.certificate, "sealed_key": cipher.seal(pair.key, _PLACE)}
    await connection.execute(insert(certificate_authority).values(values))


async def _rows(connection: AsyncConnection) -> Sequence[Row[Any]]:
    settled = (C.created_at <= func.now() - OVERLAP).label("settled")
    return (await connection.execute(select(certificate_authority, settled).order_by(C.id.desc()))).all()


def _opened(cipher: Cipher, rows: Sequence[Row[Any]]) -> Authorities:
    """Of several the newest that has been there for long enough serves, else the oldest; what expired is left out."""
    now = datetime.now(UTC)
    alive = [row for row in rows if pki.expiry(row.certificate) > now] or rows[:1]
    serving = next((row for row in alive if row.settled), alive[-1])
    pairs = {row.id: Pair(row.certificate, cipher.open(row.sealed_key, _PLACE)) for row in alive}
    return Authorities(tuple(pairs.values()), pairs[serving.id])


async def _lock(connection: AsyncConnection) -> None:
    await connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
