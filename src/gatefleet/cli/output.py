"""What commands write: tables and coloured differences for people, JSON or YAML for programs."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatefleet.cli.files import as_yaml
from gatefleet.cli.remote import Format

SIGNS: Final = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
PAIRS: Final = 5
"""Pairs of routes with the same address that are named."""


class Output:
    """Answers go to stdout; what happens meanwhile, to stderr."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.console = Console(highlight=False, soft_wrap=True)
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def human(self) -> bool:
        return self.form is Format.TABLE

    def show(self, value: Any, people: Callable[[], None]) -> None:
        """Write the value for programs, or what is for people."""
        if self.human:
            people()
        else:
            self.data(value)

    def data(self, value: Any) -> None:
        """Write a value for programs; nothing if people read."""
        if self.form is Format.JSON:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
        elif self.form is Format.YAML:
            sys.stdout.write(as_yaml(value))

    def line(self, text: str, style: str = "") -> None:
        """One line for people."""
        self.console.print(escape(text), style=style or None)

    def warn(self, text: str) -> None:
        """One line on stderr."""
        self.errors.print(f"[yellow]warning:[/] {escape(text)}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
        """A table for people."""
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
        self.console.print(table)

    def changes(self, told: Mapping[str, Any]) -> None:
        """A difference, line by line: green came, red went, yellow changed."""
        lines = iter(told["text"])
        for change in told["changes"]:
            sign, style = SIGNS[change["action"]]
            for _ in change["fields"] if change["action"] == "changed" else (None,):
                self.line(f"{sign} {next(lines)}", style)
        if not told["changes"]:
            self.line("no difference")

    def consent(self, told: Mapping[str, Any]) -> None:
        """Of a dry run: that somebody else would have to approve it."""
        if rule := told.get("approval_rule"):
            self.warn(f"rule [{rule}] asks for somebody else's consent to this")

    def conflicts(self, found: Mapping[str, Sequence[Sequence[Mapping[str, str]]]]) -> None:
        """Routes that answer the same requests."""
        for kind, verb in (("duplicate", "is also answered by"), ("overlapping", "overlaps with")):
            pairs = found.get(kind, ())
            for one, other in pairs[:PAIRS]:
                self.warn(f"{one['url']} of {_route(one)} {verb} {_route(other)}")
            if len(pairs) > PAIRS:
                self.warn(f"and {len(pairs) - PAIRS} more of that kind")


def when(seconds: int | None) -> str:
    """A moment in the time zone of the reader."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def milliseconds(times: Mapping[str, float] | None) -> str:
    """`p50 38 ms, p99 61 ms`."""
    return f"p50 {times['p50_ms']:.0f} ms, p99 {times['p99_ms']:.0f} ms" if times else ""


def _route(target: Mapping[str, str]) -> str:
    return f"route [{target['route_name']}] (service [{target['service_name']}])"
