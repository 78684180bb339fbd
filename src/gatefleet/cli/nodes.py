"""Commands about what nodes are trusted by: the keys of a gateway group's copies."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatefleet.cli.remote import Group, WrongUse, remote

if TYPE_CHECKING:
    from gatefleet.cli.session import Session

PANEL: Final = "Nodes"


def add(app: typer.Typer) -> None:
    """Add the commands."""
    remote(app, "fleet-keys", PANEL)(_fleet_keys)


def _fleet_keys(
    session: "Session",
    group: Group = "default",
    rotate: Annotated[bool, typer.Option("--rotate", help="Have another key sign and encrypt soon")] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="With --rotate: now, and end the present keys; for keys that leaked")
    ] = False,
) -> None:
    """List the keys that a gateway group's copies are signed and encrypted with, or exchange them."""
    if at_once and not rotate:
        raise WrongUse("--at-once goes with --rotate")
    path = f"/api/gateway_groups/{session.group(group)}/snapshot_keys"
    if rotate:
        body = {"announced_seconds": 0, "overlap_days": 0} if at_once else {}
        found = session.value("POST", path, body)["keys"]
    else:
        found = session.listed(path)
    session.out.show(found, lambda: _table(session, found))


def _table(session: "Session", found: Iterable[Mapping[str, Any]]) -> None:
    from gatefleet.cli.output import when  # noqa: PLC0415

    rows = [
        (each["key_id"], "signs" if each["signing"] else "", when(each["signs_at"]), when(each.get("ends_at")))
        for each in found
    ]
    session.out.table(("key", "", "signs from", "accepted until"), rows)
