"""The Admin API over one database per module; a gateway group per test keeps tests apart."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import postgres as pg
import pytest
from admin_api import ADMIN_TOKEN, Api, serving
from pydantic import SecretStr

from gatefleet.settings import AdminSettings
from tests.contract.calls import Caller


@pytest.fixture(scope="module")
async def served(postgres: pg.Server, admin_database: str, anyio_backend: str) -> AsyncIterator[Api]:
    """The Admin API as after its first start: user `admin` with his first password, group `default`."""
    del anyio_backend
    dsn = SecretStr(postgres.database(admin_database))
    async with serving(AdminSettings(dsn=dsn, encryption_key_file=Path("unused"))) as api:
        yield api


@pytest.fixture
def http(served: Api) -> httpx.AsyncClient:
    """A client without cookies."""
    served.raw.cookies.clear()
    return served.raw


@pytest.fixture
def visitor(http: httpx.AsyncClient) -> Caller:
    return Caller(http, {})


@pytest.fixture
def boss(http: httpx.AsyncClient) -> Caller:
    """An administrator who speaks of no group."""
    return Caller(http, {"X-API-KEY": ADMIN_TOKEN})


@pytest.fixture
async def group(boss: Caller) -> Caller:
    """An administrator who speaks of a new, empty group."""
    return await new_group(boss)


@pytest.fixture
async def admin_key(group: Caller) -> Caller:
    """The same group by its admin key."""
    key = (await group.put(f"/api/gateway_groups/{group.group}/admin_key"))["value"]["key"]
    return Caller(group.http, {"X-API-KEY": key})


async def new_group(boss: Caller, name: str | None = None) -> Caller:
    """The same caller, speaking of a new group."""
    name = name or f"group {uuid4()}"
    made = await boss.post("/api/gateway_groups", {"name": name, "description": "", "type": "api7_gateway"})
    return Caller(boss.http, boss.credential, made["value"]["id"])
