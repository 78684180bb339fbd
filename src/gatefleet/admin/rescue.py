"""The way back in when nobody can sign in any more: from a shell beside the database, and written down."""

import secrets
from uuid import uuid4

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin.access import BUILT_IN, SUPER_ADMIN
from gatefleet.admin.passwords import Passwords
from gatefleet.store.tables import audit_log, login_failure, session, token, user


async def rescue(connection: AsyncConnection, passwords: Passwords, username: str) -> str:
    """A password for one sign-in of the user, who is an administrator then; he is made if he is not there.

    Without boundary, whatever he could do before; his sessions and tokens end, and nobody's sign-in is slowed down.
    """
    password = secrets.token_urlsafe(24)
    values = {
        "password_hash": await passwords.hash(password),
        "must_change_password": True,
        "roles": [SUPER_ADMIN],
        "boundary": [],
        "login_option_id": BUILT_IN,
        "updated_at": func.clock_timestamp(),
    }
    made = upsert(user).values(id=str(uuid4()), username=username, **values)
    there = made.on_conflict_do_update(index_elements=[user.c.username], set_=values).returning(user.c.id)
    user_id = (await connection.execute(there)).scalar_one()
    for table in (session, token):
        await connection.execute(delete(table).where(table.c.user_id == user_id))
    await connection.execute(delete(login_failure))
    await _write_down(connection, user_id, username)
    return password


async def _write_down(connection: AsyncConnection, user_id: str, username: str) -> None:
    row = {
        "request_id": str(uuid4()),
        "event_type": "RescueAdministrator",
        "operator": (await connection.execute(select(func.session_user()))).scalar_one(),
        "source": "cli",
        "resource_kind": "users",
        "resource_id": user_id,
        "method": "CLI",
        "path": "gatefleet rescue",
        "status": 200,
        "request": {"username": username},
    }
    await connection.execute(insert(audit_log).values(row))
