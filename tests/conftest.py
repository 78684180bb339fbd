"""Fixtures that several rooms' tests share."""

import asyncio
import base64
import gc
from collections.abc import AsyncIterator, Generator, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import postgres as pg
import pytest
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

from gatefleet.pki import Pair, self_signed
from gatefleet.settings import AdminSettings
from gatefleet.store import Store, migrate
from gatefleet.store.database import connect

if TYPE_CHECKING:
    from admin_api import Api

MASTER_KEY = bytes(range(32))
TOGETHER = ("tests/dashboard", "tests/e2e/failures", "tests/e2e", "tests/native")
"""Folders whose tests share what is expensive to start: one worker does all of a folder, always in the same order."""
LONG = ("tests/node", "tests/contract", "tests/conformance", "tests/golden", "tests/up")
"""Folders with long files; they begin early, so that no worker is left alone with one at the end."""
TEMPLATE = "gatefleet_template"


class Sharing(LoadScopeScheduling):
    """Gives a worker one file after another, and some folders as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return folder if (folder := file.rpartition("/")[0]) in TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return Sharing(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Loading all tests makes no garbage, and looking for it took a third of the time; nor is it looked at later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first."""
    ranks = {folder: rank for rank, folder in enumerate((*TOGETHER, *LONG))}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0].rpartition("/")[0], len(ranks)))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def one_event_loop(anyio_backend: str) -> AsyncIterator[None]:
    """Keeps one event loop for all tests: gRPC's poller hands late events to loops it saw, and a closed one raises."""
    del anyio_backend
    yield  # noqa: PT022 - a fixture that returns would give the loop back at once


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


@pytest.fixture(scope="session")
def admin_database(postgres: pg.Server) -> str:
    """A template database with the first user and a token of his."""
    from admin_api import prepare  # noqa: PLC0415 - only tests of the Admin API need to load it

    name = "gatefleet_admin_template"
    postgres.sql(f"create database {name} template {TEMPLATE}")
    asyncio.run(prepare(postgres.dsn(name)))
    return name


@pytest.fixture
def admin_settings(postgres: pg.Server, admin_database: str, tmp_path: Path) -> AdminSettings:
    """Settings of an admin role with a database of its own, on free ports."""
    (tmp_path / "key").write_text(base64.b64encode(MASTER_KEY).decode())
    return AdminSettings(
        dsn=SecretStr(postgres.database(admin_database)),
        encryption_key_file=tmp_path / "key",
        data_dir=tmp_path,
        http_port=0,
        https_port=0,
        status_port=0,
        pool_size=5,
    )


@pytest.fixture
async def api(admin_settings: AdminSettings) -> AsyncIterator["Api"]:
    """The Admin API, called as an administrator."""
    from admin_api import serving  # noqa: PLC0415

    async with serving(admin_settings) as api:
        yield api
