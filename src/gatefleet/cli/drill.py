"""`gatefleet drill`: have a gateway instance rehearse an outage, and say what came of it."""

import enum
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatefleet.cli.remote import Group, NotLive, WrongUse, remote

if TYPE_CHECKING:
    from gatefleet.cli.session import Session

PANEL: Final = "Nodes"
PAUSE: Final = 1.0
"""Seconds between two looks at how it goes."""


class Source(enum.StrEnum):
    """What the instance starts from."""

    DISK = "disk"
    BUCKET = "bucket"


def add(app: typer.Typer) -> None:
    """Add the command."""
    remote(app, "drill", PANEL)(_drill)


def _drill(
    session: "Session",
    instance: Annotated[str, typer.Argument(help="Gateway instance, by id or hostname")],
    group: Group = "default",
    seconds: Annotated[int, typer.Option(help="How long it is cut off from the control plane", min=10, max=600)] = 30,
    source: Annotated[
        Source, typer.Option("--from", help="What it starts from: its disk, or the bucket or a peer")
    ] = Source.DISK,
    envoy: Annotated[
        bool, typer.Option("--envoy", help="Start Envoy anew, too: the instance does not serve for some seconds")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if it is the only healthy instance of its gateway group")
    ] = False,
) -> None:
    """Rehearse an outage on a gateway instance: cut it off, start it anew, see that it serves, connect it again.

    The instance carries it out by itself and comes back in time, whatever becomes of this command.
    """
    path = f"/api/gateway_groups/{session.group(group)}"
    body = {"seconds": seconds, "source": source.value, "envoy": envoy, "force": force}
    found = session.value("POST", f"{path}/instances/{_instance(session, path, instance)}/drills", body)
    if session.out.human:
        session.out.line(f"drill [{found['id']}] of [{found['instance_id']}]: cut off for {seconds} seconds")
    while found["state"] == "running":
        time.sleep(PAUSE)
        found = session.value("GET", f"{path}/drills/{found['id']}")
    session.out.show(found, lambda: _tell(session, found))
    if found["state"] != "passed":
        raise NotLive(f"drill [{found['id']}] {found['state']}: {found['reason']}")


def _instance(session: "Session", path: str, named: str) -> str:
    nodes = session.listed(f"{path}/instances", page_size=500)
    ids = [each["id"] for each in nodes if named == each["id"]]
    ids = ids or [each["id"] for each in nodes if named == each["hostname"] and each["status"] != "Offline"]
    if len(ids) > 1:
        raise WrongUse(f"several instances are called [{named}]: give the id, one of {', '.join(sorted(ids))}")
    return str(ids[0]) if ids else named


def _tell(session: "Session", found: Mapping[str, Any]) -> None:
    out = session.out
    rows = [(p["name"], f"{p['seconds']:.1f} s", p["probes"], p["failed"]) for p in found.get("parts", ())]
    out.table(("part", "took", "probes", "failed"), rows)
    if start := found.get("start_seconds"):
        place, revision = found.get("started_from") or "nothing", found.get("revision_after", 0)
        out.line(f"served revision {revision} from the {place} {start:.1f} s after it was stopped")
    if "reconnect_seconds" in found:
        out.line(f"connected again after {found['reconnect_seconds']:.1f} s")
    if found["state"] == "passed":
        out.line("passed", "green")
