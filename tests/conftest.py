"""Fixtures that several rooms' tests share."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import cache

import postgres as pg
import pytest

from gatefleet.pki import Pair, self_signed
from gatefleet.store import Store, migrate
from gatefleet.store.crypto import new_key
from gatefleet.store.database import connect

MASTER_KEY = new_key()
TEMPLATE = "gatefleet_template"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[pg.Server]:
    """A PostgreSQL server with a migrated template database."""
    with pg.running() as server:
        server.sql(f"create database {TEMPLATE}")
        asyncio.run(_migrated(server.dsn(TEMPLATE)))
        yield server


@pytest.fixture
def dsn(postgres: pg.Server) -> str:
    """A fresh migrated database."""
    return postgres.database(TEMPLATE)


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[Store]:
    """The store of a fresh database."""
    store = await Store.open(dsn, MASTER_KEY, pool_size=5)
    yield store
    await store.close()


async def _migrated(dsn: str) -> None:
    engine = connect(dsn)
    await migrate(engine)
    await engine.dispose()


@cache
def certificate(*names: str) -> Pair:
    """A self-signed certificate for these names."""
    return self_signed(names, datetime.now(UTC))
