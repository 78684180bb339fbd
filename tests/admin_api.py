"""The Admin API over a fresh database, called without sockets."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from argon2 import PasswordHasher
from conftest import MASTER_KEY
from fastapi import FastAPI
from sqlalchemy import insert, select

from gatefleet import logs
from gatefleet.admin.access import digest
from gatefleet.admin.app import Logged, create_api
from gatefleet.admin.bootstrap import ensure_first_user
from gatefleet.admin.metrics import Metrics
from gatefleet.admin.passwords import Passwords
from gatefleet.admin.web import Control
from gatefleet.settings import AdminSettings
from gatefleet.store import Store
from gatefleet.store.tables import token, user

logs.configure("json", "admin")
ADMIN_TOKEN = "a7ee-" + secrets.token_urlsafe(32)


@dataclass
class Api:
    """A running Admin API; `call` sends one request as an administrator, `raw` as nobody."""

    app: FastAPI
    store: Store
    raw: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=lambda: {"X-API-KEY": ADMIN_TOKEN})

    async def call(self, method: str, path: str, body: Any = None, expect: int = 200, **options: Any) -> Any:
        """The answer's JSON; fails unless the status is the expected one."""
        if body is not None:
            options["json"] = body
        if path.startswith("/apisix/admin") and "gateway_group_id" not in path:
            path += ("&" if "?" in path else "?") + "gateway_group_id=default"
        response = await self.raw.request(method, path, headers=self.headers, **options)
        assert response.status_code == expect, f"{method} {path}: {response.status_code} {response.text}"
        assert response.headers["content-type"].startswith("application/json")
        return response.json()

    async def refused(self, method: str, path: str, body: Any = None, status: int = 400) -> str:
        """The message of a request that must be refused with this status."""
        answer = await self.call(method, path, body, expect=status)
        return answer["error_msg"]

    def acting_as(self, key: str) -> "Api":
        """The same API, called with another key."""
        return Api(self.app, self.store, self.raw, {"X-API-KEY": key})


@asynccontextmanager
async def serving(settings: AdminSettings) -> AsyncGenerator[Api]:
    """The API over the settings' database."""
    store = await Store.open(settings.dsn.get_secret_value(), MASTER_KEY, pool_size=5)
    app = create_api(Control(store, settings, passwords()))
    transport = httpx.ASGITransport(Logged(app, Metrics()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://admin.test") as client:
        try:
            yield Api(app, store, client)
        finally:
            await store.close()


def passwords() -> Passwords:
    """Hashing that is real and cheap."""
    return Passwords(time.monotonic, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


async def prepare(dsn: str) -> None:
    """Make the first user, and a token of his."""
    store = await Store.open(dsn, MASTER_KEY, pool_size=1)
    await ensure_first_user(store, passwords())
    async with store.transaction() as connection:
        admin = (await connection.execute(select(user.c.id))).scalar_one()
        row = {"id": str(uuid4()), "user_id": admin, "name": "tests", "token_hash": digest(ADMIN_TOKEN)}
        await connection.execute(insert(token).values(row))
    await store.close()
