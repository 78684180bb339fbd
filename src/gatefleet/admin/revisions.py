"""The revisions of a gateway group: what each changed, what the group held then, and going back to it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from gatefleet.admin import openapi
from gatefleet.admin.access import group_of
from gatefleet.admin.approvals import Kept
from gatefleet.admin.becoming import Way, executor, respond
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.query import flag, number
from gatefleet.admin.web import control, listing, read_shape, unix, value
from gatefleet.admin.whole import Candidates, Plan, plan
from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, document_key
from gatefleet.resources.declared import declare
from gatefleet.resources.diff import diff, sentences
from gatefleet.store import Documents
from gatefleet.store.crypto import Cipher
from gatefleet.store.releases import Releases, Version
from gatefleet.store.revisions import Revision, revision, revisions
from gatefleet.store.running import once_ran
from gatefleet.store.store import as_of

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000
NAMED: Final = 20
"""How many of the resources a revision touched a list names; one revision's own page has them all."""
MAX_NOTE: Final = 1024


class Restore(msgspec.Struct):
    """The body of a restore."""

    note: str = ""
    dry_run: bool = False


def router() -> APIRouter:
    """History of a group."""
    api = APIRouter(tags=["revisions"])
    path = "/api/gateway_groups/{gateway_group_id}/revisions"
    pages = (
        openapi.parameter("page", {"type": "integer", "minimum": 1}),
        openapi.parameter("page_size", {"type": "integer", "minimum": 1, "default": PAGE_SIZE}),
    )
    config = openapi.parameter("config", {"type": "boolean"}, "With the whole configuration as it was, secrets masked")
    listed = openapi.many(paged=False)
    add(api, "GET", path, _list, group("ListRevisions"), answers=listed, query=pages)
    add(api, "GET", f"{path}/{{revision}}", _one, group("GetRevision"), answers=openapi.one(), query=(config,))
    restore = f"{path}/{{revision}}/restore"
    add(api, "POST", restore, _restore, group("RestoreRevision"), body=Restore, answers=openapi.one())
    return api


async def _list(request: Request) -> Response:
    """The revisions that are kept, newest first."""
    params = request.query_params
    page = number("page", params.get("page") or "1")
    page_size = min(number("page_size", params.get("page_size") or str(PAGE_SIZE)), MAX_PAGE_SIZE)
    async with control(request).store.moment() as connection:
        found, total = await revisions(connection, group_of(request), page, page_size)
    return listing([_shown(one, NAMED) for one in found], total)


async def _one(request: Request) -> Response:
    """One revision with the difference it made; the oldest that is kept has none."""
    wanted, group_id, store = _asked(request), group_of(request), control(request).store
    async with store.moment() as connection:
        found = await revision(connection, group_id, wanted)
        shown = _shown(found, None)
        if found.touched is not None:
            names = {(t.kind, document_key(KINDS[t.kind], t.id, t.parent)) for t in found.touched}
            before = await as_of(connection, store.cipher, group_id, wanted - 1, names)
            changes = diff(before, await as_of(connection, store.cipher, group_id, wanted, names))
            shown |= {"changes": [change.plain() for change in changes], "text": sentences(changes)}
        if flag(request, "config"):
            shown["config"] = declare(await as_of(connection, store.cipher, group_id, wanted))
    return value(shown)


async def _restore(request: Request) -> Response:
    """Have the group hold what it held at a revision, as a new revision; services follow with their versions."""
    wanted, order = _asked(request), await read_shape(request, Restore)
    if len(order.note) > MAX_NOTE:
        raise Invalid(f'Error at "/note": maximum string length is {MAX_NOTE}')
    kept = {"revision": wanted, "note": order.note or f"revision {wanted}"}
    return await respond(request, RESTORE, kept, dry=order.dry_run or flag(request, "dry_run"))


async def _plan(documents: Documents, cipher: Cipher, kept: Kept) -> Plan:
    after = await as_of(documents.connection, cipher, documents.group_id, kept["revision"])
    return await asyncio.to_thread(plan, await documents.everything(), after)


def _candidates(documents: Documents, releases: Releases, kept: Kept) -> Candidates:
    """The versions a service ran by then, the last first; and the one it runs now."""

    async def found(service_id: str, running: str | None) -> Sequence[Version]:
        once = await once_ran(documents.connection, documents.group_id, service_id, kept["revision"])
        ids = [*once, running] if running and running not in once else once
        return [version for id_ in ids if (version := await releases.version(id_))]

    return found


RESTORE: Final = Way("restore", "restore", _plan, _candidates, released=True)
EXECUTORS: Final = {RESTORE.operation: executor(RESTORE)}
"""How restores that waited for an approval are done."""


def _asked(request: Request) -> int:
    """The revision in the path; 0 is the empty group it began as."""
    text = request.path_params["revision"]
    return 0 if text == "0" else number("revision", text, 2**62)


def _shown(one: Revision, named: int | None) -> dict[str, Any]:
    """A revision as JSON; of what it touched as many as are named."""
    shown: dict[str, Any] = {
        "revision": one.number,
        "at": unix(one.at),
        "operator": one.operator,
        "action": one.action,
        "note": one.note,
        "request_id": one.request_id,
    }
    if one.touched is None:
        return shown
    counts = Counter(touch.operation for touch in one.touched)
    touched = [asdict(touch) for touch in one.touched[:named]]
    return {**shown, "counts": {name: counts[name] for name in ("create", "update", "delete")}, "touched": touched}
