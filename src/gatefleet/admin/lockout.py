"""Guessing passwords gets slower with every wrong one, on every replica, whether the user exists or not."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.web import Control
from gatefleet.errors import TooMany
from gatefleet.store.tables import login_failure

FREE_HERE: Final = 5
"""Wrong passwords from one address that cost nothing but the time to verify them."""
FREE_ANYWHERE: Final = 50
"""The same from all addresses together, so that many of them do not help."""
LONGEST: Final = timedelta(minutes=15)
F: Final = login_failure.c


async def check(state: Control, username: str, address: str) -> None:
    """TooMany, with the seconds to wait, while this user may not be tried from this address."""
    free = dict(_who(username, address))
    now = state.now()
    async with state.store.reading() as connection:
        rows = (await connection.execute(select(login_failure).where(F.who.in_(free)))).all()
    wait = max((_wait(row.failures - free[bytes(row.who)], row.last_at, now) for row in rows), default=timedelta())
    if wait > timedelta():
        seconds = int(wait.total_seconds()) + 1
        raise TooMany(f"too many wrong passwords for this user; try again in {seconds} s", seconds)


async def failed(state: Control, username: str, address: str) -> None:
    """Remember a wrong password, and forget those too old to matter."""
    async with state.store.transaction() as connection:
        await connection.execute(delete(login_failure).where(F.last_at < state.now() - 2 * LONGEST))
        for who, _ in _who(username, address):
            one = upsert(login_failure).values(who=who, failures=1, last_at=state.now())
            more = {"failures": F.failures + 1, "last_at": state.now()}
            await connection.execute(one.on_conflict_do_update(index_elements=[F.who], set_=more))


async def succeeded(connection: AsyncConnection, username: str, address: str) -> None:
    """Forget the wrong passwords of who has just shown the right one."""
    await connection.execute(delete(login_failure).where(F.who.in_([who for who, _ in _who(username, address)])))


def _wait(beyond: int, last: datetime, now: datetime) -> timedelta:
    """One second after the first wrong password beyond the free ones, then twice as long each time."""
    if beyond < 0:
        return timedelta()
    return last + min(timedelta(seconds=2 ** min(beyond, 20)), LONGEST) - now


def _who(username: str, address: str) -> Iterator[tuple[bytes, int]]:
    yield hashlib.sha256(f"{username}\0{address}".encode()).digest(), FREE_HERE
    yield hashlib.sha256(username.encode()).digest(), FREE_ANYWHERE
