"""The `gatefleet` command: a sub-command per role, its options from the role's settings class; and the others."""

import asyncio
import gc
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from rich.console import Console

from gatefleet import VERSION
from gatefleet.cli import audit, configuration, drill, keys, nodes, releases, request, rescue
from gatefleet.errors import GatefleetError
from gatefleet.settings import (
    AdminSettings,
    BackupSettings,
    BackupsSettings,
    DpmSettings,
    MigrateSettings,
    NodeSettings,
    UpSettings,
)

app = typer.Typer(
    name="gatefleet",
    help="One control plane for fleets of API gateways.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_S = TypeVar("_S", bound=BaseSettings)


def main() -> None:
    """The console script: errors of ours are one line and exit code 1, wrong options exit code 2."""
    gc.disable()  # loading a role makes no garbage, and looking for it costs a tenth of the start; see `_loaded`
    try:
        app()
    except GatefleetError as error:
        say(str(error))
        sys.exit(1)
    except ValidationError as error:
        for problem in error.errors():
            say(_told(error.title, problem["loc"], problem["msg"]))
        sys.exit(2)


def say(sentence: str) -> None:
    """One line on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print("gatefleet:", sentence, markup=False)


def _told(title: str, where: tuple[int | str, ...], message: str) -> str:
    role = title.removesuffix("Settings").lower()
    if not where:
        return message
    field = "_".join(map(str, where))
    return f"--{field.replace('_', '-')} (GATEFLEET_{role.upper()}_{field.upper()}): {message}"


def _admin(settings: AdminSettings) -> None:
    from gatefleet.admin.main import run  # noqa: PLC0415  (a role's process loads no other role)

    _loaded()
    run(settings)


def _dpm(settings: DpmSettings) -> None:
    from gatefleet.dpm.main import run  # noqa: PLC0415

    _loaded()
    run(settings)


def _node(settings: NodeSettings) -> None:
    from gatefleet.node.main import run  # noqa: PLC0415

    _loaded()
    run(settings)


def _backup(settings: BackupSettings) -> None:
    from gatefleet.backup.serve import run  # noqa: PLC0415

    _loaded()
    run(settings)


def _backups(settings: BackupsSettings) -> None:
    from gatefleet.backup.reading import run  # noqa: PLC0415

    run(settings)


def _up(settings: UpSettings) -> None:
    from gatefleet.up.main import run  # noqa: PLC0415

    _loaded()
    run(settings)


def _loaded() -> None:
    """Collect garbage from now on, but never look again at what was loaded: pauses stay short.

    And seldom: what a role keeps of thousands of nodes would be looked at over and over while they all say something.
    """
    gc.enable()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _migrate(settings: MigrateSettings) -> None:
    from gatefleet.store import migrate  # noqa: PLC0415
    from gatefleet.store.database import connect  # noqa: PLC0415

    async def work() -> str:
        engine = connect(settings.dsn.get_secret_value(), pool_size=1)
        try:
            return await migrate(engine)
        finally:
            await engine.dispose()

    typer.echo(f"the database is at version {asyncio.run(work())}")


def _command(name: str, kind: type[_S], run: Callable[[_S], None]) -> None:
    """Add the command `name`: one option per field of `kind`."""

    def command(**given: str | list[str] | None) -> None:
        values: dict[str, Any] = {name: _written(value) for name, value in given.items() if value}
        run(kind(**values))

    parameters = [_option(n, f, str(kind.model_config.get("env_prefix"))) for n, f in kind.model_fields.items()]
    command.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    about = (kind.__doc__ or "").partition(": ")[2]
    app.command(name, help=about[:1].upper() + about[1:])(command)


def _written(given: str | list[str]) -> str:
    """As the variable has it: options of lists may be repeated too."""
    return given if isinstance(given, str) else ",".join(given)


def _option(name: str, field: FieldInfo, prefix: str) -> inspect.Parameter:
    default = "required" if field.is_required() else field.default
    told = field.description or ""
    if default not in (None, (), "required") and not isinstance(default, SecretStr):
        told += f", default {default}"
    option = typer.Option(f"--{name.replace('_', '-')}", help=f"{told} ({prefix}{name.upper()})", show_default=False)
    kind = list[str] | None if isinstance(field.default, tuple) else str | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


@app.command("version", help="Print the version.")
def _version() -> None:
    typer.echo(VERSION)


_command("up", UpSettings, _up)
_command("admin", AdminSettings, _admin)
_command("dpm", DpmSettings, _dpm)
_command("node", NodeSettings, _node)
_command("backup", BackupSettings, _backup)
_command("backups", BackupsSettings, _backups)
_command("migrate", MigrateSettings, _migrate)
audit.add(app)
keys.add(app)
rescue.add(app)
configuration.add(app)
releases.add(app)
nodes.add(app)
drill.add(app)
request.add(app)
