"""`gatefleet audit verify`: compute the seals of the audit log again, and print the newest to be kept elsewhere."""

import asyncio
from typing import Annotated, Any

import typer

from gatefleet.errors import Invalid


def add(app: typer.Typer) -> None:
    """Add the sub-commands of `audit`."""
    group = typer.Typer(no_args_is_help=True)
    group.command("verify", help="Find rows that were changed, removed, reordered or slipped in.")(_verify)
    app.add_typer(group, name="audit", help="The audit log.")


def _verify(
    dsn: Annotated[str, typer.Option("--dsn", envvar="GATEFLEET_ADMIN_DSN", help="PostgreSQL of the control plane")],
    pin: Annotated[list[str] | None, typer.Option("--pin", help="SEGMENT:HASH kept elsewhere; repeatable")] = None,
) -> None:
    report = asyncio.run(_report(dsn, dict(_pin(text) for text in pin or ())))
    for problem in report.problems:
        typer.echo(f"PROBLEM: {problem}")
    waiting = f", {report.unsealed} rows wait for the next one" if report.unsealed else ""
    typer.echo(f"{report.rows} rows in {report.segments} segments{waiting}")
    typer.echo(f"newest seal, to be kept elsewhere: --pin {report.head[0]}:{report.head[1]}")
    if report.problems:
        raise typer.Exit(1)


async def _report(dsn: str, pinned: dict[int, str]) -> Any:
    from gatefleet.store import audit, check  # noqa: PLC0415  (commands that need no database load none)
    from gatefleet.store.database import connect, snapshot  # noqa: PLC0415

    engine = connect(dsn, pool_size=1)
    try:
        await check(engine)
        async with snapshot(engine) as connection:
            return await audit.verify(connection, pinned)
    finally:
        await engine.dispose()


def _pin(text: str) -> tuple[int, str]:
    segment, colon, digest = text.partition(":")
    if not colon or not segment.isdecimal():
        raise Invalid(f"--pin {text}: write SEGMENT:HASH, as a former run printed it")
    return int(segment), digest.lower()
