"""Service templates and the routes below them (/api/{services,routes,stream_routes}/template): what versions are of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response

from gatefleet.admin import audit, openapi
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.grants import Subject, labels_of
from gatefleet.admin.patch import patched
from gatefleet.admin.preconditions import refuse_if_changed, tag, tagged
from gatefleet.admin.present import shown
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.servable import check_servable
from gatefleet.admin.visible import limited, permitted, whole
from gatefleet.admin.web import answer, control, listing, read_json, read_object, read_shape, unix, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from gatefleet.resources.kept import marked, refuse_left_stars, restored
from gatefleet.resources.messages import error_at
from gatefleet.resources.relations import misplaced
from gatefleet.resources.secrets import masked
from gatefleet.store import Query, Stored
from gatefleet.store.releases import Releases

NAMES: Final = {
    "services": "service template",
    "routes": "route template",
    "stream_routes": "stream route template",
}


class Clone(msgspec.Struct):
    """The body of a copy."""

    name: str


def router() -> APIRouter:
    """CRUD of the kinds of templates, and copies of whole services."""
    api = APIRouter(tags=["templates"])
    for kind, said in NAMES.items():
        name, path, one = "".join(map(str.capitalize, said.split())), f"/api/{kind}/template", openapi.one()
        add(api, "GET", path, partial(_list, kind), system(f"List{name}", filtered=True), answers=openapi.many())
        add(api, "POST", path, partial(_create, kind), system(f"Create{name}"), body=openapi.OBJECT, answers=one)
        add(api, "GET", f"{path}/{{id}}", partial(_get, kind), system(f"Get{name}"), answers=one)
        put, patch = partial(_put, kind), partial(_patch, kind)
        add(api, "PUT", f"{path}/{{id}}", put, system(f"Update{name}"), body=openapi.OBJECT, answers=one)
        add(api, "PATCH", f"{path}/{{id}}", patch, system(f"Update{name}"), body=openapi.PATCH, answers=one)
        add(api, "DELETE", f"{path}/{{id}}", partial(_delete, kind), system(f"Delete{name}"))
    cloned = "/api/services/template/{id}/clone"
    add(api, "POST", cloned, _clone, system("CreateServiceTemplate"), body=Clone, answers=openapi.one())
    return api


async def existing(releases: Releases, kind: str, id_: str) -> Stored:
    """A template; NotFound if there is none."""
    stored = await releases.template(kind, id_)
    if stored is None:
        raise NotFound(f"{NAMES[kind]} [{id_}] not found")
    return stored


async def _list(kind: str, request: Request) -> Response:
    query = read_query(request, request.query_params.get("service_id") if kind != "services" else None)
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        found, total = await releases.templates(kind, whole(query) if limited(request) else query)
        if limited(request):
            labels = await _service_labels(releases, kind, found)
            readable = permitted(request, found, lambda stored: [_subject(stored, labels)])
            found, total = page_of(readable, query), len(readable)
        return listing([await _shown(releases, stored) for stored in found], total)


async def _service_labels(releases: Releases, kind: str, found: Sequence[Stored]) -> Mapping[str, Mapping[str, str]]:
    """The labels of the service templates that these are or belong to, by id."""
    services = found if kind == "services" else (await releases.templates("services", Query()))[0]
    return {stored.document.id: labels_of(stored.document.body) for stored in services}


def _subject(stored: Stored, labels: Mapping[str, Mapping[str, str]]) -> Subject:
    service = stored.document.parent or stored.document.id
    return Subject(template=service, labels={"service_label": labels.get(service, {})})


async def _get(kind: str, request: Request) -> Response:
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        stored = await existing(releases, kind, request.path_params["id"])
        return tagged(tag(stored), await _shown(releases, stored))


async def _create(kind: str, request: Request) -> Response:
    return await _write(kind, request, str(uuid4()), await read_object(request))


async def _put(kind: str, request: Request) -> Response:
    body = await read_object(request)
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        stored = await existing(releases, kind, request.path_params["id"])
    return await _write(kind, request, stored.document.id, body, stored.document)


async def _patch(kind: str, request: Request) -> Response:
    patch = await read_json(request)
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        stored = await existing(releases, kind, request.path_params["id"])
    return await _write(kind, request, stored.document.id, patched(marked(stored.document), patch), stored.document)


async def _write(
    kind: str, request: Request, id_: str, body: Mapping[str, Any], before: Document | None = None
) -> Response:
    accepted = accept(kind, id_, restored(before, body))
    refuse_left_stars(kind, id_, accepted)
    parent = str(accepted["service_id"]) if kind != "services" else None
    document = Document(kind, id_, parent, accepted)
    check_servable(document)
    async with audit.transact(request) as connection:
        releases = Releases(connection, control(request).store.cipher)
        await _unchanged(request, releases, kind, id_)
        await _fits(releases, document)
        stored = await releases.put_template(document)
        told = await _shown(releases, stored)
        audit.note(request, f"{kind}/template", id_, masked(kind, id_, accepted), answer=told)
        return tagged(tag(stored), told)


async def _unchanged(request: Request, releases: Releases, kind: str, id_: str) -> None:
    """Stale if it is not what If-Match names; nobody changes it meanwhile."""
    if "if-match" in request.headers:
        refuse_if_changed(request, await releases.template(kind, id_, locked=True))


async def _fits(releases: Releases, document: Document) -> None:
    """Invalid if its service is not there or of another type, or it is a service that its own routes do not fit."""
    if document.parent is None:
        for child in (await releases.template_content(document.id))[1:]:
            if misplaced(child, document.body.get("type")):
                said = f"service template [{document.id}] has {child.kind.replace('_', ' ')}; delete them first"
                raise Invalid(error_at(("type",), said))
        return
    service = await releases.template("services", document.parent)
    if service is None:
        raise Invalid(error_at(("service_id",), f"{NAMES['services']} [{document.parent}] not found"))
    if problem := misplaced(document, service.document.body.get("type")):
        raise Invalid(problem)


async def _clone(request: Request) -> Response:
    """A copy of a service template with all that stands below it, under another name; versions are not copied."""
    name, original = (await read_shape(request, Clone)).name, request.path_params["id"]
    async with audit.transact(request) as connection:
        releases = Releases(connection, control(request).store.cipher)
        documents = await releases.template_content(original)
        if not documents:
            raise NotFound(f"{NAMES['services']} [{original}] not found")
        service, *below = documents
        copy = Document("services", str(uuid4()), None, accept("services", "", {**service.body, "name": name}))
        stored = await releases.put_template(copy)
        for document in below:
            body = {**document.body, "service_id": copy.id}
            await releases.put_template(replace(document, id=str(uuid4()), parent=copy.id, body=body))
        told = await _shown(releases, stored)
        audit.note(request, "services/template", copy.id, {"name": name, "cloned_from": original}, answer=told)
        return value(told)


async def _delete(kind: str, request: Request) -> Response:
    id_ = request.path_params["id"]
    async with audit.transact(request) as connection:
        releases = Releases(connection, control(request).store.cipher)
        await existing(releases, kind, id_)
        await _unchanged(request, releases, kind, id_)
        groups = ", ".join(f"[{publication.group_id}]" for publication in await releases.publications(id_))
        if groups and kind == "services":
            raise Invalid(f"{NAMES[kind]} [{id_}] cannot be deleted: gateway groups {groups} are still using it")
        await releases.delete_template(kind, id_)
        audit.note(request, f"{kind}/template", id_)
    return answer({})


async def _shown(releases: Releases, stored: Stored) -> dict[str, Any]:
    if stored.document.kind != "services":
        return shown(stored)
    published = await releases.publications(stored.document.id)
    last = {"last_published": unix(published[0].published_at)} if published else {}
    return {**shown(stored), **last, "published_gateway_groups_count": len(published)}
