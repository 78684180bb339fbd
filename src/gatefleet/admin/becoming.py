"""Orders about a whole group: told in a dry run, kept until somebody approves them, or carried out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit
from gatefleet.admin.access import caller_of, group_of
from gatefleet.admin.approvals import Executor, Kept, ask
from gatefleet.admin.release import revision_of
from gatefleet.admin.web import control, value
from gatefleet.admin.whole import Candidates, Plan, carry_out, chosen, guard_all
from gatefleet.store import Author, Documents
from gatefleet.store.approvals import needed
from gatefleet.store.crypto import Cipher
from gatefleet.store.releases import Deed, Releases
from gatefleet.store.store import changing, looking

AUDITED_LINES: Final = 200
"""Sentences about one change that the audit log keeps."""


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of order. `deed` is what it is in the history of services.

    `released`: a service may come with a version where services come by publishing only.
    """

    operation: str
    deed: str
    plan: Callable[[Documents, Cipher, Kept], Awaitable[Plan]]
    candidates: Callable[[Documents, Releases, Kept], Candidates]
    released: bool = False


async def respond(request: Request, way: Way, order: Kept, *, dry: bool) -> Response:
    """Do what the order says with the group of the request, and say what that changes. `order` has a `note`."""
    store, group_id = control(request).store, group_of(request)
    kept = {**order, "gateway_group_id": group_id}
    if dry:
        async with store.moment() as connection:
            told = await _previewed(way, connection, store.cipher, kept)
            rule = await needed(connection, way.operation, [group_id]) if told["changed"] else None
        return value({"dry_run": True, **told, **({"approval_rule": rule.name} if rule else {})})
    async with audit.change_group(request, group_id) as documents:
        planned = await way.plan(documents, store.cipher, kept)
        rule = None if planned.empty else await needed(documents.connection, way.operation, [group_id])
        if rule:
            return await ask(
                request, documents.connection, rule, way.operation, [group_id], kept, note=str(order["note"])
            )
        await _write(way, documents, store.cipher, kept, planned, caller_of(request).name)
        shown = planned.plain()
        told = {"dry_run": False, "revision": revision_of(documents), **shown}
        noted = {"note": order["note"], "text": shown["text"][:AUDITED_LINES]}
        audit.note(request, way.operation, group_id, noted, answer=told)
    return value(told)


def executor(way: Way) -> Executor:
    """How such an order is told and carried out once it is approved."""

    async def preview(connection: AsyncConnection, cipher: Cipher, kept: Kept) -> Mapping[str, Any]:
        return await _previewed(way, connection, cipher, kept)

    async def run(connection: AsyncConnection, cipher: Cipher, kept: Kept, author: Author) -> Mapping[str, Any]:
        async with changing(connection, cipher, kept["gateway_group_id"], author) as documents:
            documents.publishing_rule = None  # its consent is what brought us here
            planned = await way.plan(documents, cipher, kept)
            await _write(way, documents, cipher, kept, planned, author.operator)
            return {"revision": revision_of(documents), **planned.plain()}

    return Executor(preview, run)


async def _previewed(way: Way, connection: AsyncConnection, cipher: Cipher, kept: Kept) -> dict[str, Any]:
    documents = await looking(connection, cipher, kept["gateway_group_id"])
    return {"revision": documents.revision, **(await way.plan(documents, cipher, kept)).plain()}


async def _write(way: Way, documents: Documents, cipher: Cipher, kept: Kept, planned: Plan, operator: str) -> None:
    documents.action, documents.note = way.operation, kept["note"]
    releases = Releases(documents.connection, cipher)
    choice = await chosen(documents, planned, way.candidates(documents, releases, kept))
    versioned = {service for service, version in choice.versions.items() if version} if way.released else set[str]()
    await guard_all(documents, planned, but=versioned)
    await carry_out(documents, releases, planned, choice, Deed(way.deed, operator, documents.revision, kept["note"]))
