"""Bringing the database to this version's shape, safely when several processes start at once."""

from importlib.resources import as_file, files
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gatefleet.errors import GatefleetError
from gatefleet.store.database import transaction

LOCK: Final = 7_462_013
"""The advisory lock that whoever migrates holds; the number is only ours."""


class NewerDatabase(GatefleetError):
    """The database was made by a newer version than this one."""


async def migrate(engine: AsyncEngine) -> str:
    """Run the missing migrations in one transaction and return the version reached; NewerDatabase if it is ahead."""
    async with transaction(engine) as connection:
        await connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        return await connection.run_sync(_upgrade)


async def check(engine: AsyncEngine) -> None:
    """GatefleetError unless the database is exactly at this version: what a role asks before it starts."""
    async with transaction(engine) as connection:
        there, here = await connection.run_sync(_versions)
    if there != here:
        raise GatefleetError(f"the database is at version [{there or 'none'}], not [{here}]: run `gatefleet migrate`")


def _upgrade(connection: Connection) -> str:
    there, here = _versions(connection)
    if there != here:
        with as_file(files("gatefleet.store") / "migrations") as folder:
            config = _config(str(folder), connection=connection)
            command.upgrade(config, "head")
    return here


def _versions(connection: Connection) -> tuple[str | None, str]:
    with as_file(files("gatefleet.store") / "migrations") as folder:
        script = ScriptDirectory.from_config(_config(str(folder)))
        known = {revision.revision for revision in script.walk_revisions()}
        here = str(script.get_current_head())
    there = MigrationContext.configure(connection).get_current_revision()
    if there is not None and there not in known:
        raise NewerDatabase(
            f"the database was made by a newer Gatefleet (version [{there}], this one knows up to [{here}]): "
            "start that version, or restore a backup from before the upgrade"
        )
    return there, here


def _config(folder: str, **attributes: Any) -> Config:
    config = Config(attributes=attributes)
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    return config
