"""A gateway group's whole configuration as one document: read it, or have the group become what it says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import caller_of, group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.query import flag
from gatefleet.admin.release import revision_of
from gatefleet.admin.servable import check_servable
from gatefleet.admin.web import answer, control, read_object, value
from gatefleet.admin.whole import Plan, carry_out, chosen, guard_all, plan
from gatefleet.errors import Forbidden, Invalid
from gatefleet.resources import KINDS, Document, Published
from gatefleet.resources.declared import Declared, Problem, declare, misfits, moved, read
from gatefleet.resources.diff import same
from gatefleet.store.documents import in_order
from gatefleet.store.releases import Deed, Releases, Version

MAX_NOTE: Final = 1024
AUDITED_LINES: Final = 200
"""Sentences about one change that the audit log keeps."""


def router() -> APIRouter:
    """The configuration of a group."""
    api = APIRouter(tags=["configuration"])
    path = "/api/gateway_groups/{gateway_group_id}/config"
    switch: dict[str, Any] = {"type": "boolean"}
    secrets = openapi.parameter("secrets", switch, "With secrets in clear; for administrators, and audited")
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
        await _account_for_secrets(request, group_id)
    changes = await control(request).store.read_changes(group_id, 0)
    content = {"value": declare(changes.upserts, secrets=secrets)}
    return answer(content, headers={"X-Gateway-Group-Revision": str(changes.revision)})


async def _account_for_secrets(request: Request, group_id: str) -> None:
    """Forbidden for a group's key; for others it stands in the audit log that all secrets were read."""
    if caller_of(request).group_id is not None:
        raise Forbidden("all secrets at once are for administrators; leave out the query parameter secrets")
    async with audit.transact(request, group_id):
        audit.note(request, "config", group_id, {"secrets": True})


async def _apply(request: Request) -> Response:
    """Have the group become what the body says, in one transaction; what is the same is not written."""
    body, prune, note = await read_object(request), flag(request, "prune"), _note(request)
    store, group_id = control(request).store, group_of(request)
    if flag(request, "dry_run"):
        held = await store.read_changes(group_id, 0)
        return value({"dry_run": True, "revision": held.revision, **_planned(body, held.upserts, prune=prune).plain()})
    async with audit.change_group(request) as documents:
        planned = _planned(body, await documents.everything(), prune=prune)
        await guard_all(documents, planned)
        documents.action, documents.note = "apply", note
        releases = Releases(documents.connection, store.cipher)

        async def candidates(_service_id: str, running: str | None) -> Sequence[Version]:
            version = await releases.version(running) if running else None
            return [version] if version else []

        deed = Deed("edit", caller_of(request).name, documents.revision, note)
        await carry_out(documents, releases, planned, await chosen(documents, planned, candidates), deed)
        shown = planned.plain()
        audit.note(request, "config", group_id, {"prune": prune, "note": note, "text": shown["text"][:AUDITED_LINES]})
        revision = revision_of(documents)
    return value({"dry_run": False, "revision": revision, **shown})


def _note(request: Request) -> str:
    note = request.query_params.get("note", "")
    if len(note) > MAX_NOTE:
        raise Invalid(f"note is longer than {MAX_NOTE} characters")
    return note


def _planned(body: Mapping[str, Any], before: Sequence[Document], *, prune: bool) -> Plan:
    """What the document asks for; Invalid with every problem there is."""
    held = Published.of(before)
    declared = read(body, held)
    gone = declared.gone(held) if prune else []
    after = held.changed(declared.documents.values(), ((document.kind, document.key) for document in gone))
    problems = [*declared.problems, *_unservable(declared, held), *misfits(declared, gone, after)]
    if problems:
        errors = [{"pointer": problem.pointer, "error": problem.error} for problem in problems]
        raise Invalid("; ".join(map(str, problems)), errors)
    return plan(before, in_order(document for kind in KINDS for document in after.all(kind).values()))


def _unservable(declared: Declared, held: Published) -> Iterator[Problem]:
    """What no node could serve, among what is new."""
    for (kind, key), document in declared.documents.items():
        if same(held.get(kind, key), document):
            continue
        try:
            check_servable(document)
        except Invalid as error:
            yield moved(str(error), declared.places[kind, key])
