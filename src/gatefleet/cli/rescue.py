"""`gatefleet rescue`: an administrator for who has a shell beside the database and no way to sign in."""

import asyncio
import time
from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rescue", help="Make an administrator with a password for one sign-in; it stands in the audit log.")(
        _rescue
    )


def _rescue(
    dsn: Annotated[str, typer.Option("--dsn", envvar="GATEFLEET_ADMIN_DSN", help="PostgreSQL of the control plane")],
    username: Annotated[str, typer.Option(help="Who; made anew if there is no such user")] = "rescue",
) -> None:
    password = asyncio.run(_password(dsn, username))
    typer.echo(f"sign in as [{username}] with this password; the first thing to do then is to change it")
    typer.echo(password)


async def _password(dsn: str, username: str) -> str:
    from argon2 import PasswordHasher  # noqa: PLC0415  (commands that need no database load none)

    from gatefleet.admin.passwords import Passwords  # noqa: PLC0415
    from gatefleet.admin.rescue import rescue  # noqa: PLC0415
    from gatefleet.store import check  # noqa: PLC0415
    from gatefleet.store.database import connect, transaction  # noqa: PLC0415

    engine = connect(dsn, pool_size=1)
    try:
        await check(engine)
        async with transaction(engine) as connection:
            return await rescue(connection, Passwords(time.monotonic, PasswordHasher()), username)
    finally:
        await engine.dispose()
