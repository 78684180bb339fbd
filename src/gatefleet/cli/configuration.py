"""Commands about a gateway group's whole configuration: diff, apply, dump, compare, revisions, restore."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatefleet.cli.remote import DryRun, Exit, Format, Group, Note, Wait, WrongUse, remote

if TYPE_CHECKING:
    from gatefleet.cli.session import Session

PANEL: Final = "Configuration"
Files = Annotated[
    list[Path], typer.Option("--file", "-f", help="YAML or JSON file, directory of files, or - for stdin; repeatable")
]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what the files do not name, of kinds that they name")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("diff", _diff),
        ("apply", _apply),
        ("dump", _dump),
        ("compare", _compare),
        ("revisions", _revisions),
        ("restore", _restore),
    ):
        remote(app, name, PANEL)(command)


def _diff(session: "Session", file: Files, group: Group = "default", prune: Prune = False) -> Exit:
    """Say what `apply` would change; nothing is written. Exit code 3 if there is a difference."""
    told = _sent(session, file, session.group(group), dry_run=True, prune=prune)
    session.out.show(told, lambda: session.out.changes(told))
    session.out.conflicts(told["conflicts"])
    session.out.consent(told)
    return Exit.DIFFERENCES if told["changed"] else Exit.DONE


def _apply(
    session: "Session",
    file: Files,
    group: Group = "default",
    prune: Prune = False,
    note: Note = "",
    wait: Wait = 0,
) -> None:
    """Have a gateway group become what the files say, in one transaction; what is the same is not written."""
    group_id = session.group(group)
    told = _sent(session, file, group_id, prune=prune, note=note)
    _written(session, group_id, told, wait)


def _dump(
    session: "Session",
    group: Group = "default",
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Secrets in clear, but no private keys (administrators)")
    ] = False,
    revision: Annotated[int | None, typer.Option(help="As it was at this revision", show_default=False)] = None,
) -> None:
    """Write a gateway group's configuration as a file that `apply` takes; YAML unless `-o json` is given."""
    path = f"/api/gateway_groups/{session.group(group)}"
    if revision is None:
        config = session.value("GET", f"{path}/config", secrets=secrets)
    elif secrets:
        raise WrongUse("--secrets: the secrets of earlier revisions cannot be read; restore the revision to have them")
    else:
        config = session.value("GET", f"{path}/revisions/{revision}", config=True)["config"]
    session.out.form = Format.YAML if session.out.human else session.out.form
    session.out.data(config)


def _compare(
    session: "Session",
    other: Annotated[str, typer.Argument(help="Gateway group by id or name, or a revision of this group")],
    group: Group = "default",
) -> Exit:
    """Say what makes the other group, or an earlier revision, into this group. Exit code 3 if they differ."""
    wanted = other if other.isdecimal() else session.group(other)
    told = session.value("GET", f"/api/gateway_groups/{session.group(group)}/compare", **{"with": wanted})

    def people() -> None:
        rows = [
            (each["name"], _side(each["here"]), _side(each["there"]), "same" if each["same"] else "differs")
            for each in told["services"]
        ]
        if rows:
            session.out.table(("service", group, other, ""), rows)
        session.out.changes(told)

    session.out.show(told, people)
    return Exit.DONE if told["same"] else Exit.DIFFERENCES


def _revisions(
    session: "Session",
    revision: Annotated[int | None, typer.Argument(help="Only this one, with what it changed")] = None,
    group: Group = "default",
    limit: Annotated[int, typer.Option(help="How many, the newest first", min=1, max=1000)] = 20,
) -> None:
    """List the revisions of a gateway group: who changed what, when and why."""
    from gatefleet.cli.output import when  # noqa: PLC0415

    path = f"/api/gateway_groups/{session.group(group)}/revisions"
    if revision is not None:
        one = session.value("GET", f"{path}/{revision}")

        def people() -> None:
            session.out.table(REVISION, [_row(one, when)])
            if "changes" in one:
                session.out.changes(one)

        session.out.show(one, people)
        return
    found = session.listed(path, page_size=limit)
    session.out.show(found, lambda: session.out.table(REVISION, [_row(one, when) for one in found]))


def _restore(
    session: "Session",
    revision: Annotated[int, typer.Argument(help="The revision whose configuration comes back", min=0)],
    group: Group = "default",
    note: Note = "",
    dry_run: DryRun = False,
    wait: Wait = 0,
) -> None:
    """Have a gateway group hold what it held at a revision, as a new revision."""
    group_id = session.group(group)
    body = {"note": note, "dry_run": dry_run}
    told = session.value("POST", f"/api/gateway_groups/{group_id}/revisions/{revision}/restore", body)
    _written(session, group_id, told, wait)


REVISION: Final = ("revision", "at", "by", "action", "changes", "note")


def _row(one: Mapping[str, Any], when: Any) -> tuple[object, ...]:
    counts = one.get("counts", {})
    signs = {"create": "+", "update": "~", "delete": "-"}
    changed = " ".join(f"{sign}{counts[name]}" for name, sign in signs.items() if counts.get(name))
    return one["revision"], when(one["at"]), one["operator"], one["action"], changed, one["note"]


def _side(side: Mapping[str, Any] | None) -> str:
    if side is None:
        return "-"
    return str(side.get("version", "no version")) + ("" if side["status"] else " (disabled)")


def _sent(session: "Session", files: list[Path], group_id: str, **query: Any) -> dict[str, Any]:
    from gatefleet.cli.files import read  # noqa: PLC0415

    return session.value("PUT", f"/api/gateway_groups/{group_id}/config", read(files), **query)


def _written(session: "Session", group_id: str, told: Mapping[str, Any], wait: float) -> None:
    """Say what was changed, and wait until it is live."""
    from gatefleet.cli.waiting import demand  # noqa: PLC0415

    out = session.out
    if out.human:
        out.changes(told)
        if told["changed"] and not told["dry_run"]:
            out.line(f"revision {told['revision']} of [{group_id}]", "bold")
    out.conflicts(told["conflicts"])
    out.consent(told)
    if told["dry_run"]:
        out.data(told)
        return
    found = demand(session, {group_id: told["revision"]}, wait)
    out.data({**told, **({"receipt": found[group_id]} if found else {})})
