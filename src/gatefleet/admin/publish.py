"""Releasing services to gateway groups: publish, sync, roll back, switch on and off, unpublish."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import caller_of, group_of
from gatefleet.admin.approvals import Executor, Kept, ask
from gatefleet.admin.conflicts import conflicts, neighbours
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.openapi import Answer
from gatefleet.admin.orders import Item, Order, PublishBody, RollbackBody, SyncBody
from gatefleet.admin.patch import patched
from gatefleet.admin.preconditions import refuse_if_changed, tag, tagged
from gatefleet.admin.query import flag
from gatefleet.admin.release import GroupPlan, Plan, Step, accepted, carry_out, pinned, plan, reading, version_value
from gatefleet.admin.web import answer, control, read_json, read_shape, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources import Document
from gatefleet.resources.kept import concealed, marked, refuse_left_stars, restored
from gatefleet.resources.publishing import RUNTIME, Outcome, runtime_of
from gatefleet.resources.secrets import masked, secret_paths
from gatefleet.store import Author, Documents
from gatefleet.store.approvals import Rule, needed
from gatefleet.store.crypto import Cipher
from gatefleet.store.receipts import expected
from gatefleet.store.releases import Releases
from gatefleet.store.store import changing

IN_GROUP: Final = "/api/gateway_groups/{gateway_group_id}/services"


def router() -> APIRouter:
    """Every way a service comes to a group, changes there and leaves it."""
    api = APIRouter(tags=["publishing"])
    done, dry = Answer(openapi.ANYTHING.schema, may_wait=True), (openapi.parameter("dry_run", {"type": "boolean"}),)
    one, why = openapi.one(), openapi.parameter("note", description="Why, for the history")
    add(api, "POST", "/api/services/publish", _publish, system("PublishServices"), body=PublishBody, answers=done)
    check, checked = system("CheckServiceConflicts"), PublishBody
    add(api, "POST", "/api/services/conflict_check", _conflict_check, check, body=checked, answers=one)
    add(api, "POST", f"{IN_GROUP}/{{id}}/sync", _sync, system("SyncService"), body=SyncBody, answers=done, query=dry)
    back = group("RollbackService")
    add(api, "POST", f"{IN_GROUP}/{{id}}/rollback", _rollback, back, body=RollbackBody, answers=done, query=dry)
    runtime, change = f"{IN_GROUP}/{{id}}/runtime_configuration", group("UpdateServiceRuntime")
    add(api, "GET", runtime, _runtime, group("GetService"), answers=one)
    add(api, "PATCH", runtime, _patch_runtime, change, body=openapi.PATCH, answers=one, query=(*dry, why))
    add(api, "DELETE", f"{IN_GROUP}/{{id}}", _unpublish, group("DeleteService"), answers=done, query=(*dry, why))
    return api


async def _publish(request: Request) -> Response:
    """Bring versions of services to gateway groups: all of it or nothing."""
    body = await read_shape(request, PublishBody)
    return await _release(request, body.order(), dry=body.dry_run or flag(request, "dry_run"))


async def _sync(request: Request) -> Response:
    """Bring the version a group runs to other groups, under the same number."""
    body = await read_shape(request, SyncBody)
    order = body.order(request.path_params["id"], group_of(request))
    return await _release(request, order, dry=body.dry_run or flag(request, "dry_run"))


async def _rollback(request: Request) -> Response:
    """Have a group go back to a version it once ran; its runtime configuration stays."""
    body = await read_shape(request, RollbackBody)
    item = Item(request.path_params["id"], version=body.version)
    order = Order("rollback", (item,), (group_of(request),), note=body.note)
    return await _release(request, order, dry=body.dry_run or flag(request, "dry_run"))


async def _unpublish(request: Request) -> Response:
    """Take a service out of a group; its versions stay."""
    item = Item(request.path_params["id"])
    order = Order("unpublish", (item,), (group_of(request),), note=_note(request))
    return await _release(request, order, dry=flag(request, "dry_run"))


async def _release(request: Request, order: Order, *, dry: bool) -> Response:
    """Carry an order out, or tell what it would do."""
    store, operator = control(request).store, caller_of(request).name
    if dry:
        async with store.moment() as connection:
            releases = Releases(connection, store.cipher)
            planned = await plan(releases, order, await reading(connection, store.cipher, order))
            rule = await needed(connection, order.operation, order.groups)
            leaving = await _leaving(releases, planned) if order.operation == "rollback" else {}
        return value({**planned.plain(), **leaving, **({"approval_rule": rule.name} if rule else {})})
    async with audit.transact(request) as connection, AsyncExitStack() as stack:
        releases = Releases(connection, store.cipher)
        groups = {
            id_: await stack.enter_async_context(audit.in_group(request, connection, id_)) for id_ in order.touched()
        }
        planned = await plan(releases, order, groups)
        planned.refuse_duplicates()
        if rule := await needed(connection, order.operation, order.groups):
            return await _ask(request, releases, rule, order, planned)
        done = await carry_out(releases, planned, groups, operator)
        services = ",".join(item.service_id for item in order.items)
        audit.note(request, f"services/{order.operation}", services, _noted(order), answer=done.plain())
    return value(done.plain())


async def _leaving(releases: Releases, planned: Plan) -> dict[str, Any]:
    """Of a rollback: the version that is left, with what its publisher said for this moment, and how long it takes."""
    group_plan = planned.groups[0]
    running = group_plan.steps[0].running
    version = await releases.version(running) if running else None
    took = await expected(releases.connection, group_plan.group_id)
    return {
        **({"leaving": version_value(version)} if version else {}),
        **({"expected_time_to_live": {"p50_ms": took.p50_ms, "p99_ms": took.p99_ms}} if took else {}),
    }


async def _ask(request: Request, releases: Releases, rule: Rule, order: Order, planned: Plan) -> Response:
    """Make the versions, and keep the rest until somebody else approves it."""
    kept = await pinned(releases, order, planned, caller_of(request).name)
    return await ask(
        request,
        releases.connection,
        rule,
        order.operation,
        order.groups,
        msgspec.to_builtins(kept),
        services=[item.service_id for item in order.items],
        note=order.note,
    )


async def _preview_kept(connection: AsyncConnection, cipher: Cipher, kept: Kept) -> Mapping[str, Any]:
    order = msgspec.convert(kept, Order)
    return (await plan(Releases(connection, cipher), order, await reading(connection, cipher, order))).plain()


async def _run_kept(connection: AsyncConnection, cipher: Cipher, kept: Kept, author: Author) -> Mapping[str, Any]:
    order, releases = msgspec.convert(kept, Order), Releases(connection, cipher)
    async with AsyncExitStack() as stack:
        groups = {
            id_: await stack.enter_async_context(changing(connection, cipher, id_, author)) for id_ in order.touched()
        }
        planned = await plan(releases, order, groups)
        planned.refuse_duplicates()
        return (await carry_out(releases, planned, groups, author.operator)).plain()


EXECUTORS: Final = dict.fromkeys(("publish", "sync", "rollback", "unpublish"), Executor(_preview_kept, _run_kept))
"""How orders that waited for an approval are carried out."""


def _noted(order: Order) -> dict[str, Any]:
    versions = {item.service_id: item.version for item in order.items if item.version}
    source = {"source_gateway_group": order.source_group_id} if order.source_group_id else {}
    return {"gateway_groups": order.groups, **source, "versions": versions, "note": order.note}


def _note(request: Request) -> str:
    """The note of a request without a body."""
    return request.query_params.get("note", "")


async def _conflict_check(request: Request) -> Response:
    """The conflicts of what the templates are now, or of the versions named."""
    body = await read_shape(request, PublishBody)
    order = body.order()
    store = control(request).store
    async with store.moment() as connection:
        releases = Releases(connection, store.cipher)
        coming = [document for item in order.items for document in await _coming(releases, item)]
        others: list[Document] = []
        for documents in (await reading(connection, store.cipher, order)).values():
            others.extend(await neighbours(documents, coming))
    return value(conflicts(coming, others).plain())


async def _coming(releases: Releases, item: Item) -> Sequence[Document]:
    documents = await releases.template_content(item.service_id)
    if not documents:
        raise NotFound(f"service template [{item.service_id}] not found")
    return [_with(document, item.runtime()) if document.kind == "services" else document for document in documents]


def _with(service: Document, runtime: Mapping[str, Any]) -> Document:
    return Document(service.kind, service.id, service.parent, {**service.body, **runtime})


async def _runtime(request: Request) -> Response:
    """What is the group's own of a service."""
    async with control(request).store.read(group_of(request)) as documents:
        service = await documents.get("services", request.path_params["id"])
    if service is None:
        raise NotFound(f"service [{request.path_params['id']}] not found in gateway group [{group_of(request)}]")
    return tagged(tag(service), _runtime_value(service.document))


async def _patch_runtime(request: Request) -> Response:
    """Change what is the group's own of a service: it needs no version. With If-Match, only as it was read."""
    patch, store = await read_json(request), control(request).store
    if flag(request, "dry_run"):
        async with store.read(group_of(request)) as documents:
            planned = await _plan_runtime(request, documents, patch)
        return value(planned.plain())
    async with (
        audit.transact(request) as connection,
        audit.in_group(request, connection, group_of(request)) as documents,
    ):
        refuse_if_changed(request, await documents.get("services", request.path_params["id"]))
        planned = await _plan_runtime(request, documents, patch)
        releases = Releases(connection, store.cipher)
        await carry_out(releases, planned, {documents.group_id: documents}, caller_of(request).name)
        service = planned.groups[0].steps[0].service
        said = masked("services", service.id, service.body)
        told = {"service_id": service.id, **runtime_of(said)}
        audit.note(request, "services/runtime_configuration", service.id, said, answer=told)
    warnings = {"warning_msg": "; ".join(planned.warnings())} if planned.warnings() else {}
    return answer({"value": _runtime_value(service), **warnings})


async def _plan_runtime(request: Request, documents: Documents, patch: Any) -> Plan:
    """The service with its runtime configuration patched; Invalid if the patch reaches beyond it."""
    service_id = request.path_params["id"]
    present = tuple(await documents.family("services", service_id))
    service = next((document for document in present if document.kind == "services"), None)
    if service is None:
        raise NotFound(f"service [{service_id}] not found in gateway group [{documents.group_id}]")
    before = marked(service)
    changed = patched(runtime_of(before), patch)
    beyond = sorted(set(changed) - set(RUNTIME))
    if beyond:
        raise Invalid(f"{beyond} are not part of the runtime configuration ({', '.join(RUNTIME)})")
    rest = {key: part for key, part in before.items() if key not in RUNTIME}
    body = restored(service, {**rest, **changed})
    refuse_left_stars("services", service_id, body)
    wanted = Outcome((Document("services", service_id, None, body),))
    outcome = accepted(wanted).against(present)
    releases = Releases(documents.connection, control(request).store.cipher)
    publication = await releases.publication(documents.group_id, service_id)
    running = await releases.version(publication.version_id) if publication and publication.version_id else None
    action = _switch(service, outcome)
    step = Step(service_id, action, present, outcome, running, running.id if running else None)
    coming = outcome.after(present)
    others = await neighbours(documents, coming) if outcome.upserts else []
    planned = GroupPlan(documents.group_id, (step,), conflicts(coming, others))
    return Plan(action, _note(request), (planned,), (running,) if running else ())


def _switch(before: Document, outcome: Outcome) -> str:
    """What a change of runtime configuration is in history: enable, disable, or runtime for any other."""
    status = next((document.body.get("status") for document in outcome.upserts), before.body.get("status"))
    if status == before.body.get("status"):
        return "runtime"
    return "enable" if status else "disable"


def _runtime_value(service: Document) -> dict[str, Any]:
    shown = concealed(service, secret_paths("services", service.id, service.body))
    return {"service_id": service.id, **runtime_of(shown)}
