"""Bringing the database to this version's shape, safely when several processes start at once."""

import re
from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gatefleet.errors import GatefleetError
from gatefleet.store.database import transaction

LOCK: Final = 7_462_013
"""The advisory lock that whoever migrates holds; the number is only ours."""
_FOLDER: Final = files("gatefleet.store") / "migrations"


class NewerDatabase(GatefleetError):
    """The database was made by a newer version than this one."""


async def migrate(engine: AsyncEngine) -> str:
    """Run the missing migrations in one transaction and return the version reached; NewerDatabase if it is ahead."""
    async with transaction(engine) as connection:
        await connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        there, here = await _versions(connection)
        if there != here:
            await connection.run_sync(_upgrade)
        return here


async def check(engine: AsyncEngine) -> None:
    """GatefleetError unless the database is exactly at this version: what a role asks before it starts."""
    async with transaction(engine) as connection:
        there, here = await _versions(connection)
    if there != here:
        raise GatefleetError(f"the database is at version [{there or 'none'}], not [{here}]: run `gatefleet migrate`")


def versions() -> Sequence[str]:
    """The versions that migrations lead to, ascending: each file's name begins with its own."""
    found = (re.match(r"(\d{4})_\w+\.py$", file.name) for file in _FOLDER.joinpath("versions").iterdir())
    return sorted(match[1] for match in found if match)


async def _versions(connection: AsyncConnection) -> tuple[str | None, str]:
    """The database's version, and ours."""
    known, there = versions(), None
    if (await connection.execute(text("select to_regclass('alembic_version')"))).scalar_one():
        there = (await connection.execute(text("select version_num from alembic_version"))).scalar_one_or_none()
    if there is not None and there not in known:
        raise NewerDatabase(
            f"the database was made by a newer Gatefleet (version [{there}], this one knows up to [{known[-1]}]): "
            "start that version, or restore a backup from before the upgrade"
        )
    return there, known[-1]


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  (every role starts sooner without it)
    from alembic.config import Config  # noqa: PLC0415

    with as_file(_FOLDER) as folder:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "head")
