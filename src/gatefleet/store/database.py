"""The way into PostgreSQL: the engine from a DSN, and what its errors mean."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gatefleet.errors import Unreachable
from gatefleet.store.dsn import dial

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30
LOCK_SECONDS: Final = 15


OPTIONS: Final[dict[str, Any]] = {
    "command_timeout": STATEMENT_SECONDS + LOCK_SECONDS,
    "server_settings": {
        "application_name": "gatefleet",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
        "timezone": "UTC",
    },
}
READ_ONLY: Final = "25006"
"""What a server answers a write with that was the primary when we connected and no longer is."""


def connect(dsn: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine for a libpq-style DSN (`postgresql://user:password@host:5432/database`); nothing is opened yet.

    It may name several hosts: see `gatefleet.store.dsn`.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: dial(dsn, CONNECT_SECONDS, **OPTIONS),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,
        json_serializer=_encode,
        json_deserializer=msgspec.json.decode,
    )
    event.listen(engine.sync_engine.pool, "checkout", _replace_if_closed)
    event.listen(engine.sync_engine, "handle_error", _leave_if_demoted)
    return engine


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection whose statements each stand alone, without the two extra round trips of a transaction."""
    single = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with reaching(), single.connect() as connection:
        yield connection


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """One transaction: committed at the end, rolled back on any error; Unreachable when PostgreSQL does not answer."""
    async with reaching(), engine.begin() as connection:
        yield connection


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A read-only transaction that sees one moment of the database in all its statements."""
    async with reaching(), engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            yield connection


@asynccontextmanager
async def reaching() -> AsyncGenerator[None]:
    """Turn what a lost, refusing or overloaded PostgreSQL raises into Unreachable."""
    try:
        yield
    except (OSError, PoolTimeoutError) as error:
        raise Unreachable("PostgreSQL does not answer; the change was not made") from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_outage(error):
            raise Unreachable("PostgreSQL does not answer; the change may not have been made") from error
        raise


def _replace_if_closed(connection: "DBAPIConnection", _record: object, _proxy: object) -> None:
    """Have the pool open another connection for one that PostgreSQL has closed; costs no round trip."""
    if cast("asyncpg.Connection[Any]", connection.driver_connection).is_closed():
        raise DisconnectionError


def _leave_if_demoted(context: "ExceptionContext") -> None:
    """Have the pool let go of all connections to a server that takes no writes any more."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _is_outage(error: DBAPIError) -> bool:
    """Class 08 (connection), 53 (resources), 57 (shutdown, start, a statement took too long), 55P03 (a lock did)."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return state[:2] in {"08", "53", "57"} or state == "55P03"


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()
