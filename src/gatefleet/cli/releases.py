"""Commands about versions of services: publish, sync, rollback, versions; receipts; and the promotion of rings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatefleet.cli.remote import DryRun, Exit, Group, Note, Wait, WrongUse, remote

if TYPE_CHECKING:
    from gatefleet.cli.session import Session

PANEL: Final = "Releases"
Service = Annotated[str, typer.Argument(help="Service, by id or name")]
Hosts = Annotated[list[str] | None, typer.Option("--host", help="Host of the service there; repeatable")]
Nodes = Annotated[list[str] | None, typer.Option("--node", help="Upstream node there: host:port[=weight]; repeatable")]
Groups = Annotated[list[str], typer.Option("--to", help="Gateway group, by id or name; repeatable")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("publish", _publish),
        ("sync", _sync),
        ("rollback", _rollback),
        ("versions", _versions),
        ("receipts", _receipts),
        ("promote", _promote),
    ):
        remote(app, name, PANEL)(command)


def _publish(
    session: "Session",
    service: Service,
    version: Annotated[str, typer.Option("--version", help="Name of the version, such as 1.2.0")],
    to: Groups,
    existing: Annotated[
        bool, typer.Option("--existing", help="Publish a version there is, do not make one of the template")
    ] = False,
    host: Hosts = None,
    node: Nodes = None,
    note: Note = "",
    dry_run: DryRun = False,
    wait: Wait = 0,
) -> None:
    """Publish a service template as a version to gateway groups, all or none of them."""
    item = {"service_id": session.service(service), "version": version, **_runtime(host, node)}
    body = {
        "services": [item],
        "create_new_version": not existing,
        "gateway_group_ids": [session.group(each) for each in to],
        "note": note,
        "dry_run": dry_run,
    }
    _released(session, session.value("POST", "/api/services/publish", body), wait)


def _sync(
    session: "Session",
    service: Service,
    to: Groups,
    group: Group = "default",
    version: Annotated[
        str, typer.Option("--version", help="Name of the version, if the service has none yet", show_default=False)
    ] = "",
    host: Hosts = None,
    node: Nodes = None,
    note: Note = "",
    dry_run: DryRun = False,
    wait: Wait = 0,
) -> None:
    """Bring the version that runs in one gateway group to others."""
    source = session.group(group)
    path = f"/api/gateway_groups/{source}/services/{session.service(service, source)}/sync"
    body = {
        "gateway_group_ids": [session.group(each) for each in to],
        "version": version,
        **_runtime(host, node),
        "note": note,
        "dry_run": dry_run,
    }
    _released(session, session.value("POST", path, body), wait)


def _rollback(
    session: "Session",
    service: Service,
    version: Annotated[str, typer.Argument(help="A version that ran in the gateway group before")],
    group: Group = "default",
    note: Note = "",
    dry_run: DryRun = False,
    wait: Wait = 0,
) -> None:
    """Go back to a version in one gateway group; its hosts, upstream and status stay."""
    group_id = session.group(group)
    path = f"/api/gateway_groups/{group_id}/services/{session.service(service, group_id)}/rollback"
    body = {"version": version, "note": note, "dry_run": dry_run}
    _released(session, session.value("POST", path, body), wait)


def _versions(
    session: "Session",
    service: Service,
    diff: Annotated[
        tuple[str, str] | None, typer.Option("--diff", help="Two versions: say what the second changes of the first")
    ] = None,
) -> None:
    """List the versions of a service and where they run; or compare two of them."""
    from gatefleet.cli.output import when  # noqa: PLC0415

    service_id = session.service(service)
    if diff:
        told = session.value("GET", f"/api/services/{service_id}/versions/{diff[0]}/diff/{diff[1]}")
        session.out.show(told, lambda: session.out.changes(told))
        return
    found = session.listed(f"/api/services/{service_id}/versions")
    rows = [
        (
            each["version"],
            when(each["created_at"]),
            each["created_by"],
            ", ".join(sorted(group["gateway_group_name"] for group in each["gateway_groups"])),
            each["note"],
        )
        for each in found
    ]
    session.out.show(found, lambda: session.out.table(("version", "made", "by", "runs in", "note"), rows))


def _receipts(
    session: "Session",
    revision: Annotated[int | None, typer.Argument(help="Only this one, instance by instance", min=1)] = None,
    group: Group = "default",
    wait: Wait = 0,
    limit: Annotated[int, typer.Option(help="How many, the newest first", min=1, max=100)] = 20,
) -> None:
    """Say which instances serve a revision; exit code 4 if one of them does not. Without a revision: the newest."""
    from gatefleet.cli import waiting  # noqa: PLC0415
    from gatefleet.cli.output import milliseconds, when  # noqa: PLC0415

    group_id = session.group(group)
    if revision is None:
        found = session.listed(f"/api/gateway_groups/{group_id}/receipts", page_size=limit)
        rows = [
            (each["revision"], when(each["at"]), each["text"], milliseconds(each["time_to_live"])) for each in found
        ]
        session.out.show(found, lambda: session.out.table(("revision", "at", "state", "time to live"), rows))
        return
    receipts = waiting.receipts(session, {group_id: revision}, wait)
    one = receipts[group_id]

    def people() -> None:
        lines = [
            (line["hostname"], line["id"], line["state"], _time(line), line["reason"]) for line in one["instances"]
        ]
        session.out.table(("instance", "id", "state", "after", "reason"), lines)
        waiting.tell(session.out, group_id, one)

    session.out.show(one, people)
    waiting.check(receipts)


def _promote(
    session: "Session",
    ring: Annotated[str | None, typer.Argument(help="Id of the ring; without it the one that runs")] = None,
    group: Group = "default",
    rollback: Annotated[bool, typer.Option("--rollback", help="End the ring without publishing to the rest")] = False,
    note: Note = "",
    wait: Wait = 0,
) -> Exit | None:
    """Publish what a ring is trying to all instances of its gateway group; or, with --rollback, to none."""
    from gatefleet.cli.waiting import demand  # noqa: PLC0415

    group_id = session.group(group)
    path = f"/api/gateway_groups/{group_id}/rings"
    if ring is None:
        running = [each for each in session.listed(path) if each["state"] == "running"]
        if not running:
            raise WrongUse(f"no ring runs in gateway group [{group_id}]")
        ring = str(running[0]["id"])
    verb = "rollback" if rollback else "promote"
    told = session.value("POST", f"{path}/{ring}/{verb}", {"note": note})
    if session.out.human:
        session.out.line(f"ring [{ring}] of [{group_id}]: {told['state']}", "bold")
    revision = session.revision
    found: Mapping[str, Any] = demand(session, {group_id: revision}, wait) if revision else {}
    session.out.data({**told, **({"receipt": found[group_id]} if found else {})})
    return None


def _runtime(hosts: Sequence[str] | None, nodes: Sequence[str] | None) -> dict[str, Any]:
    """What is set for the groups only."""
    upstream = {"upstream": {"nodes": [_node(each) for each in nodes]}} if nodes else {}
    return {**({"hosts": list(hosts)} if hosts else {}), **upstream}


def _node(text: str) -> dict[str, Any]:
    address, _, weight = text.partition("=")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not (weight or "1").isdecimal():
        raise WrongUse(f"--node: [{text}] is not host:port or host:port=weight")
    return {"host": host, "port": int(port), "weight": int(weight or 1)}


def _released(session: "Session", told: Mapping[str, Any], wait: float) -> None:
    """Say what a release changed, group by group, and wait until it is live."""
    from gatefleet.cli.waiting import demand  # noqa: PLC0415

    out = session.out
    for warning in told.get("warnings", ()):
        out.warn(warning)
    out.consent(told)
    if told.get("dry_run"):
        out.show(told, lambda: _planned(session, told))
        return
    if out.human:
        for group_id, revision in told["revisions"].items():
            out.line(f"revision {revision} of [{group_id}]", "bold")
    found = demand(session, told["revisions"], wait)
    out.data({**told, **({"receipts": found} if found else {})})


def _planned(session: "Session", told: Mapping[str, Any]) -> None:
    from gatefleet.cli.output import milliseconds  # noqa: PLC0415

    for each in told["groups"]:
        session.out.line(f"gateway group [{each['gateway_group_id']}]", "bold")
        session.out.changes(each)
    if note := told.get("leaving", {}).get("rollback_note"):
        session.out.line(f"what to mind when leaving it: {note}")
    if expected := told.get("expected_time_to_live"):
        session.out.line(f"going back is expected to be live after {milliseconds(expected)}")


def _time(line: Mapping[str, Any]) -> str:
    after = line["time_to_live_ms"]
    return "" if after is None else f"{after:.0f} ms"
