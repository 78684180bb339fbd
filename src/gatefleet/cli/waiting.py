"""Waiting until every instance of a gateway group serves a revision, with a bar that fills meanwhile."""

import time
from collections.abc import Mapping
from typing import Any, Final

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gatefleet.cli.output import Output, milliseconds
from gatefleet.cli.remote import NotLive
from gatefleet.cli.session import Session

STEP: Final = 2
"""Seconds the server waits before it answers with what there is so far."""


def receipts(session: Session, revisions: Mapping[str, int], seconds: float) -> Mapping[str, Any]:
    """The receipts of revisions, by group id, once all instances have told or time is over."""
    until = time.monotonic() + seconds
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with Progress(*columns, console=session.out.errors, transient=True, disable=not session.out.human) as progress:
        bars = {group: _bar(progress, group, number) for group, number in revisions.items()}
        found: dict[str, Any] = {}
        while True:
            for group_id, number in revisions.items():
                left = max(0, min(STEP, until - time.monotonic()))
                found[group_id] = _ask(session, group_id, number, int(left + 0.999))
                _fill(progress, bars[group_id], found[group_id])
            if all(each["converged"] for each in found.values()) or time.monotonic() >= until:
                return found


def demand(session: Session, revisions: Mapping[str, int], seconds: float) -> Mapping[str, Any]:
    """Wait, and say what came of it; NotLive if an instance does not serve its revision. Nothing for 0 seconds."""
    if not seconds:
        return {}
    found = receipts(session, revisions, seconds)
    if session.out.human:
        for group_id, receipt in found.items():
            tell(session.out, group_id, receipt)
    check(found)
    return found


def check(found: Mapping[str, Any]) -> None:
    """NotLive if an instance does not serve its revision, with the first reasons."""
    for group_id, receipt in found.items():
        if receipt["live"] != receipt["total"]:
            reasons = [
                f"{line['hostname']}: {line['reason'] or line['state']}"
                for line in receipt["instances"]
                if line["state"] != "live"
            ]
            raise NotLive(
                f"revision {receipt['revision']} of gateway group [{group_id}]: {receipt['text']}; "
                + "; ".join(reasons[:3])
            )


def tell(out: Output, group_id: str, receipt: Mapping[str, Any]) -> None:
    """One line about a revision."""
    times = milliseconds(receipt["time_to_live"])
    said = f"revision {receipt['revision']} of [{group_id}]: {receipt['text']}" + (f" ({times})" if times else "")
    out.line(said, "green" if receipt["live"] == receipt["total"] else "red")


def _bar(progress: Progress, group_id: str, number: int) -> TaskID:
    return progress.add_task(f"revision {number} of [{group_id}]".replace("[", r"\["), total=None, told="")


def _ask(session: Session, group_id: str, number: int, seconds: int) -> dict[str, Any]:
    return session.value("GET", f"/api/gateway_groups/{group_id}/revisions/{number}/receipt", wait=seconds)


def _fill(progress: Progress, bar: TaskID, receipt: Mapping[str, Any]) -> None:
    told = f"{receipt['live']}/{receipt['total']} live"
    if receipt["rejected"]:
        told += f", {receipt['rejected']} rejected"
    progress.update(bar, total=receipt["total"] or 1, completed=receipt["live"], told=told)
