"""Write docs/reference/commands.md from the commands that talk to an Admin API.

Usage: python tools/command_docs.py [--check]    (`make docs`; --check only compares, for CI)
"""

import enum
import sys
from collections.abc import Iterator
from typing import Any

from pages import DOCS, main
from typer.main import get_command

from gatefleet.cli import app
from gatefleet.cli.remote import MEANING, Where

PAGE = DOCS / "reference" / "commands.md"
SHARED = frozenset(Where.__dataclass_fields__)


def page() -> Iterator[str]:
    commands: dict[str, Any] = getattr(get_command(app), "commands")  # noqa: B009 - typer's own click has no types
    remote = {name: command for name, command in commands.items() if {each.name for each in command.params} >= SHARED}
    yield "# Commands"
    yield ""
    yield "<!-- Written by tools/command_docs.py: `make docs`. -->"
    yield ""
    yield "Those that talk to an Admin API; how they are used: [The command line](../guide/cli.md). The others start a"
    yield "role, and their options are its [settings](settings.md)."
    yield from ("", "## Options of each of them", "")
    first = next(iter(remote.values()))
    yield from rows(each for each in first.params if each.name in SHARED)
    for name, command in remote.items():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        usage = " ".join(each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments)
        yield from ("", f"## gatefleet {name} {usage}".rstrip(), "", command.help, "")
        yield from rows(each for each in command.params if each.name not in SHARED)
    yield from ("", "## Exit codes", "", "| code | meaning |", "|---|---|")
    yield from (f"| {code.value} | {meaning} |" for code, meaning in MEANING.items())
    yield ""


def rows(parameters: Iterator[Any]) -> Iterator[str]:
    yield from ("| option | variable | default | meaning |", "|---|---|---|---|")
    for each in parameters:
        argument = each.param_type_name == "argument"
        name = f"`{each.name.upper()}`" if argument else ", ".join(f"`{option}`" for option in each.opts)
        variable = f"`{each.envvar}`" if each.envvar else ""
        yield f"| {name} | {variable} | {default(each)} | {each.help} |"


def default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    shown = value.value if isinstance(value, enum.Enum) else value
    return "" if shown in (None, "", False, ()) or not isinstance(shown, str | int | float) else f"`{shown}`"


if __name__ == "__main__":
    sys.exit(main({PAGE: "\n".join(page())}))
