"""`gatefleet keys`: other keys for what is secret in the database, while everything runs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gatefleet.settings import KeySettings

T = TypeVar("T")
Dsn = Annotated[str, typer.Option("--dsn", envvar="GATEFLEET_ADMIN_DSN", help="PostgreSQL of the control plane")]
File = Annotated[
    Path | None,
    typer.Option(envvar="GATEFLEET_ADMIN_ENCRYPTION_KEY_FILE", help="File with the master key", show_default=False),
]
Key = Annotated[
    str | None, typer.Option(envvar="GATEFLEET_ADMIN_ENCRYPTION_KEY", help="The master key", show_default=False)
]
Vault = Annotated[
    str | None,
    typer.Option(envvar="GATEFLEET_ADMIN_ENCRYPTION_KEY_VAULT", help="As of `gatefleet admin`", show_default=False),
]
Token = Annotated[
    Path | None,
    typer.Option(
        envvar="GATEFLEET_ADMIN_ENCRYPTION_KEY_VAULT_TOKEN_FILE", help="As of `gatefleet admin`", show_default=False
    ),
]


def add(app: typer.Typer) -> None:
    """Add the sub-commands of `keys`."""
    group = typer.Typer(no_args_is_help=True)
    group.command("rotate", help="Encrypt everything with a new data key.")(_rotate)
    group.command("share", help="Have another master key open the database as well.")(_share)
    group.command("retire", help="Have no other master key open the database any more.")(_retire)
    app.add_typer(group, name="keys", help="The keys that secrets are encrypted with.")


def _rotate(
    dsn: Dsn,
    encryption_key_file: File = None,
    encryption_key: Key = None,
    encryption_key_vault: Vault = None,
    encryption_key_vault_token_file: Token = None,
    announce: Annotated[float, typer.Option(help="Seconds until every process knows the new key", min=0)] = 60,
) -> None:
    settings = _settings(encryption_key_file, encryption_key, encryption_key_vault, encryption_key_vault_token_file)
    number, count = asyncio.run(_rotated(dsn, settings, announce))
    typer.echo(f"data key {number} is in use; {count} rows were encrypted anew")


def _share(
    dsn: Dsn,
    to: Annotated[Path, typer.Option(help="File with the other master key")],
    encryption_key_file: File = None,
    encryption_key: Key = None,
    encryption_key_vault: Vault = None,
    encryption_key_vault_token_file: Token = None,
) -> None:
    settings = _settings(encryption_key_file, encryption_key, encryption_key_vault, encryption_key_vault_token_file)
    other = _settings(to, None, encryption_key_vault, encryption_key_vault_token_file)

    async def work(connection: Any) -> int:
        from gatefleet.store import keys  # noqa: PLC0415 - commands that need no database load none
        from gatefleet.store.master import master_key  # noqa: PLC0415

        return await keys.share(connection, master_key(settings), master_key(other))

    typer.echo(f"{asyncio.run(_within(dsn, work))} data keys are under both master keys; give every process the other")


def _retire(
    dsn: Dsn,
    encryption_key_file: File = None,
    encryption_key: Key = None,
    encryption_key_vault: Vault = None,
    encryption_key_vault_token_file: Token = None,
) -> None:
    settings = _settings(encryption_key_file, encryption_key, encryption_key_vault, encryption_key_vault_token_file)

    async def work(connection: Any) -> int:
        from gatefleet.store import keys  # noqa: PLC0415 - as above
        from gatefleet.store.master import master_key  # noqa: PLC0415

        return await keys.retire(connection, master_key(settings))

    typer.echo(f"{asyncio.run(_within(dsn, work))} data keys are under this master key only")


def _settings(file: Path | None, key: str | None, vault: str | None, token: Path | None) -> KeySettings:
    given = {
        "encryption_key_file": file,
        "encryption_key": key,
        "encryption_key_vault": vault,
        "encryption_key_vault_token_file": token,
    }
    return KeySettings.model_validate({name: part for name, part in given.items() if part is not None})


async def _within(dsn: str, work: Callable[[Any], Awaitable[T]]) -> T:
    from gatefleet.store import check  # noqa: PLC0415 - as above
    from gatefleet.store.database import connect, transaction  # noqa: PLC0415

    engine = connect(dsn, pool_size=1)
    try:
        await check(engine)
        async with transaction(engine) as connection:
            return await work(connection)
    finally:
        await engine.dispose()


async def _rotated(dsn: str, settings: KeySettings, announce: float) -> tuple[int, int]:
    from gatefleet.store import keys  # noqa: PLC0415 - as above
    from gatefleet.store.database import connect, transaction  # noqa: PLC0415
    from gatefleet.store.master import master_key  # noqa: PLC0415
    from gatefleet.store.reseal import reseal  # noqa: PLC0415

    master = master_key(settings)
    number = await _within(dsn, lambda connection: keys.announce(connection, master, timedelta(seconds=announce)))
    await asyncio.sleep(announce)
    engine = connect(dsn, pool_size=2)
    try:
        async with transaction(engine) as connection:
            cipher = await keys.read(connection, master)
        return number, await reseal(engine, cipher)
    finally:
        await engine.dispose()
