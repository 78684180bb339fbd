"""Migrations make exactly the tables the code knows, once, and refuse what a newer version made."""

import asyncio
import importlib
import pkgutil
from importlib.resources import files

import postgres as pg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from gatefleet import store
from gatefleet.errors import GatefleetError, Unreachable
from gatefleet.store import check, migrate
from gatefleet.store.database import connect, transaction
from gatefleet.store.migrate import NewerDatabase, versions
from gatefleet.store.tables import metadata
from gatefleet.store.telemetry_tables import PARTITIONS as PARTITIONED

pytestmark = pytest.mark.anyio


PARTITIONS = {f"{table}_p{slot}" for table, count in PARTITIONED.items() for slot in range(count)}


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "include_name": lambda name, *_: name not in PARTITIONS}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_the_migrations_make_the_tables_the_code_knows(dsn: str) -> None:
    for module in pkgutil.iter_modules(store.__path__, "gatefleet.store."):
        importlib.import_module(module.name)  # tables are known once their module is
    engine = connect(dsn)
    async with transaction(engine) as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_the_names_of_the_files_tell_what_alembic_reads_in_them() -> None:
    revisions = ScriptDirectory(str(files(store) / "migrations")).walk_revisions()
    assert list(versions()) == [each.revision for each in revisions][::-1]


async def test_many_starters_at_once_migrate_once(postgres: pg.Server) -> None:
    engine = connect(postgres.database())
    with pytest.raises(GatefleetError, match="run `gatefleet migrate`"):
        await check(engine)
    reached = await asyncio.gather(*(migrate(engine) for _ in range(4)))
    assert len(set(reached)) == 1
    await check(engine)
    await engine.dispose()


async def test_a_database_of_a_newer_version_is_refused(dsn: str) -> None:
    engine = connect(dsn)
    async with transaction(engine) as connection:
        await connection.execute(text("update alembic_version set version_num = '9999'"))
    for ask in (migrate, check):
        with pytest.raises(NewerDatabase, match=r"newer Gatefleet \(version \[9999\]"):
            await ask(engine)
    await engine.dispose()


async def test_no_postgresql_is_said_as_such() -> None:
    engine = connect("postgresql://nobody@/nothing?host=/nonexistent")
    with pytest.raises(Unreachable, match="PostgreSQL does not answer"):
        await migrate(engine)
    await engine.dispose()
