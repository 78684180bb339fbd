"""The first start: user `admin` with password `admin`, to be changed at the first login."""

from uuid import uuid4

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from gatefleet.admin.access import SUPER_ADMIN
from gatefleet.admin.passwords import Passwords
from gatefleet.store import Store
from gatefleet.store.migrate import LOCK
from gatefleet.store.tables import user

FIRST_USER = FIRST_PASSWORD = "admin"  # noqa: S105 - known to everybody, good for one login


async def ensure_first_user(store: Store, passwords: Passwords) -> bool:
    """Make the first administrator if there is no user at all; whether it was made. Many may start at once."""
    async with store.transaction() as connection:
        await connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        if (await connection.execute(select(func.count()).select_from(user))).scalar_one():
            return False
        values = {
            "id": str(uuid4()),
            "username": FIRST_USER,
            "password_hash": await passwords.hash(FIRST_PASSWORD),
            "must_change_password": True,
            "roles": [SUPER_ADMIN],
        }
        await connection.execute(upsert(user).values(values).on_conflict_do_nothing())
    return True
