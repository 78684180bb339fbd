"""Commands that talk to an Admin API: the options they share, and what their exit codes say."""

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatefleet.errors import GatefleetError


class Exit(enum.IntEnum):
    """What an exit code means to a pipeline."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    DIFFERENCES = 3
    NOT_LIVE = 4
    APPROVAL = 5


MEANING: Final = {
    Exit.DONE: "done; or no difference",
    Exit.ERROR: "the request was refused, or the Admin API does not answer",
    Exit.USAGE: "an option or a file is wrong",
    Exit.DIFFERENCES: "`diff` or `compare` found differences",
    Exit.NOT_LIVE: "an instance does not serve the revision (in time), has not passed its drill, or not answered",
    Exit.APPROVAL: "nothing was written: somebody else must approve it first",
}


class Format(enum.StrEnum):
    """How answers are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class WrongUse(GatefleetError):
    """An option or a file of the caller is wrong: exit code 2."""


class ApprovalNeeded(GatefleetError):
    """The order waits for somebody's consent: exit code 5."""


class NotLive(GatefleetError):
    """Not every instance serves a revision: exit code 4."""


CODES: Final[dict[type[GatefleetError], Exit]] = {
    WrongUse: Exit.USAGE,
    ApprovalNeeded: Exit.APPROVAL,
    NotLive: Exit.NOT_LIVE,
}


@dataclass(frozen=True, slots=True)
class Where:
    """Which Admin API, as whom, and how to write its answers."""

    server: Annotated[
        str, typer.Option(envvar="GATEFLEET_SERVER", help="Address of the Admin API", rich_help_panel="Server")
    ] = "http://127.0.0.1:7080"
    token: Annotated[
        str,
        typer.Option(
            envvar="GATEFLEET_TOKEN",
            help="Access token, or admin key of the gateway group",
            show_default=False,
            rich_help_panel="Server",
        ),
    ] = ""
    ca: Annotated[
        Path | None,
        typer.Option(
            envvar="GATEFLEET_CA",
            help="CA certificates (PEM) to trust instead of the system's",
            rich_help_panel="Server",
        ),
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Trust any certificate of the server", rich_help_panel="Server")
    ] = False
    output: Annotated[Format, typer.Option("--output", "-o", help="How to write the answer")] = Format.TABLE


Group = Annotated[str, typer.Option("--group", "-g", envvar="GATEFLEET_GROUP", help="Gateway group, by id or name")]
Note = Annotated[str, typer.Option(help="Why; stands in the history", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change")]
Wait = Annotated[
    float, typer.Option(help="Seconds to wait until every instance serves the change; 0: do not wait", min=0)
]
Run = Callable[..., "Exit | None"]


def remote(app: typer.Typer, name: str, panel: str) -> Callable[[Run], Run]:
    """Make a function a command: its first argument is the Session, the others and the shared ones are options."""

    def decorate(function: Run) -> Run:
        _, *own = inspect.signature(function).parameters.values()
        shared = [
            inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for field, annotation, default in _shared()
        ]

        def command(**given: Any) -> None:
            common = {field: given.pop(field) for field, _, _ in _shared()}
            raise typer.Exit(int(_run(function, Where(**common), given)))

        parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *shared]
        command.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, help=inspect.getdoc(function), rich_help_panel=panel)(command)
        return function

    return decorate


def _shared() -> list[tuple[str, Any, Any]]:
    annotations = inspect.get_annotations(Where)
    return [(name, annotations[name], each.default) for name, each in Where.__dataclass_fields__.items()]


def _run(function: Run, where: Where, given: dict[str, Any]) -> Exit:
    from gatefleet.cli.session import Session  # noqa: PLC0415 - roles start without an HTTP client

    try:
        with Session.open(where) as session:
            return function(session, **given) or Exit.DONE
    except GatefleetError as error:
        from gatefleet.cli.app import say  # noqa: PLC0415

        say(str(error))
        return CODES.get(type(error), Exit.ERROR)
