"""A gateway group's whole configuration as one document: read it, or have the group become what it says."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import caller_of, group_of
from gatefleet.admin.approvals import Kept
from gatefleet.admin.becoming import Way, executor, respond
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.query import flag
from gatefleet.admin.servable import check_servable
from gatefleet.admin.web import answer, control, read_object
from gatefleet.admin.whole import Candidates, Plan, plan
from gatefleet.errors import Forbidden, Invalid
from gatefleet.resources import KINDS, Document, Published
from gatefleet.resources.declared import Declared, Problem, declare, misfits, moved, read, with_stars
from gatefleet.resources.diff import same
from gatefleet.resources.kept import readable
from gatefleet.store import Documents
from gatefleet.store.crypto import Cipher
from gatefleet.store.documents import in_order
from gatefleet.store.releases import Releases, Version

MAX_NOTE: Final = 1024


def router() -> APIRouter:
    """The configuration of a group."""
    api = APIRouter(tags=["configuration"])
    path = "/api/gateway_groups/{gateway_group_id}/config"
    switch: dict[str, Any] = {"type": "boolean"}
    secrets = openapi.parameter("secrets", switch, "Secrets in clear, but no private keys; for administrators, audited")
    queries = (
        openapi.parameter("dry_run", switch, "Only say what would change"),
        openapi.parameter("prune", switch, "Delete what the document does not name, of kinds that it names"),
        openapi.parameter("note", description="Why, for the log of revisions"),
    )
    one = openapi.one()
    add(api, "GET", path, _read, group("GetConfiguration"), answers=one, query=(secrets,))
    add(api, "PUT", path, _apply, group("ApplyConfiguration"), body=openapi.OBJECT, answers=one, query=queries)
    return api


async def _read(request: Request) -> Response:
    """The whole configuration; sent back as it is, it changes nothing."""
    group_id, secrets = group_of(request), flag(request, "secrets")
    if secrets:
        _for_administrators(request)
    await audit.reveal(request, "config", group_id, {"secrets": secrets}, group_id)
    changes = await control(request).store.read_changes(group_id, 0)
    content = {"value": declare(changes.upserts, readable if secrets else with_stars)}
    return answer(content, headers={"X-Gateway-Group-Revision": str(changes.revision)})


def _for_administrators(request: Request) -> None:
    """Forbidden for all but administrators."""
    caller = caller_of(request)
    if caller.group_id is not None or not caller.unlimited:
        raise Forbidden("all secrets at once are for administrators; leave out the query parameter secrets")


async def _apply(request: Request) -> Response:
    """Have the group become what the body says, in one transaction; what is the same is not written."""
    order = {"config": await read_object(request), "prune": flag(request, "prune"), "note": _note(request)}
    return await respond(request, APPLY, order, dry=flag(request, "dry_run"))


async def _plan(documents: Documents, _: Cipher, kept: Kept) -> Plan:
    """What the document asks for; Invalid with every problem there is. Thousands of resources take seconds to check."""
    return await asyncio.to_thread(_planned, kept["config"], await documents.everything(), prune=kept["prune"])


def _planned(body: Mapping[str, Any], before: Sequence[Document], *, prune: bool) -> Plan:
    held = Published.of(before)
    declared = read(body, held)
    gone = declared.gone(held) if prune else []
    after = held.changed(declared.documents.values(), ((document.kind, document.key) for document in gone))
    problems = [*declared.problems, *_unservable(declared, held), *misfits(declared, gone, after)]
    if problems:
        errors = [{"pointer": problem.pointer, "error": problem.error} for problem in problems]
        raise Invalid("; ".join(map(str, problems)), errors)
    return plan(before, in_order(document for kind in KINDS for document in after.all(kind).values()))


def _candidates(_: Documents, releases: Releases, __: Kept) -> Candidates:
    """It is an edit: a service keeps its version as long as it does what that says."""

    async def found(_: str, running: str | None) -> Sequence[Version]:
        version = await releases.version(running) if running else None
        return [version] if version else []

    return found


APPLY: Final = Way("apply", "edit", _plan, _candidates)
EXECUTORS: Final = {APPLY.operation: executor(APPLY)}
"""How documents that waited for an approval are applied."""


def _note(request: Request) -> str:
    note = request.query_params.get("note", "")
    if len(note) > MAX_NOTE:
        raise Invalid(f"note is longer than {MAX_NOTE} characters")
    return note


def _unservable(declared: Declared, held: Published) -> Iterator[Problem]:
    """What no node could serve, among what is new."""
    given = {key: document for (kind, key), document in declared.documents.items() if kind == "protos"}
    protos = {key: str(document.body["content"]) for key, document in {**held.all("protos"), **given}.items()}
    for (kind, key), document in declared.documents.items():
        if same(held.get(kind, key), document):
            continue
        try:
            check_servable(document, protos=protos)
        except Invalid as error:
            yield moved(str(error), declared.places[kind, key])
